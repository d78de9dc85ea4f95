// An established connection to a peer: coalesces what one turn of the event loop sends, keeps the
// bulk lane out of the fast lane's way, and notices when the other side has gone silent.
import type { Socket } from 'node:net'
import {
  isQuorateError,
  QuorateError,
  type Lane,
  type Limits,
  type SendOutcome,
} from '@quorate/core'
import type { RawData, WebSocket } from 'ws'
import { readFrames } from './batch.ts'
import type { Peer } from './handshake.ts'
import { Liveness } from './liveness.ts'
import type { Meters } from './meters.ts'
import { TAG_BYTES } from './secret.ts'
import { SendQueue } from './send-queue.ts'
import { kind, SEALED } from './wire.ts'

/** Frames are gathered into messages of about this many bytes. */
export const MESSAGE_BYTES = 131_072
/** No more is handed to the socket while it holds this many bytes that the system did not take. */
const SOCKET_BYTES_MAX = 1_048_576
/** A peer sends a bulk frame once the one before was confirmed: so many confirmations never wait to leave. */
const CONFIRMATIONS_MAX = 8

/** Whom a channel tells. */
export interface ChannelOwner {
  readonly limits: Limits
  readonly meters: Pick<Meters, 'sentBytes' | 'receivedBytes'>
  /** Asks for {@link Channel.flush} at the end of this turn. */
  schedule(channel: Channel): void
  onFrame(channel: Channel, frame: Uint8Array): void
  /** It has ended; called once. */
  onEnd(channel: Channel, reason: string): void
}

/** One connection to a peer that has proven who it is. */
export class Channel {
  readonly peer: Peer
  readonly dialedBy: 'us' | 'them'
  readonly #ws: WebSocket
  readonly #liveness: Liveness
  readonly #owner: ChannelOwner
  readonly #queue: SendQueue
  readonly #tagBytes: number
  #ended = false
  #bulkOnItsWay = false
  #confirmations = 0
  #scheduled = false

  constructor(
    ws: WebSocket,
    socket: Socket,
    peer: Peer,
    dialedBy: 'us' | 'them',
    owner: ChannelOwner,
  ) {
    this.peer = peer
    this.dialedBy = dialedBy
    this.#ws = ws
    this.#liveness = new Liveness(ws, socket)
    this.#owner = owner
    this.#queue = new SendQueue(owner.limits.sendQueueBytesMax, unfilled)
    this.#tagBytes = peer.seals === undefined ? 0 : TAG_BYTES
    ws.on('message', this.#onMessage)
    ws.on('close', this.#onClose)
    ws.on('error', this.#onError)
  }

  get ended(): boolean {
    return this.#ended
  }

  send(frame: Uint8Array, lane: Lane): SendOutcome {
    if (this.#ended || frame.length > this.#owner.limits.frameBytesMax) return 'dropped'
    if (!this.#queue.offer(frame, lane)) return 'dropped'
    this.#schedule()
    return 'queued'
  }

  /** Hands to the socket what waits, as far as the socket takes it. */
  flush(): void {
    this.#scheduled = false
    const { bufferedAmount } = this.#ws
    let room = SOCKET_BYTES_MAX - bufferedAmount
    while (!this.#ended && room > 0 && this.#queue.waits('fast')) {
      room -= this.#write(kind.fast, this.#queue.take('fast', MESSAGE_BYTES, 1, this.#tagBytes))
    }
    if (this.#ended || room <= 0 || this.#bulkOnItsWay || !this.#queue.waits('bulk')) return
    this.#bulkOnItsWay = true
    this.#write(kind.bulk, this.#queue.take('bulk', 0, 1, this.#tagBytes))
  }

  /** One check of life, at even intervals. */
  check(): void {
    const fault = this.#liveness.check()
    if (fault !== undefined) this.abort(fault)
  }

  /** Asks for a sign of life at once; without one, the next check ends the connection. */
  doubt(): void {
    this.#liveness.doubt()
  }

  /** Sends what waits as far as it goes, then says goodbye. */
  close(code: number, reason: string): void {
    if (this.#ended) return
    this.flush()
    this.#end(reason)
    this.#ws.close(code, reason.slice(0, 120))
  }

  /** Ends it at once. */
  abort(reason: string): void {
    this.#end(reason)
    this.#ws.terminate()
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#owner.schedule(this)
  }

  #write(of: number, message: Uint8Array, onWritten = this.#onWritten): number {
    if (this.#tagBytes > 0) {
      message[0] = of | SEALED
      this.peer.seals?.send.write(message)
    } else message[0] = of
    this.#owner.meters.sentBytes.add(message.length)
    this.#ws.send(message, SEND, onWritten)
    return message.length
  }

  #confirm(): void {
    if (this.#confirmations === CONFIRMATIONS_MAX) throw malformed('bulk frames without a pause')
    this.#confirmations++
    this.#write(kind.bulkArrived, new Uint8Array(1 + this.#tagBytes), this.#onConfirmed)
  }

  readonly #onConfirmed = (): void => void this.#confirmations--

  readonly #onWritten = (error?: Error | null): void => {
    if (!error && !this.#ended && (this.#queue.waits('fast') || this.#queue.waits('bulk')))
      this.#schedule()
  }

  readonly #onMessage = (data: RawData, isBinary: boolean): void => {
    if (this.#ended) return
    try {
      this.#receive(data as Buffer, isBinary)
    } catch (error) {
      if (!isQuorateError(error, 'MALFORMED')) throw error
      this.abort(error.message)
    }
  }

  #receive(message: Uint8Array, isBinary: boolean): void {
    this.#owner.meters.receivedBytes.add(message.length)
    const sealed = this.#tagBytes > 0
    const first = message[0]
    if (!isBinary || first === undefined) throw malformed('an empty or a text message')
    if (first >= SEALED !== sealed) throw malformed('a message without its seal')
    if (sealed && this.peer.seals?.receive.check(message) !== true) {
      throw malformed('a message that the peer did not send on this connection, in this place')
    }
    const of = sealed ? first - SEALED : first
    const end = message.length - this.#tagBytes
    if (of === kind.bulkArrived) {
      if (end !== 1 || !this.#bulkOnItsWay) throw malformed('a confirmation of nothing')
      this.#bulkOnItsWay = false
      if (this.#queue.waits('bulk')) this.#schedule()
      return
    }
    if (of !== kind.fast && of !== kind.bulk) throw malformed(`a message of kind ${first}`)
    // All of it is checked before the first frame is handed on.
    const frames = readFrames(message, 1, end, this.#owner.limits.frameBytesMax)
    if (of === kind.bulk) {
      if (frames.length > 1) throw malformed('several frames in a bulk message')
      this.#confirm()
    }
    for (const frame of frames) {
      if (this.#ended) return
      this.#owner.onFrame(this, frame)
    }
  }

  readonly #onClose = (code: number, reason: Buffer): void => {
    this.#end(reason.length > 0 ? reason.toString() : `closed with code ${code}`)
  }

  readonly #onError = (error: Error): void => {
    this.#end(error.message)
  }

  #end(reason: string): void {
    if (this.#ended) return
    this.#ended = true
    this.#owner.onEnd(this, reason)
  }
}

/** Memory as it comes, not from the pool: a message waits in the socket, and would keep a whole page. */
function unfilled(bytes: number): Uint8Array<ArrayBuffer> {
  return Buffer.allocUnsafeSlow(bytes)
}

const SEND = { binary: true, fin: true }

function malformed(what: string): QuorateError {
  return new QuorateError('MALFORMED', `malformed message: ${what}`)
}
