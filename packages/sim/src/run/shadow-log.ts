// A second account of what a simulated disk holds, kept from what its host was told alone: after each
// crash the two are compared, so that the simulation cannot lose or invent what it promised to keep.
import type { Entry, NodeId, WriteBatch } from '@quorate/core'
import { equalBytes } from '@quorate/core'
import { hold } from '../model/violation.ts'
import type { DiskImage } from './disk-image.ts'

/** What one group's log has to hold. */
export class ShadowLog {
  #told: DiskImage
  /** Handed over, and not known to be durable. */
  #underWay: WriteBatch[] = []

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
    for (const each of this.#underWay.splice(0, at + 1)) this.#told.apply(each)
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

  /**
   * A host starts from `image`: it must hold all that was acknowledged and a prefix of the rest.
   * Returns that prefix.
   *
   * @throws InvariantViolation `storage-durable`
   */
  recovered(host: NodeId, image: DiskImage): readonly WriteBatch[] {
    const acknowledged = this.#told.lastIndex
    const kept: WriteBatch[] = []
    let isPrefix = isSame(this.#told, image)
    for (const batch of this.#underWay) {
      if (isPrefix) break
      this.#told.apply(batch)
      kept.push(batch)
      isPrefix = isSame(this.#told, image)
    }
    hold(
      isPrefix,
      'storage-durable',
      () =>
        `${host} was told that ${acknowledged} is durable and starts from ${image.lastIndex}, with ${differenceOf(this.#told, image)}`,
    )
    this.#underWay = []
    return kept
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

function isSame(a: DiskImage, b: DiskImage): boolean {
  if (a.firstIndex !== b.firstIndex || a.baseEpoch !== b.baseEpoch) return false
  if (a.snapshot?.id !== b.snapshot?.id || a.entries.length !== b.entries.length) return false
  const [x, y] = [a.hardState, b.hardState]
  if (x !== y && (x === undefined || y === undefined || !equalBytes(x, y))) return false
  return a.entries.every((entry, at) => isSameEntry(entry, b.entries[at] as Entry))
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
