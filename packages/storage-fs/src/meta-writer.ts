// Keeps the two-slot file up to date: one write at a time, the newest hard states first.
import type { GroupImage } from './group-image.ts'
import type { LogPipe } from './log-pipe.ts'
import type { MetaHardState } from './meta-file.ts'
import { encodeMetaSlot } from './meta-file.ts'
import type { RecoveredLog } from './recovery.ts'

/** Writes slots in turn. */
export class MetaWriter {
  readonly #log: RecoveredLog
  readonly #pipe: LogPipe
  /** In the order of their age, the newest last. */
  readonly #hardStates = new Map<number, MetaHardState>()
  readonly #starts: number
  #seq: number
  #durable: number
  #last: Promise<unknown> = Promise.resolve()
  #busy = false

  constructor(log: RecoveredLog, pipe: LogPipe) {
    this.#log = log
    this.#pipe = pipe
    this.#seq = log.meta.seq
    this.#durable = log.meta.durable
    this.#starts = log.meta.starts + 1
    const groups = [...log.groups.byNumber.values()]
    for (const { number, hardState, hardStateAt } of groups.sort(byHardStateAge)) {
      if (hardState !== undefined) this.note(number, hardStateAt, hardState)
    }
  }

  /** How often the store has been opened, this time included; durable with the next slot. */
  get starts(): number {
    return this.#starts
  }

  /** Whether a slot is being written. */
  get busy(): boolean {
    return this.#busy
  }

  /** The position that the slot in force calls durable. */
  get durable(): number {
    return this.#durable
  }

  /** A group's hard state has changed. */
  note(group: number, position: number, bytes: Uint8Array): void {
    this.#hardStates.delete(group)
    this.#hardStates.set(group, { group, position, bytes })
  }

  /** A group is gone. */
  forget(group: number): void {
    this.#hardStates.delete(group)
  }

  /** Resolves once the write under way has ended. */
  async settled(): Promise<void> {
    await this.#last
  }

  /** Writes the next slot; it says that everything before `durable` is. */
  async write(durable: number): Promise<void> {
    this.#busy = true
    const seq = ++this.#seq
    const slot = {
      store: this.#log.store,
      seq,
      durable,
      hardStates: [...this.#hardStates.values()].toReversed(),
      starts: this.#starts,
    }
    const { bytes, position } = encodeMetaSlot(slot)
    const file = this.#log.metaFile
    const done = this.#pipe.run([
      { op: 'write', file, bytes, position },
      { op: 'datasync', file },
    ])
    this.#last = done.catch(() => undefined)
    try {
      await done
    } catch (error) {
      // The next attempt goes to the same slot: the other one is the last that is whole.
      this.#seq = seq - 1
      throw error
    }
    this.#durable = durable
    this.#busy = false
  }
}

function byHardStateAge(a: GroupImage, b: GroupImage): number {
  return a.hardStateAt - b.hardStateAt
}
