// One connection to one host, kept up: it dials, shakes hands, pairs answers with requests, and
// dials again after a loss. What was under way then may have been done.
import { QuorateError, isQuorateError } from '@quorate/core'
import type { ClientDialer, Clock, Connection, NodeId, Random, Timer } from '@quorate/core'
import { deadlines } from '../routing/deadlines.ts'
import type { Deadlines } from '../routing/deadlines.ts'
import { errorOf, errorReply } from '../routing/wire.ts'
import type { KvReply, KvRequest } from '../routing/wire.ts'
import { FrameWriter, eachRecord, readReplyRecord, readWelcome } from './frames.ts'
import type { Welcome } from './frames.ts'

const FRAME_TARGET_BYTES = 262_144
const HANDSHAKE_TIMEOUT_MS = 5_000
const REDIAL_MIN_MS = 50
const REDIAL_MAX_MS = 2_000

/** What does not become right by trying again. */
const FINAL: readonly string[] = [
  'CLUSTER_MISMATCH',
  'INVALID_ARGUMENT',
  'INVALID_OPTIONS',
  'NOT_SUPPORTED',
  'UNAUTHORIZED',
  'WIRE_VERSION_MISMATCH',
]

/** What a link is made of. */
export interface LinkContext {
  /** The host's address. */
  readonly address: string
  /** The name of the store. */
  readonly store: string
  /** Dials. */
  readonly dialer: ClientDialer
  /** Time. */
  readonly clock: Clock
  /** Jitter. */
  readonly random: Random
  /** The handshake is done; it throws where the host is not the right one. */
  onOpen(link: Link, welcome: Welcome): void
  /** The host refused; trying again does not help. */
  onRefused(error: QuorateError): void
  /** It could not connect, whatever the reason, and tries again after a while. */
  onFailed(error: unknown): void
}

interface Pending {
  readonly deadline: number
  respond(reply: KvReply): void
  expire(): void
}

/** A connection to one host. */
export class Link {
  readonly address: string
  /** The host that it leads to, once that is known. */
  host: NodeId | undefined
  readonly #context: LinkContext
  readonly #out = new FrameWriter()
  readonly #pending = new Map<number, Pending>()
  readonly #deadlines: Deadlines
  readonly #abort = new AbortController()
  /** Requests for the time after the handshake. */
  #waiting: (() => void)[] = []
  #connection: Connection | undefined
  #open = false
  #dialing: Promise<void> | undefined
  #redial: Timer | undefined
  #handshake: Timer | undefined
  #failures = 0
  #lastId = 0
  #closed = false
  #flushing = false
  /** Those whose request has not left yet. */
  #unsent: number[] = []

  constructor(context: LinkContext) {
    this.#context = context
    this.address = context.address
    this.#deadlines = deadlines(context.clock)
  }

  /** Whether requests can leave at once. */
  get open(): boolean {
    return this.#open
  }

  /** Connects unless it is connected, connecting or waiting to. */
  dial(): void {
    if (this.#closed || this.#open || this.#dialing !== undefined || this.#redial !== undefined)
      return
    this.#dialing = this.#connect().finally(() => {
      this.#dialing = undefined
    })
  }

  /** Sends a request, `target` being another host to pass it on to, and calls `respond` once. */
  send(request: KvRequest, target: string, respond: (reply: KvReply) => void): void {
    if (this.#open) return this.#write(request, target, respond)
    this.dial()
    if (this.#dialing === undefined) return respond(unavailable(`${this.address} does not answer`))
    // What waits here ends with the dialling, which has a time of its own.
    this.#waiting.push(() => {
      if (this.#open) this.#write(request, target, respond)
      else respond(unavailable(`${this.address} does not answer`))
    })
  }

  /** Ends the connection for good. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#redial?.cancel()
    this.#flush()
    this.#abort.abort(new QuorateError('CLOSED', 'the client is closed'))
    this.#connection?.close('the client is closed')
    this.#lost('the client is closed')
    await this.#dialing
  }

  async #connect(): Promise<void> {
    const { dialer } = this.#context
    const handlers = {
      onFrame: (frame: Uint8Array) => this.#onFrame(connection.current, frame),
      onClose: (reason: string) => this.#onClose(connection.current, reason),
    }
    const connection: { current: Connection | undefined } = { current: undefined }
    try {
      const dialled = await dialer.dial(this.address, handlers, { signal: this.#abort.signal })
      if (this.#closed) return dialled.close('the client is closed')
      connection.current = dialled
      this.#connection = dialled
      await this.#shakeHands(dialled)
    } catch (error) {
      this.#failed(error)
    } finally {
      for (const wish of this.#waiting.splice(0)) wish()
    }
  }

  #welcomed: ((reply: KvReply) => void) | undefined

  async #shakeHands(connection: Connection): Promise<void> {
    const reply = await new Promise<KvReply>((resolve) => {
      this.#welcomed = resolve
      const late = unavailable(`${this.address} gave no welcome in time`)
      this.#handshake = this.#context.clock.setTimer(HANDSHAKE_TIMEOUT_MS, () => resolve(late))
      const frame = new FrameWriter()
      frame.hello(this.#context.store)
      if (connection.send(frame.take()) === 'dropped')
        resolve(unavailable('the connection is lost'))
    })
    this.#handshake?.cancel()
    this.#welcomed = undefined
    if (!reply.ok) throw errorOf(reply.error)
    const welcome = readWelcome(reply.body)
    this.#context.onOpen(this, welcome)
    this.host = welcome.host
    this.#open = true
    this.#failures = 0
  }

  #failed(error: unknown): void {
    this.#connection?.close('the handshake failed')
    this.#connection = undefined
    if (this.#closed) return
    if (isQuorateError(error) && FINAL.includes(error.code)) this.#context.onRefused(error)
    else this.#context.onFailed(error)
    this.#redialLater()
  }

  #redialLater(): void {
    if (this.#closed || this.#redial !== undefined) return
    const delay = Math.min(REDIAL_MAX_MS, REDIAL_MIN_MS * 2 ** Math.min(this.#failures++, 10))
    const jittered = delay * (0.5 + this.#context.random.fraction() / 2)
    this.#redial = this.#context.clock.setTimer(jittered, () => {
      this.#redial = undefined
      this.dial()
    })
  }

  #write(request: KvRequest, target: string, respond: (reply: KvReply) => void): void {
    const id = ++this.#lastId
    const pending: Pending = {
      deadline: this.#context.clock.now() + request.timeoutMs,
      respond,
      expire: () => this.#settle(id, unknown(`${this.address} gave no answer in time`)),
    }
    this.#pending.set(id, pending)
    this.#deadlines.add(pending)
    this.#out.request(id, target, request)
    this.#unsent.push(id)
    if (this.#out.length >= FRAME_TARGET_BYTES) return this.#flush()
    if (this.#flushing) return
    this.#flushing = true
    this.#context.clock.defer(() => this.#flush())
  }

  #flush(): void {
    this.#flushing = false
    if (this.#out.length === 0) return
    const frame = this.#out.take()
    const sent = this.#unsent
    this.#unsent = []
    if (this.#connection?.send(frame) === 'queued') return
    for (const id of sent)
      this.#settle(id, unavailable(`the connection to ${this.address} is full`))
  }

  #settle(id: number, reply: KvReply): void {
    const pending = this.#pending.get(id)
    if (pending === undefined) return
    this.#pending.delete(id)
    this.#deadlines.remove(pending)
    pending.respond(reply)
  }

  #onFrame(connection: Connection | undefined, frame: Uint8Array): void {
    if (connection !== this.#connection && connection !== undefined) return
    try {
      eachRecord(frame, (record) => {
        const { id, reply } = readReplyRecord(record)
        if (id === 0) this.#welcomed?.(reply)
        else this.#settle(id, reply)
      })
    } catch {
      this.#connection?.close('a frame that cannot be read')
      this.#onClose(this.#connection, 'a frame that cannot be read')
    }
  }

  #onClose(connection: Connection | undefined, reason: string): void {
    if (connection !== this.#connection) return
    this.#connection = undefined
    this.#welcomed?.(unavailable(`${this.address} closed the connection: ${reason}`))
    const wasOpen = this.#open
    this.#lost(reason)
    if (wasOpen) this.#redialLater()
  }

  #lost(reason: string): void {
    this.#open = false
    this.#out.take()
    const unsent = new Set(this.#unsent)
    this.#unsent = []
    for (const id of this.#pending.keys()) {
      const why = `the connection to ${this.address} was lost: ${reason}`
      this.#settle(id, unsent.has(id) ? unavailable(why) : unknown(why))
    }
  }
}

function unavailable(message: string): KvReply {
  return errorReply(0, new QuorateError('UNAVAILABLE', message))
}

function unknown(message: string): KvReply {
  return errorReply(0, new QuorateError('OUTCOME_UNKNOWN', message))
}
