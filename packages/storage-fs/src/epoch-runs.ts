// The epochs of a log in runs: one pair of numbers for each leadership instead of one number
// for each entry.
import type { Epoch, EpochRun, LogIndex } from '@quorate/core'

/** The epochs of every index from a first one on. */
export class EpochRuns {
  #runs: EpochRun[]

  constructor(from: LogIndex, epoch: Epoch) {
    this.#runs = [{ from, epoch }]
  }

  /** The epoch at an index that the runs cover. */
  at(index: LogIndex): Epoch {
    return (this.#runs[this.#find(index)] as EpochRun).epoch
  }

  /** Says that from `index` on the epoch is this. */
  push(index: LogIndex, epoch: Epoch): void {
    if (this.#runs.at(-1)?.epoch !== epoch) this.#runs.push({ from: index, epoch })
  }

  /** Says what the epoch of one index is, whatever the runs say. */
  put(index: LogIndex, epoch: Epoch): void {
    if (this.at(index) === epoch) return
    const at = this.#find(index)
    const { from, epoch: around } = this.#runs[at] as EpochRun
    const next = this.#runs[at + 1]
    const pieces: EpochRun[] = []
    if (from < index) pieces.push({ from, epoch: around })
    pieces.push({ from: index, epoch })
    if (next === undefined || next.from > index + 1) pieces.push({ from: index + 1, epoch: around })
    this.#runs.splice(at, 1, ...pieces)
    this.#merge()
  }

  #merge(): void {
    this.#runs = this.#runs.filter((run, at, runs) => at === 0 || runs[at - 1]?.epoch !== run.epoch)
  }

  /** Forgets every index from `from` on. */
  truncate(from: LogIndex): void {
    while (this.#runs.length > 1 && (this.#runs.at(-1) as EpochRun).from >= from) this.#runs.pop()
    const [first] = this.#runs as [EpochRun]
    // Where the records before the first one are gone with their segments, it may be cut before it.
    if (first.from >= from) this.#runs[0] = { from: from - 1, epoch: first.epoch }
  }

  /** Forgets every index before `from`. */
  dropBefore(from: LogIndex): void {
    const at = this.#find(from)
    this.#runs.splice(0, at)
    const first = this.#runs[0] as EpochRun
    this.#runs[0] = { from, epoch: first.epoch }
  }

  /** Covers indexes before the first, back to `from`, with an epoch. */
  extendFront(from: LogIndex, epoch: Epoch): void {
    if (from < (this.#runs[0] as EpochRun).from) this.#runs.unshift({ from, epoch })
    else this.put(from, epoch)
    this.#merge()
  }

  /** Starts anew with one run. */
  reset(from: LogIndex, epoch: Epoch): void {
    this.#runs = [{ from, epoch }]
  }

  /** The runs from an index on. */
  from(index: LogIndex): readonly EpochRun[] {
    const at = this.#find(index)
    const runs = this.#runs.slice(at)
    runs[0] = { from: index, epoch: (runs[0] as EpochRun).epoch }
    return runs
  }

  #find(index: LogIndex): number {
    let low = 0
    let high = this.#runs.length - 1
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if ((this.#runs[middle] as EpochRun).from <= index) low = middle
      else high = middle - 1
    }
    return low
  }
}
