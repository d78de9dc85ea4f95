// The log of a host: group commit against a bare loop of writev and fdatasync over the same
// batches, beside two stores that people use for durable appends, and how fast a log is recovered.
import {
  closeSync,
  fdatasyncSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeSync,
  writevSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { noMetrics, silentLogger, systemClock } from '@quorate/core'
import type { Entry, LogStorage, StorageContext } from '@quorate/core'
import { fsStorage } from '@quorate/storage-fs'
import { median, record, round } from './record.ts'

const PAYLOAD = new Uint8Array(256).fill(7)
const BATCHES = [1, 8, 64, 256] as const
const ROUNDS = Number(process.argv[2] ?? 3)
const SECONDS = Number(process.argv[3] ?? 1)
const RECOVERY_BYTES = Number(process.argv[4] ?? 2 ** 30)
const context: StorageContext = {
  cluster: 'bench',
  host: 'a',
  clock: systemClock(),
  logger: silentLogger,
  metrics: noMetrics,
}
const algorithm = { name: 'raft', format: 1 }
const directories: string[] = []

function temporary(): string {
  const made = mkdtempSync(join(process.env['QUORATE_BENCH_DIR'] ?? tmpdir(), 'quorate-bench-'))
  directories.push(made)
  return made
}

/** Calls `batch` again and again for the time given; records per second. */
async function rate(size: number, batch: () => Promise<void> | void): Promise<number> {
  const start = performance.now()
  let count = 0
  while (performance.now() - start < SECONDS * 1000) {
    await batch()
    count += size
  }
  return (count / (performance.now() - start)) * 1000
}

/** What the log writes for one record: its share of a frame, a record's header, and the payload. */
const RECORD_BYTES = 48 + 32 + PAYLOAD.length
const SEGMENT_BYTES = 32 * 2 ** 20
const ZEROS = new Uint8Array(2 ** 20)
/** How many batches are under way at most: one is synced, one waits, one is made. */
const DEPTH = 3

/** A file filled with zeros, durable. */
function filled(bytes: number): number {
  const fd = openSync(join(temporary(), 'log'), 'w')
  for (let at = 0; at < bytes; at += ZEROS.length) writeSync(fd, ZEROS, 0, ZEROS.length, at)
  fdatasyncSync(fd)
  return fd
}

/**
 * Writes each batch with one writev and one fdatasync: the physical limit of a single writer. With
 * `segments` it does what any log has to that must not change its file's size with a write: it
 * fills each segment with zeros first. Without, it writes the same filled file over and over.
 */
async function bareLoop(size: number, segments: boolean): Promise<number> {
  const bytes = segments ? SEGMENT_BYTES : 8 * SEGMENT_BYTES
  let fd = filled(bytes)
  const buffers = Array.from({ length: size }, () => new Uint8Array(RECORD_BYTES).fill(7))
  let position = 0
  const result = await rate(size, () => {
    if (position + size * RECORD_BYTES > bytes) {
      position = 0
      if (segments) {
        closeSync(fd)
        fd = filled(bytes)
      }
    }
    position += writevSync(fd, buffers, position)
    fdatasyncSync(fd)
  })
  closeSync(fd)
  return result
}

const bare = (size: number): Promise<number> => bareLoop(size, false)
const bareSegments = (size: number): Promise<number> => bareLoop(size, true)

async function withLog(
  run: (log: LogStorage) => Promise<number>,
  synced: (writes: number) => void = () => {},
): Promise<number> {
  const histogram = (name: string) => ({
    record(value: number) {
      if (name === 'quorate_storage_sync_writes' && value > 0) synced(value)
    },
  })
  const storage = fsStorage(temporary())
  await storage.open({ ...context, metrics: { ...noMetrics, histogram } })
  const result = await run(storage.group('g', algorithm))
  await storage.close()
  return result
}

/** Makes atomic writes of `size` entries. */
function writerOf(log: LogStorage, size: number): () => Promise<void> {
  let index = 0
  let seq = 0
  return () => {
    const append: Entry[] = []
    for (let count = 0; count < size; count++) {
      append.push({ index: ++index, epoch: 1, kind: 'command', payload: PAYLOAD })
    }
    return log.write({ seq: ++seq, append })
  }
}

/** How many entries one sync carried when `quorate` ran last, on average. */
let perSync = 0

/** Writes of `size` entries, one a turn and a few of them under way, as a busy core hands them in. */
async function quorate(size: number): Promise<number> {
  let [syncs, writes] = [0, 0]
  const run = async (log: LogStorage): Promise<number> => {
    const write = writerOf(log, size)
    const underWay: Promise<void>[] = []
    const result = await rate(size, async () => {
      underWay.push(write())
      await new Promise((resolve) => setImmediate(resolve))
      if (underWay.length >= DEPTH) await underWay.shift()
    })
    await Promise.all(underWay)
    return result
  }
  const result = await withLog(run, (count) => {
    syncs++
    writes += count
  })
  perSync = (writes * size) / Math.max(1, syncs)
  return result
}

/** The bare loops with the batches that one sync of the log carried just before. */
const bareAlike = (): Promise<number> => bareLoop(Math.max(1, Math.round(perSync)), false)
const bareSegmentsAlike = (): Promise<number> => bareLoop(Math.max(1, Math.round(perSync)), true)

/** One write of `size` entries at a time: what it costs to hand it to the other thread and back shows. */
function quorateAlone(size: number): Promise<number> {
  return withLog((log) => rate(size, writerOf(log, size)))
}

/** One atomic write for each entry, handed in at once, and then waits for all of them. */
function quorateApart(size: number): Promise<number> {
  return withLog((log) => {
    let index = 0
    return rate(size, async () => {
      const writes: Promise<void>[] = []
      for (let count = 0; count < size; count++) writes.push(append(log, ++index))
      await Promise.all(writes)
    })
  })
}

function append(log: LogStorage, index: number): Promise<void> {
  return log.write({ seq: index, append: [{ index, epoch: 1, kind: 'command', payload: PAYLOAD }] })
}

async function level(size: number): Promise<number> {
  const { ClassicLevel } = await import('classic-level')
  const db = new ClassicLevel<string, Uint8Array>(temporary(), { valueEncoding: 'view' })
  await db.open()
  let index = 0
  const result = await rate(size, async () => {
    const writes: { type: 'put'; key: string; value: Uint8Array }[] = []
    for (let count = 0; count < size; count++) {
      writes.push({ type: 'put', key: String(++index).padStart(12, '0'), value: PAYLOAD })
    }
    await db.batch(writes, { sync: true })
  })
  await db.close()
  return result
}

async function lmdb(size: number): Promise<number> {
  const { open } = await import('lmdb')
  const db = open<Uint8Array, number>({
    path: temporary(),
    encoding: 'binary',
    keyEncoding: 'uint32',
  })
  let index = 0
  const result = await rate(size, async () => {
    const writes: Promise<boolean>[] = []
    for (let count = 0; count < size; count++) writes.push(db.put(++index, PAYLOAD))
    await Promise.all(writes)
    await db.flushed
  })
  await db.close()
  return result
}

/** How long a log of so many bytes takes to open, the page cache warm. */
async function recovery(): Promise<{
  readonly bytes: number
  readonly seconds: number
  readonly entries: number
}> {
  const directory = temporary()
  const storage = fsStorage(directory)
  await storage.open(context)
  const log = storage.group('g', algorithm)
  const payload = new Uint8Array(4096).fill(3)
  let index = 0
  for (let written = 0; written < RECOVERY_BYTES;) {
    const writes: Promise<void>[] = []
    for (let count = 0; count < 256; count++) {
      index++
      writes.push(
        log.write({ seq: index, append: [{ index, epoch: 1, kind: 'command', payload }] }),
      )
      written += payload.length + 80
    }
    await Promise.all(writes)
  }
  await storage.close()
  const again = fsStorage(directory)
  const start = performance.now()
  await again.open(context)
  const seconds = (performance.now() - start) / 1000
  const bytes = again.recovery?.scannedBytes ?? 0
  await again.close()
  return { bytes, seconds, entries: index }
}

const runners = {
  bare,
  bareSegments,
  quorate,
  bareAlike,
  bareSegmentsAlike,
  quorateAlone,
  quorateApart,
  level,
  lmdb,
}
const results: Record<string, unknown>[] = []
try {
  for (const size of BATCHES) {
    const rates: Record<string, number[]> = Object.fromEntries(
      Object.keys(runners).map((name) => [name, []]),
    )
    const carried: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      // In turn within each round, so that a noisy minute hits all of them.
      for (const [name, run] of Object.entries(runners)) rates[name]?.push(await run(size))
      carried.push(perSync)
    }
    const perSecond = Object.fromEntries(
      Object.entries(rates).map(([name, values]) => [name, round(median(values))]),
    )
    const shareOf = (name: string): number =>
      round(median((rates['quorate'] ?? []).map((rate, at) => rate / (rates[name]?.[at] ?? 1))))
    const entriesPerSync = round(median(carried))
    const shares = { bare: shareOf('bareAlike'), segments: shareOf('bareSegmentsAlike') }
    results.push({ batch: size, recordsPerSecond: perSecond, entriesPerSync, shares })
    console.log(
      `batch ${size}: ${JSON.stringify(perSecond)}: with ${entriesPerSync} entries a sync ` +
        `${shares.bare} of the bare loop, ${shares.segments} of one that fills its segments`,
    )
  }
  const recovered = await recovery()
  console.log(`recovery of ${recovered.bytes} bytes: ${recovered.seconds.toFixed(2)} s`)
  record('log', { payloadBytes: PAYLOAD.length, results, recovery: recovered })
} finally {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true })
}
