// The recent changes of a shard, for those who watch it. A replica's own memory, bounded, and no
// part of the replicated state: who asks for more than it holds is told so.
import type { RawKey } from '../key.ts'

/** One change of one key. */
export interface Change {
  /** The log index of the command that made it. */
  readonly revision: number
  /** The key. */
  readonly key: RawKey
  /** The value, `undefined` where the key was removed. */
  readonly value: Uint8Array | undefined
  /** No change of a key: from here on, keys that the shard had (`last`: all) are in another, or the reverse. */
  readonly handover?:
    | { readonly to: number; readonly last: boolean }
    | { readonly from: number }
    | undefined
}

/** How much history a replica keeps. */
export interface HistoryLimits {
  /** Most changes. */
  readonly changesMax: number
  /** Most bytes of keys and values. */
  readonly bytesMax: number
}

/** The recent changes of one shard, in order. */
export interface History {
  /** Every change after this revision is held. */
  readonly compacted: number
  /** Adds the changes of one command. They leave together too. */
  add(changes: readonly Change[]): void
  /** Forgets everything, since the state was replaced by one at `revision`. */
  reset(revision: number): void
  /**
   * Shows the changes after a revision, in order, until `visit` returns `false`. The changes of one
   * command are all shown, or none of them.
   */
  read(after: number, visit: (changes: readonly Change[]) => boolean): void
}

/** Makes a history that begins after `revision`. */
export function changeHistory(limits: HistoryLimits, revision = 0): History {
  let groups: (readonly Change[])[] = []
  let first = 0
  let compacted = revision
  let changes = 0
  let bytes = 0

  const drop = (): void => {
    const group = groups[first] as readonly Change[]
    first++
    changes -= group.length
    bytes -= sizeOf(group)
    compacted = revisionOf(group)
    if (first > 1024 && first * 2 > groups.length) {
      groups = groups.slice(first)
      first = 0
    }
  }

  return {
    get compacted() {
      return compacted
    },
    add(group) {
      groups.push(group)
      changes += group.length
      bytes += sizeOf(group)
      while (changes > limits.changesMax || bytes > limits.bytesMax) drop()
    },
    reset(at) {
      groups = []
      first = 0
      compacted = at
      changes = 0
      bytes = 0
    },
    read(after, visit) {
      for (let at = lowerBound(groups, first, after); at < groups.length; at++) {
        if (!visit(groups[at] as readonly Change[])) return
      }
    },
  }
}

function lowerBound(groups: readonly (readonly Change[])[], first: number, after: number): number {
  let low = first
  let high = groups.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (revisionOf(groups[middle] as readonly Change[]) <= after) low = middle + 1
    else high = middle
  }
  return low
}

function revisionOf(group: readonly Change[]): number {
  return (group[0] as Change).revision
}

function sizeOf(group: readonly Change[]): number {
  let bytes = 0
  for (const change of group) bytes += change.key.length + (change.value?.length ?? 0) + 64
  return bytes
}
