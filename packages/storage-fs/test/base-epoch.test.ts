// What a log has to know of entries that it no longer holds: the epoch of the one before the first, though
// the segment that told it has gone, and the snapshot that is finished and not yet in force.
import { createRandom } from '@quorate/core'
import type { Entry, LogStorage, SnapshotMeta } from '@quorate/core'
import { describe, expect, it } from 'vitest'
import type { CrashFs } from '@quorate/sim'
import { crashFs } from '@quorate/sim'
import type { Move } from '../src/collection.ts'
import { applyMove, moveRecords, planCollection } from '../src/collection.ts'
import { Groups } from '../src/replay.ts'
import type { Segment } from '../src/segment.ts'
import { HandClock, contextWith, storageOver } from './fs/crash-run.ts'

const ALGORITHM = { name: 'test', format: 1 }
const MEMBERSHIP = {
  version: 1,
  voters: ['a'],
  learners: [],
  witnesses: [],
  outgoing: [],
  learnersNext: [],
}

const entry = (index: number): Entry => ({
  index,
  epoch: index,
  kind: 'command',
  payload: new Uint8Array(700).fill(index),
})

async function opened(fs: CrashFs) {
  const storage = storageOver(fs, createRandom(1))
  await storage.open(contextWith(new HandClock()))
  return { storage, log: storage.group('g', ALGORITHM) }
}

async function snapshotAt(log: LogStorage, index: number): Promise<SnapshotMeta> {
  const writer = await log.snapshotWriter({ index, epoch: index, membership: MEMBERSHIP })
  await writer.write(new Uint8Array(50).fill(index))
  return writer.finish()
}

describe('a segment that tells the epoch before the first entry', () => {
  /** A log of 20 entries, 100 bytes each from position 100 on, whose state was told after them all. */
  function groupsCutAfter(index: number): Groups {
    const groups = new Groups()
    const image = groups.at(1)
    image.identity = { id: 'g', algorithm: ALGORITHM }
    for (let at = 1; at <= 20; at++) image.append(at, at, 0, 10, 100 * at)
    image.setState(image.state(), 5_000)
    image.setSnapshot({
      id: 's',
      index: 20,
      epoch: 20,
      membership: MEMBERSHIP,
      sizeBytes: 0,
      checksum: 0,
    })
    image.compact(index, index + 1)
    return groups
  }
  const segments = [0, 1_500, 3_000].map((start) => ({ header: { start } }) as Segment)

  it('goes only when it is told anew', () => {
    const groups = groupsCutAfter(14)
    const [move] = planCollection(groups, segments, 9_000)?.moves ?? []
    expect(move?.image.state()).toMatchObject({ retained: 15, baseEpoch: 14 })
    expect(move?.entries).toEqual([])
    const [records] = moveRecords(move as Move, unused) ?? []
    applyMove(groups, records ?? [], 6_000)
    expect(planCollection(groups, segments, 9_000)?.moves).toEqual([])
  })

  it('is needed no more where a later one tells it', () => {
    expect(planCollection(groupsCutAfter(15), segments, 9_000)?.moves).toEqual([])
  })
})

function unused(): never {
  throw new Error('no entry has to be read')
}

describe('a finished snapshot', () => {
  it('keeps its file while an older one comes into force', async () => {
    const { storage, log } = await opened(crashFs())
    await log.write({ seq: 1, append: [1, 2, 3, 4, 5, 6].map(entry) })
    const metas: SnapshotMeta[] = []
    for (const index of [1, 2, 4, 6]) metas.push(await snapshotAt(log, index))
    let seq = 1
    for (const snapshot of metas) await log.write({ seq: ++seq, append: [], snapshot })
    const chunks: Uint8Array[] = []
    for await (const chunk of log.readSnapshot(metas.at(-1)?.id ?? '')) chunks.push(chunk)
    expect(chunks.flatMap((chunk) => [...chunk])).toEqual(Array.from({ length: 50 }, () => 6))
    await storage.close()
  })

  it('goes with its file where a newer one came into force first', async () => {
    const fs = crashFs()
    const { storage, log } = await opened(fs)
    await log.write({ seq: 1, append: [1, 2, 3, 4].map(entry) })
    await snapshotAt(log, 1)
    const snapshot = await snapshotAt(log, 3)
    await log.write({ seq: 2, append: [], snapshot })
    const files = fs.readdir('/data/snapshots').filter((name) => name.endsWith('.snap'))
    expect(files).toEqual([`1.${snapshot.id}.snap`])
    await storage.close()
  })
})
