// What becomes of snapshot files at a start: those in force are checked, a bad one gives way to
// the one before it, and files that nothing refers to are removed.
import type { GroupId } from '@quorate/core'
import { QuorateError } from '@quorate/core'
import type { Fs } from './fs.ts'
import { namesIn } from './fs.ts'
import type { GroupImage } from './group-image.ts'
import { SNAPSHOT_DIRECTORY } from './layout.ts'
import { checkSnapshot, parseSnapshotName, snapshotPath } from './snapshot-file.ts'

/** A group that starts from an older snapshot, because the newest is damaged. */
export interface SnapshotFallback {
  /** The group. */
  readonly group: GroupId
  /** The id of the damaged one. */
  readonly damaged: string
  /** The id of the one in force now. */
  readonly used: string
  /** What is wrong with the damaged one. */
  readonly reason: string
}

/** A snapshot that was found damaged while its group was in use. */
export interface DamagedSnapshot {
  /** The group. */
  readonly group: GroupId
  /** The id of the damaged one. */
  readonly damaged: string
  /**
   * The id of the one that the group would start from; `undefined` where it could not start, until
   * another snapshot has taken the place of the damaged one.
   */
  readonly used: string | undefined
  /** What is wrong with it. */
  readonly reason: string
}

/**
 * Checks every group's snapshot, and puts the one before in force where it is damaged. The
 * damaged file is renamed, so that a person can look at it.
 *
 * @throws QuorateError `STORAGE_CORRUPT` where a damaged snapshot has no sound predecessor
 */
export function checkSnapshots(
  fs: Fs,
  directory: string,
  store: Uint8Array,
  images: Iterable<GroupImage>,
): readonly SnapshotFallback[] {
  const fallbacks: SnapshotFallback[] = []
  for (const image of images) {
    const { snapshot, previous, number, identity } = image
    if (snapshot === undefined || identity === undefined) continue
    const owner = { store, group: number }
    const path = snapshotPath(directory, number, snapshot.id)
    const reason = checkSnapshot(fs, path, owner, snapshot)
    if (reason === undefined) continue
    const older =
      previous === undefined
        ? 'there is none'
        : checkSnapshot(fs, snapshotPath(directory, number, previous.id), owner, previous)
    if (older !== undefined || !image.fallBack()) {
      throw new QuorateError(
        'STORAGE_CORRUPT',
        `snapshot ${path}: ${reason}; the one before cannot be used: ${older ?? 'the log no longer reaches back to it'}`,
        { details: { path, group: identity.id } },
      )
    }
    fallbacks.push({ group: identity.id, damaged: snapshot.id, used: previous?.id ?? '', reason })
  }
  return fallbacks
}

/** Renames damaged snapshot files, once the log says that they are not in force any more. */
export function setAside(
  fs: Fs,
  directory: string,
  files: readonly { readonly number: number; readonly id: string }[],
): void {
  const folder = `${directory}/${SNAPSHOT_DIRECTORY}`
  const names = namesIn(fs, folder) ?? []
  for (const { number, id } of files) {
    const path = snapshotPath(directory, number, id)
    if (names.includes(path.slice(folder.length + 1))) fs.rename(path, `${path}.corrupt`)
  }
  if (files.length > 0) fs.syncDir(folder)
}

/** Removes the files of groups that are gone, and of snapshots that nothing refers to. */
export function sweepSnapshots(
  fs: Fs,
  directory: string,
  images: ReadonlyMap<number, GroupImage>,
): void {
  const folder = `${directory}/${SNAPSHOT_DIRECTORY}`
  let removed = 0
  for (const name of namesIn(fs, folder) ?? []) {
    const parsed = parseSnapshotName(name)
    if (parsed === undefined) continue
    const image = images.get(parsed.group)
    const kept =
      parsed.kind === 'part'
        ? parsed.id !== ''
        : [image?.snapshot?.id, image?.previous?.id].includes(parsed.id)
    if (image?.identity !== undefined && kept) continue
    fs.unlink(`${folder}/${name}`)
    removed++
  }
  if (removed > 0) fs.syncDir(folder)
}

/** Removes a group's files of snapshots that are neither in force nor kept. */
export function pruneSnapshots(
  fs: Fs,
  directory: string,
  number: number,
  keep: readonly (string | undefined)[],
): void {
  const folder = `${directory}/${SNAPSHOT_DIRECTORY}`
  for (const name of namesIn(fs, folder) ?? []) {
    const parsed = parseSnapshotName(name)
    if (parsed?.group !== number || (parsed.kind === 'snap' && keep.includes(parsed.id))) continue
    if (parsed.kind === 'part' && keep.length > 0) continue
    fs.unlink(`${folder}/${name}`)
  }
}
