// Keeps what happened in a run, for the diagram of a failure. Nothing is kept otherwise: a failed seed
// is simply run again.
import type { LogFields, Logger, NodeId } from '@quorate/core'
import type { Fault } from './faults.ts'
import type { NetworkWatcher } from './network.ts'
import type { Timeline } from './timeline.ts'

/** Something that happened on one host. */
export interface RecordedEvent {
  /** When, in simulated milliseconds. */
  readonly atMs: number
  /** Where. `undefined` for the whole cluster. */
  readonly host: NodeId | undefined
  /** What kind: `up`, `down`, `role`, `fault`, `event`, `log`. */
  readonly kind: 'up' | 'down' | 'role' | 'fault' | 'event' | 'log'
  /** In words. */
  readonly text: string
}

/** A frame that was sent. */
export interface RecordedFrame {
  /** When it left. */
  readonly sentMs: number
  /** When it arrived; `undefined` where it did not. */
  readonly arrivedMs: number | undefined
  /** From where. */
  readonly from: NodeId
  /** To where. */
  readonly to: NodeId
  /** How long it was. */
  readonly bytes: number
}

/** Everything that was kept of a run. */
export interface Recording {
  /** The hosts, in order. */
  readonly hosts: readonly NodeId[]
  /** What happened, in order of time. */
  readonly events: readonly RecordedEvent[]
  /** The frames, in order of sending. */
  readonly frames: readonly RecordedFrame[]
  /** When the run failed, and why. */
  readonly failure: { readonly atMs: number; readonly text: string } | undefined
}

/** Keeps at most this many events and frames, the newest. */
const KEPT_MAX = 200_000

/** Records a run. */
export class Recorder implements NetworkWatcher {
  readonly #timeline: Timeline
  readonly #events: RecordedEvent[] = []
  readonly #frames: RecordedFrame[] = []

  /** Records what happens from now on. */
  constructor(timeline: Timeline) {
    this.#timeline = timeline
  }

  sent(from: NodeId, to: NodeId, frame: Uint8Array, arrivesMs: number | undefined): void {
    if (this.#frames.length >= KEPT_MAX) this.#frames.splice(0, KEPT_MAX / 2)
    const sentMs = this.#timeline.nowMs
    this.#frames.push({ sentMs, arrivedMs: arrivesMs, from, to, bytes: frame.length })
  }

  /** A host runs. */
  up(id: NodeId): void {
    this.#add(id, 'up', 'up')
  }

  /** A host's process is gone. */
  down(id: NodeId): void {
    this.#add(id, 'down', 'down')
  }

  /** A replica's role or epoch changed. */
  role(id: NodeId, group: string, role: string, epoch: number): void {
    this.#add(id, 'role', `${group}: ${role}, epoch ${epoch}`)
  }

  /** A fault happened. */
  fault(fault: Fault, host: NodeId | undefined): void {
    this.#add(host, 'fault', JSON.stringify(fault))
  }

  /** A core told of something. */
  event(id: NodeId, name: string, fields: LogFields): void {
    this.#add(id, 'event', `${name} ${JSON.stringify(fields)}`)
  }

  /** A batch became durable. */
  persisted(id: NodeId, group: string, seq: number): void {
    this.#add(id, 'event', `${group}: batch ${seq} durable`)
  }

  /** The logger of a host. */
  logger(id: NodeId): Logger {
    const line =
      (level: string) =>
      (fields: LogFields, message: string): void =>
        this.#add(id, 'log', `${level}: ${message} ${textOf(fields)}`)
    return { debug: () => {}, info: line('info'), warn: line('warn'), error: line('error') }
  }

  /** What was kept. */
  finish(
    hosts: readonly NodeId[],
    failure: { readonly atMs: number; readonly error: unknown } | undefined,
  ): Recording {
    return {
      hosts,
      events: this.#events,
      frames: this.#frames,
      failure: failure && { atMs: failure.atMs, text: String(failure.error) },
    }
  }

  #add(host: NodeId | undefined, kind: RecordedEvent['kind'], text: string): void {
    if (this.#events.length >= KEPT_MAX) this.#events.splice(0, KEPT_MAX / 2)
    this.#events.push({ atMs: this.#timeline.nowMs, host, kind, text })
  }
}

function textOf(fields: LogFields): string {
  return JSON.stringify(fields, (_key, value: unknown) =>
    value instanceof Error ? String(value) : value,
  )
}
