// A second account of what a simulated disk holds, kept from what its host was told alone: after each
// crash the two are compared, so that the simulation cannot lose or invent what it promised to keep.
import type { Entry, Epoch, LogIndex, NodeId, WriteBatch } from '@quorate/core'
import { equalBytes } from '@quorate/core'
import { hold } from '../model/violation.ts'
import type { DiskImage } from './disk-image.ts'

/** What one group's log has to hold. */
export class ShadowLog {
  #told: DiskImage
  /** Handed over, and not known to be durable. */
  #underWay: WriteBatch[] = []
  /** Snapshots that were in force before the one told last: a storage may go back to them where that has rotted. */
  readonly #before = new Set<string>()

  /** Begins with what a disk holds. */
  constructor(image: DiskImage) {
    this.#told = image.clone()
  }

  /** A batch was handed to the disk. */
  submitted(batch: WriteBatch): void {
    this.#underWay.push(batch)
  }

  /** The host was told that a batch is durable, and with it all before. */
  acknowledged(batch: WriteBatch): void {
    const at = this.#underWay.indexOf(batch)
    for (const each of this.#underWay.splice(0, at + 1)) this.#tell(each)
  }

  /** The storage has refused a batch and all after it: nothing of them is ever durable. */
  refused(batch: WriteBatch): void {
    const at = this.#underWay.indexOf(batch)
    if (at >= 0) this.#underWay.length = at
  }

  /** The log as it is once everything handed over is durable. */
  written(): DiskImage {
    const image = this.#told.clone()
    for (const batch of this.#underWay) image.apply(batch)
    return image
  }

  /** The entry at an index, as it was handed over with this epoch. */
  entryAt(index: LogIndex, epoch: Epoch): Entry | undefined {
    const told = this.#told.entries[index - this.#told.firstIndex]
    const handed = [told, ...this.#underWay.flatMap(({ append }) => append)]
    return handed.find((entry) => entry?.index === index && entry.epoch === epoch)
  }

  /**
   * A host starts from `image`: it must hold all that was acknowledged and a prefix of the rest. Where
   * the disk is `rotten`, entries that it calls faulty count as held, and a snapshot may have given way
   * to one before it. Returns the prefix.
   *
   * @throws InvariantViolation `storage-durable`
   */
  recovered(host: NodeId, image: DiskImage, rotten = false): readonly WriteBatch[] {
    const acknowledged = this.#told.lastIndex
    const kept: WriteBatch[] = []
    const matches = (): boolean => (rotten ? this.#matchesRotten(image) : isSame(this.#told, image))
    let isPrefix = matches()
    for (const batch of this.#underWay) {
      if (isPrefix) break
      this.#tell(batch)
      kept.push(batch)
      isPrefix = matches()
    }
    hold(
      isPrefix,
      'storage-durable',
      () =>
        `${host} was told that ${acknowledged} is durable and starts from ${image.lastIndex}, with ${differenceOf(this.#told, image)}`,
    )
    this.#underWay = []
    if (rotten) this.#told = image.clone()
    return kept
  }

  #tell(batch: WriteBatch): void {
    const { snapshot } = this.#told
    if (batch.snapshot !== undefined && snapshot !== undefined) this.#before.add(snapshot.id)
    this.#told.apply(batch)
  }

  /** Entries may be faulty, and the snapshot one before the one told, with the log that follows it. */
  #matchesRotten(image: DiskImage): boolean {
    const told = this.#told.clone()
    const found = image.clone()
    const older = found.snapshot?.id
    if (older !== undefined && older !== told.snapshot?.id && this.#before.has(older)) {
      found.snapshot = told.snapshot
      const compactTo = Math.max(told.firstIndex, found.firstIndex) - 1
      if (compactTo > found.lastIndex || compactTo > (told.snapshot?.index ?? 0)) return false
      for (const each of [told, found]) each.apply({ seq: 0, append: [], compactTo })
    }
    return isSame(told, found, image)
  }
}

const shadows = new WeakMap<DiskImage, ShadowLog>()

/** The account of an image, begun where there is none. */
export function shadowOf(image: DiskImage): ShadowLog {
  let shadow = shadows.get(image)
  if (shadow === undefined) {
    shadow = new ShadowLog(image)
    shadows.set(image, shadow)
  }
  return shadow
}

/** Whether two images are equal, but for what `rotten` cannot read. */
function isSame(a: DiskImage, b: DiskImage, rotten?: DiskImage): boolean {
  if (a.firstIndex !== b.firstIndex || a.baseEpoch !== b.baseEpoch) return false
  if (a.snapshot?.id !== b.snapshot?.id || a.entries.length !== b.entries.length) return false
  const [x, y] = [a.hardState, b.hardState]
  if (x !== y && (x === undefined || y === undefined || !equalBytes(x, y))) return false
  return a.entries.every((entry, at) => {
    const other = b.entries[at] as Entry
    if (rotten?.isFaulty(entry.index) === true) return entry.epoch === other.epoch
    return isSameEntry(entry, other)
  })
}

/** What is not as it was told, for a person. */
function differenceOf(told: DiskImage, found: DiskImage): string {
  const at = told.entries.findIndex((entry, index) => {
    const other = found.entries[index]
    return other === undefined || !isSameEntry(entry, other)
  })
  const of = (image: DiskImage): string =>
    `${image.firstIndex} to ${image.lastIndex} after epoch ${image.baseEpoch}, snapshot ${image.snapshot?.id}, state ${image.hardState?.join()}, ${
      at < 0 ? 'equal entries' : `epoch ${image.entries[at]?.epoch} at ${told.firstIndex + at}`
    }`
  return `${of(found)} instead of ${of(told)}`
}

/** Whether two entries are equal, payload and all. */
export function isSameEntry(a: Entry, b: Entry): boolean {
  if (a === b) return true
  if (a.index !== b.index || a.epoch !== b.epoch || a.kind !== b.kind) return false
  return equalBytes(a.payload, b.payload)
}
