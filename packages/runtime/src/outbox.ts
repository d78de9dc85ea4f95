// Gathers what leaves for each peer during a turn and hands it to the transport as one frame a
// lane: the cost of a frame is paid once for all groups.
import type { Lane, Limits, NodeId, SendOutcome, Transport } from '@quorate/core'
import { ByteWriter } from '@quorate/core'
import { FRAME_VERSION } from './frame.ts'
import type { Meters } from './metrics.ts'
import type { Turns } from './turns.ts'

/** Collects records for peers. */
export interface Outbox {
  /**
   * Appends records to a peer's frame. What `write` appends is never split.
   *
   * @returns `dropped` where the records alone would exceed a frame
   */
  append(to: NodeId, lane: Lane, write: (writer: ByteWriter) => void): SendOutcome
  /** Sends all frames now. */
  flush(): void
}

interface Pending {
  readonly to: NodeId
  readonly lane: Lane
  readonly writer: ByteWriter
}

/** Makes the outbox of a host. Frames leave at the end of the turn, or earlier when they fill up. */
export function createOutbox(
  turns: Pick<Turns, 'atEnd'>,
  limits: Limits,
  transport: Pick<Transport, 'send'>,
  meters: Pick<Meters, 'sent'>,
): Outbox {
  const frames = new Map<NodeId, { fast: Pending; bulk: Pending }>()
  const dirty = new Set<Pending>()
  let deferred = false

  const flush = (): void => {
    deferred = false
    for (const frame of dirty) send(frame)
    dirty.clear()
  }
  const hand = (to: NodeId, lane: Lane, bytes: Uint8Array): void => {
    meters.sent[lane].add(bytes.length)
    transport.send(to, bytes, lane)
  }
  const send = (frame: Pending): void => {
    hand(frame.to, frame.lane, frame.writer.finish())
    frame.writer.reset()
  }
  const frameOf = (to: NodeId, lane: Lane): Pending => {
    let pair = frames.get(to)
    if (pair === undefined) {
      const make = (of: Lane): Pending => ({ to, lane: of, writer: new ByteWriter(1_024) })
      pair = { fast: make('fast'), bulk: make('bulk') }
      frames.set(to, pair)
    }
    return pair[lane]
  }

  return {
    append(to, lane, write) {
      const frame = frameOf(to, lane)
      const { writer } = frame
      const start = writer.length
      if (start === 0) writer.uint8(FRAME_VERSION)
      write(writer)
      if (writer.length > limits.frameBytesMax) {
        // The records before this one leave on their own; this one starts a new frame.
        const bytes = writer.finish()
        writer.reset()
        if (start > 0) hand(to, lane, bytes.slice(0, start))
        dirty.delete(frame)
        const first = start === 0 ? 1 : start
        if (bytes.length - first + 1 > limits.frameBytesMax) return 'dropped'
        writer.uint8(FRAME_VERSION)
        writer.raw(bytes.subarray(first))
      }
      dirty.add(frame)
      if (!deferred) {
        deferred = true
        turns.atEnd(flush)
      }
      return 'queued'
    },
    flush,
  }
}
