// What becomes of a snapshot that rots while its group is in use: the file is set aside, the log says
// so, and the one before is kept until there is another, as a start would have it.
import type { GroupId, Logger, SnapshotMeta } from '@quorate/core'
import type { FsLog } from './fs-log.ts'
import type { RecordDraft } from './frame.ts'
import type { Fs } from './fs.ts'
import type { GroupImage } from './group-image.ts'
import { encodeLostSnapshot } from './group-state.ts'
import { TYPE_SNAPSHOT_LOST } from './layout.ts'
import type { DamagedSnapshot } from './snapshot-sweep.ts'
import { setAside } from './snapshot-sweep.ts'
import type { StorageMeters } from './storage-meters.ts'

/** What it needs. */
export interface LostSnapshotsContext {
  readonly fs: Fs
  readonly directory: string
  readonly logger: Logger
  readonly meters: StorageMeters
  /** Writes records of a group, after everything that its log has been handed. */
  readonly submit: (
    records: readonly RecordDraft[],
    apply: (position: number) => void,
  ) => Promise<void>
  /** The log of a group, where it is in use. */
  readonly logOf: (group: GroupId) => FsLog | undefined
}

/** Keeps the damaged snapshots of one storage. */
export class LostSnapshots {
  readonly #context: LostSnapshotsContext
  readonly #damaged = new Map<GroupImage, DamagedSnapshot>()
  /** Records under way. */
  readonly #recording = new Map<GroupImage, Promise<void>>()

  constructor(context: LostSnapshotsContext) {
    this.#context = context
  }

  /** Those in force. */
  get damaged(): readonly DamagedSnapshot[] {
    return [...this.#damaged.values()]
  }

  /** A snapshot is damaged: the one in force, or the one that is kept for its sake. */
  found(image: GroupImage, { id }: SnapshotMeta, reason: string): void {
    const { identity } = image
    if (identity === undefined) return
    const { meters } = this.#context
    const fields = { group: identity.id, damaged: id, reason }
    if (id !== image.snapshot?.id) {
      meters.damaged(
        fields,
        'the snapshot that is kept for the sake of the newest is damaged; the newest is sound as far as is known, and the next takes its place',
      )
      return this.#giveUp(image, id)
    }
    const used = image.canFallBack ? image.previous?.id : undefined
    if (this.#damaged.get(image)?.damaged !== id) {
      const damaged: DamagedSnapshot = { ...fields, used }
      this.#damaged.set(image, damaged)
      meters.setFaultySnapshots(this.#damaged.size)
      meters.damaged(
        { ...damaged },
        used === undefined
          ? 'a snapshot is damaged and none stands in for it: this host cannot start again before its group has taken another; where it has ended, start it without its data, with "rejoin"'
          : 'a snapshot is damaged: until its group takes another, a start uses the one before it',
      )
    }
    // Without another one, a start refuses, and the file is what a person has to look at.
    if (used !== undefined) this.#giveUp(image, id)
  }

  /** A start takes a missing file for a damaged one, so the file can go before the log says why. */
  #giveUp(image: GroupImage, id: string): void {
    if (this.#recording.has(image)) return
    const recorded = this.#record(image, id).finally(() => this.#recording.delete(image))
    this.#recording.set(image, recorded)
  }

  async #record(image: GroupImage, id: string): Promise<void> {
    const { fs, directory, logger, submit, logOf } = this.#context
    const { number } = image
    const log = image.identity === undefined ? undefined : logOf(image.identity.id)
    const payload = encodeLostSnapshot(id)
    const small = { kind: 0, flags: 0, group: number, index: 0, epoch: 0 }
    try {
      setAside(fs, directory, [{ number, id }])
      log?.noteLostSnapshot(id)
      await submit([{ ...small, type: TYPE_SNAPSHOT_LOST, payload }], () => image.loseSnapshot(id))
    } catch (error) {
      // The next round finds it again, on a disk that may have room then.
      log?.forgetLostSnapshot()
      logger.warn({ error, group: image.identity?.id }, 'a damaged snapshot could not be set aside')
    }
  }

  /** A group has another snapshot, or is gone. */
  replaced(image: GroupImage): void {
    if (this.#damaged.delete(image)) this.#context.meters.setFaultySnapshots(this.#damaged.size)
  }

  /** Resolves once nothing of it is under way. */
  async close(): Promise<void> {
    await Promise.all(this.#recording.values())
  }
}
