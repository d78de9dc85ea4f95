// What waits to be sent over one connection: two lanes, one bound. A frame that does not fit is
// refused when it is offered; one that was accepted is lost only with the connection.
import type { Lane } from '@quorate/core'
import { BATCH_FRAMES_MAX, framedBytes, writeFrame } from './batch.ts'

/** What a waiting frame costs besides its bytes. */
const FRAME_COST = 64

/** First in, first out, with O(1) `shift` however long it gets. */
class Fifo {
  #frames: (Uint8Array | undefined)[] = []
  #head = 0
  bytes = 0

  get length(): number {
    return this.#frames.length - this.#head
  }

  push(frame: Uint8Array): void {
    this.#frames.push(frame)
    this.bytes += frame.length
  }

  peek(at: number): Uint8Array | undefined {
    return this.#frames[this.#head + at]
  }

  drop(count: number): void {
    for (let dropped = 0; dropped < count; dropped++) {
      this.bytes -= this.#frames[this.#head]?.length ?? 0
      this.#frames[this.#head++] = undefined
    }
    if (this.#head === this.#frames.length) {
      this.#frames.length = 0
      this.#head = 0
    } else if (this.#head >= 4_096 && this.#head * 2 >= this.#frames.length) {
      this.#frames = this.#frames.slice(this.#head)
      this.#head = 0
    }
  }
}

function zeros(bytes: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes)
}

/** The lanes of one connection. */
export class SendQueue {
  readonly #fast = new Fifo()
  readonly #bulk = new Fifo()
  readonly #bytesMax: number
  readonly #allocate: (bytes: number) => Uint8Array<ArrayBuffer>

  /**
   * @param allocate - makes the memory of a message, which is written over in full. Default: filled
   * with zeros, which costs a pass over it
   */
  constructor(bytesMax: number, allocate: typeof zeros = zeros) {
    this.#bytesMax = bytesMax
    this.#allocate = allocate
  }

  /** Payload bytes that wait. */
  get bytes(): number {
    return this.#fast.bytes + this.#bulk.bytes
  }

  /**
   * Takes a frame, or refuses it where the queue is full. Bulk frames may fill half of the queue,
   * so that they never crowd out the fast lane. Each frame that waits counts some bytes more than
   * it has, so that empty ones are bounded too.
   */
  offer(frame: Uint8Array, lane: Lane): boolean {
    const held = this.bytes + FRAME_COST * (this.#fast.length + this.#bulk.length)
    if (held > 0 && held + frame.length > this.#bytesMax) return false
    if (lane === 'fast') {
      this.#fast.push(frame)
      return true
    }
    const bulkFull = this.#bulk.bytes + frame.length > this.#bytesMax / 2
    if (bulkFull && this.#bulk.length > 0) return false
    this.#bulk.push(frame)
    return true
  }

  waits(lane: Lane): boolean {
    return (lane === 'fast' ? this.#fast : this.#bulk).length > 0
  }

  /**
   * The next message of a lane: fast frames up to `bytesTarget`, or one bulk frame, between `before`
   * and `after` bytes left for the caller. The lane must not be empty.
   */
  take(lane: Lane, bytesTarget: number, before: number, after: number): Uint8Array<ArrayBuffer> {
    const fifo = lane === 'fast' ? this.#fast : this.#bulk
    const countMax = lane === 'bulk' ? 1 : Math.min(fifo.length, BATCH_FRAMES_MAX)
    let count = 0
    let bytes = 0
    for (; count < countMax; count++) {
      const next = framedBytes((fifo.peek(count) as Uint8Array).length)
      if (count > 0 && bytes + next > bytesTarget) break
      bytes += next
    }
    const message = this.#allocate(before + bytes + after)
    let at = before
    for (let index = 0; index < count; index++) {
      at = writeFrame(message, at, fifo.peek(index) as Uint8Array)
    }
    fifo.drop(count)
    return message
  }
}
