// A damaged log made to open again: whatever header is hit, what comes back is what was written, or
// is told as faulty, or its group is told to be uncertain.
import type { DurableState, Entry, GroupId, LogStorage } from '@quorate/core'
import { createRandom } from '@quorate/core'
import { beforeAll, describe, expect, it } from 'vitest'
import type { CrashFs } from '@quorate/sim'
import { crashFs } from '@quorate/sim'
import { segmentReader, walkFrames } from '../src/segment.ts'
import { salvageStoreOn } from '../src/salvage.ts'
import type { SalvageReport } from '../src/salvage.ts'
import { DIRECTORY, HandClock, contextWith, recovered, storageOver } from './fs/crash-run.ts'

const ALGORITHM = { name: 'test', format: 1 }
const random = createRandom(23)

interface Written {
  readonly state: DurableState
  readonly entries: readonly Entry[]
}

/** A byte of the log. */
interface Place {
  readonly path: string
  readonly at: number
}

let healthy: CrashFs
const truth = new Map<GroupId, Written>()
/** The first byte of every frame and of every record's header. */
const headers: Place[] = []
const segmentHeaders: Place[] = []

/** Three groups over a few segments, with replaced entries, votes, and a group that was dropped. */
beforeAll(async () => {
  const fs = crashFs()
  const storage = storageOver(fs, random)
  await storage.open(contextWith(new HandClock()))
  const logs = new Map<GroupId, LogStorage>()
  const last = new Map<GroupId, number>()
  for (let seq = 1; seq <= 40; seq++) {
    for (const id of ['a', 'b', 'c']) {
      const log = logs.get(id) ?? storage.group(id, ALGORITHM)
      logs.set(id, log)
      const end = last.get(id) ?? 0
      const replaces = end > 3 && random.below(5) === 0
      const first = replaces ? end - random.below(3) : end + 1
      const append = Array.from({ length: 1 + random.below(2) }, (_, at) => ({
        index: first + at,
        epoch: 1 + seq,
        kind: 'command' as const,
        payload: new Uint8Array(random.below(700)).fill(seq),
      })).map((entry) => ({ ...entry, epoch: epochOf(id, seq, replaces) }))
      const hardState = random.below(6) === 0 ? Uint8Array.of(seq) : undefined
      const truncateFrom = replaces ? first : undefined
      await log.write({ seq, truncateFrom, append, hardState })
      last.set(id, first + append.length - 1)
    }
  }
  await logs.get('c')!.close()
  await storage.drop('c')
  for (const id of ['a', 'b']) {
    await logs.get(id)!.close()
    truth.set(id, await readGroup(storage.group(id, ALGORITHM)))
  }
  await storage.close()
  healthy = fs.afterCrash(fs.effects)
  const counted = fs.afterCrash(fs.effects)
  recovered(counted, (log) => {
    for (const segment of log.segments) {
      const content = segmentReader()(segment)
      segmentHeaders.push({ path: segment.path, at: 20 })
      walkFrames(content, content.end, ({ offset, records }) => {
        headers.push({ path: segment.path, at: offset + 8 })
        for (const { at } of records) headers.push({ path: segment.path, at: at + 16 })
      })
    }
  })
})

const epochs = new Map<GroupId, number>()
/** Replacing entries begins a later epoch, as it does in every algorithm. */
function epochOf(id: GroupId, _seq: number, replaces: boolean): number {
  const epoch = (epochs.get(id) ?? 1) + (replaces ? 1 : 0)
  epochs.set(id, epoch)
  return epoch
}

async function readGroup(log: LogStorage): Promise<Written> {
  const state = await log.load()
  const entries: Entry[] = []
  for (let index = state.firstIndex; index <= state.lastIndex; index++) {
    if (state.faulty.some(({ first, last }) => first <= index && index <= last)) continue
    entries.push(...(await log.read({ first: index, last: index, bytesMax: 0 })))
  }
  await log.close()
  return { state, entries }
}

function flipped(places: readonly Place[]): CrashFs {
  const fs = healthy.afterCrash([])
  fs.tracks = false
  for (const { path, at } of places) {
    const file = fs.open(path, 'r+')
    const byte = new Uint8Array(1)
    file.read(byte, at)
    file.writev([Uint8Array.of(byte[0]! ^ 4)], at)
    file.close()
  }
  return fs
}

/** What the storage says after the repair, by group. */
async function reopened(fs: CrashFs): Promise<Map<GroupId, Written>> {
  const storage = storageOver(fs, random, { onDamage: 'repair' })
  await storage.open(contextWith(new HandClock()))
  const seen = new Map<GroupId, Written>()
  for (const { id } of storage.groups()) {
    seen.set(id, await readGroup(storage.group(id, ALGORITHM)))
  }
  await storage.close()
  return seen
}

const text = (entry: Entry | undefined): string =>
  entry === undefined
    ? 'none'
    : `${entry.index}.${entry.epoch}.${entry.payload.length}.${entry.payload[0] ?? 0}`

/** What is neither as it was, nor told as faulty, nor uncertain. */
function lies(report: SalvageReport, seen: ReadonlyMap<GroupId, Written>): string[] {
  const found: string[] = []
  for (const { id, uncertain } of report.groups) {
    const was = truth.get(id)
    const is = seen.get(id)
    if (is === undefined) found.push(`group ${id} was reported and is not there`)
    else if (was !== undefined) found.push(...differences(id, was, is, uncertain))
    else if (!uncertain) found.push(`group ${id} is back, and nobody said so`)
  }
  for (const id of truth.keys()) {
    const isTold = report.groups.some((group) => group.id === id) || report.namelessGroups > 0
    if (!isTold) found.push(`group ${id} is gone, and nobody said so`)
  }
  return found
}

function differences(id: GroupId, was: Written, is: Written, uncertain: boolean): string[] {
  const before = new Map(was.entries.map((entry) => [entry.index, text(entry)]))
  const others = is.entries.filter(
    (entry) => before.get(entry.index) !== text(entry) && !(uncertain && isTail(entry, is)),
  )
  const ends = ({ state }: Written): string => `${state.lastIndex} ${state.hardState?.join()}`
  const isShort = !uncertain && ends(is) !== ends(was)
  return [
    ...others.map((entry) => `${id}: ${text(entry)} is another entry`),
    ...(isShort ? [`${id} ends with ${ends(is)} instead of ${ends(was)}`] : []),
  ]
}

/** Whether an entry is of the last epoch that is known: it may have been replaced in what is lost. */
function isTail(entry: Entry, { entries }: Written): boolean {
  return entry.epoch === entries.at(-1)?.epoch
}

describe('a store whose headers are damaged', () => {
  it('opens again without a lie, whichever header is hit', { timeout: 120_000 }, async () => {
    expect(headers.length).toBeGreaterThan(200)
    let certain = 0
    for (const place of headers) {
      const fs = flipped([place])
      const planned = salvageStoreOn(fs, DIRECTORY, { dryRun: true })
      const report = salvageStoreOn(fs, DIRECTORY, { dryRun: false })
      expect({ ...planned, kept: report.kept }).toEqual(report)
      // The last frame says that the log was closed in good order, and nothing else.
      const isLast = place === headers.at(-1)
      expect(report.lost.length > 0 || isLast, `byte ${place.at} of ${place.path}`).toBe(true)
      expect(lies(report, await reopened(fs))).toEqual([])
      if (report.groups.every(({ uncertain }) => !uncertain)) certain++
    }
    // Most damage in the middle can be bounded by what follows.
    expect(certain).toBeGreaterThan(headers.length / 2)
  })

  it('opens again without a lie when several are hit', { timeout: 120_000 }, async () => {
    for (let round = 0; round < 60; round++) {
      const places = Array.from(
        { length: 2 + random.below(6) },
        () => headers[random.below(headers.length)]!,
      )
      const fs = flipped(places)
      const report = salvageStoreOn(fs, DIRECTORY, { dryRun: false })
      expect(lies(report, await reopened(fs))).toEqual([])
    }
  })

  it("opens again when a segment's header is damaged", async () => {
    for (const place of segmentHeaders) {
      const fs = flipped([place])
      const report = salvageStoreOn(fs, DIRECTORY, { dryRun: false })
      expect(lies(report, await reopened(fs))).toEqual([])
    }
  })

  it.each([0, 1, -1])('is refused before, where segment %s is missing', (at) => {
    const fs = flipped([])
    fs.unlink(segmentHeaders.at(at)!.path)
    expect(() => recovered(fs, () => undefined)).toThrow(/damaged|missing/)
  })

  it('says that a segment is missing', async () => {
    const fs = flipped([])
    fs.unlink(segmentHeaders[1]!.path)
    const report = salvageStoreOn(fs, DIRECTORY, { dryRun: false })
    expect(report.lost).toHaveLength(1)
    expect(lies(report, await reopened(fs))).toEqual([])
  })

  it('needs to be told whose data it is where no header says', async () => {
    const fs = flipped(segmentHeaders)
    expect(() => salvageStoreOn(fs, DIRECTORY, { dryRun: true })).toThrow(/whose data/)
    salvageStoreOn(fs, DIRECTORY, { dryRun: false, cluster: 'c', host: 'a' })
    expect([...(await reopened(fs)).keys()]).toContain('a')
  })

  it('changes nothing in a dry run, and keeps the old log otherwise', () => {
    const fs = flipped([headers[20]!])
    const bytes = () => {
      const file = fs.open(headers[20]!.path, 'r')
      const content = new Uint8Array(file.size())
      file.read(content, 0)
      file.close()
      return content
    }
    const before = bytes()
    expect(salvageStoreOn(fs, DIRECTORY, { dryRun: true }).kept).toBeUndefined()
    expect(fs.readdir(DIRECTORY)).not.toContain('log.broken')
    expect(Buffer.compare(bytes(), before)).toBe(0)
    expect(salvageStoreOn(fs, DIRECTORY, { dryRun: false }).kept).toBe(`${DIRECTORY}/log.broken`)
    expect(salvageStoreOn(fs, DIRECTORY, { dryRun: false }).kept).toBe(`${DIRECTORY}/log.broken-2`)
    expect(fs.openFiles).toBe(0)
  })
})
