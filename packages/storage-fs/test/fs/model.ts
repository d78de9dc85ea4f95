// What a storage should hold, kept the simple way: the oracle of the crash tests. One text says
// everything that a caller could read, so that two states are compared by comparing two texts.
import type { Entry, GroupId, Random, SnapshotMeta, WriteBatch } from '@quorate/core'
import { readEntries } from '../../src/entry-reader.ts'
import type { RecoveredLog } from '../../src/recovery.ts'
import { offsetAt } from '../../src/segment.ts'

interface ModelGroup {
  hardState: string
  snapshot: string
  first: number
  entries: string[]
}

/** The state of all groups after some number of writes. */
export class Model {
  readonly groups = new Map<GroupId, ModelGroup>()

  /** Applies a batch of a group; a group starts with its first. */
  apply(id: GroupId, batch: WriteBatch): void {
    let group = this.groups.get(id)
    if (group === undefined) {
      group = { hardState: '-', snapshot: '-', first: 1, entries: [] }
      this.groups.set(id, group)
    }
    if (batch.truncateFrom !== undefined)
      group.entries.length = Math.max(0, batch.truncateFrom - group.first)
    if (batch.snapshot !== undefined) group.snapshot = batch.snapshot.id
    if (batch.compactTo !== undefined && batch.compactTo >= group.first) {
      group.entries.splice(0, batch.compactTo - group.first + 1)
      group.first = batch.compactTo + 1
    }
    for (const entry of batch.append) group.entries.push(textOf(entry))
    if (batch.hardState !== undefined) group.hardState = batch.hardState.join()
  }

  /** Everything, as one text. */
  text(): string {
    return [...this.groups]
      .map(
        ([id, group]) =>
          `${id} ${group.hardState} ${group.snapshot} ${group.first}:${group.entries.join(' ')}`,
      )
      .sort()
      .join('\n')
  }
}

function textOf({ index, epoch, kind, payload }: Entry): string {
  return `${index}.${epoch}${kind[0]}${payload.length}.${payload[0] ?? ''}.${payload.at(-1) ?? ''}`
}

/** Everything that a recovered log holds, as the same text. */
export function recoveredText(log: RecoveredLog): string {
  const locate = (position: number) => {
    const segment = log.segments.findLast(({ header }) => header.start <= position)
    if (segment === undefined) throw new Error(`no segment holds ${position}`)
    return { segment, offset: offsetAt(segment.header, position) }
  }
  return [...log.groups.byNumber.values()]
    .map((image) => {
      const { first, last, hardState, snapshot, identity } = image
      const entries =
        first > last ? [] : readEntries(locate, image, first, last, Number.MAX_SAFE_INTEGER)
      if (entries.length !== last - first + 1)
        throw new Error(`entry ${first + entries.length} cannot be read`)
      return `${identity?.id} ${hardState?.join() ?? '-'} ${snapshot?.id ?? '-'} ${first}:${entries.map(textOf).join(' ')}`
    })
    .sort()
    .join('\n')
}

/** Draws writes that keep to the contract. */
export class Workload {
  readonly #random: Random
  readonly #last = new Map<
    GroupId,
    { first: number; last: number; seq: number; epoch: number; snapshot: number }
  >()

  constructor(random: Random) {
    this.#random = random
  }

  /** Where a group is; also starts one that exists already. */
  group(
    id: GroupId,
    from = { first: 1, last: 0, epoch: 1, snapshot: 0 },
  ): { first: number; last: number; seq: number; epoch: number; snapshot: number } {
    let group = this.#last.get(id)
    if (group === undefined) this.#last.set(id, (group = { ...from, seq: 0 }))
    return group
  }

  /** Forgets a group, which has been dropped. */
  forget(id: GroupId): void {
    this.#last.delete(id)
  }

  /** The next batch of a group. `snapshot` is made the group's, where it is given. */
  batch(id: GroupId, snapshot?: SnapshotMeta): WriteBatch {
    const random = this.#random
    const group = this.group(id)
    group.seq++
    let truncateFrom: number | undefined
    if (group.last >= group.first && group.last > group.snapshot && random.below(6) === 0) {
      truncateFrom = Math.max(group.first, group.snapshot + 1, group.last - random.below(3))
      group.last = truncateFrom - 1
      group.epoch++
    }
    let compactTo: number | undefined
    if (snapshot !== undefined) {
      group.snapshot = snapshot.index
      // Past the end of the log only the snapshot itself says which epoch came before.
      const kept = snapshot.index > group.last ? 0 : random.below(2)
      compactTo = Math.max(group.first - 1, snapshot.index - kept)
      group.first = compactTo + 1
      group.last = Math.max(group.last, compactTo)
    }
    const append: Entry[] = []
    for (let count = random.below(4); count > 0; count--) {
      group.last++
      const payload = new Uint8Array(
        random.below(3) === 0 ? random.below(1500) : random.below(60),
      ).fill(random.below(255) + 1)
      append.push({
        index: group.last,
        epoch: group.epoch,
        kind: random.below(9) === 0 ? 'membership' : 'command',
        payload,
      })
    }
    const hardState =
      random.below(4) === 0 ? Uint8Array.of(group.epoch, random.below(256)) : undefined
    return { seq: group.seq, truncateFrom, snapshot, compactTo, append, hardState }
  }
}
