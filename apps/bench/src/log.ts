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
import type { LogStorage, StorageContext } from '@quorate/core'
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

/** Writes each batch with one writev and one fdatasync into a file that is filled with zeros. */
async function bare(size: number): Promise<number> {
  const fd = openSync(join(temporary(), 'log'), 'w')
  const bytes = 256 * 2 ** 20
  const zeros = new Uint8Array(2 ** 20)
  for (let at = 0; at < bytes; at += zeros.length) writeSync(fd, zeros, 0, zeros.length, at)
  fdatasyncSync(fd)
  // What the log writes for one record: a frame's header, a record's, and the payload.
  const buffers = Array.from({ length: size }, () =>
    new Uint8Array(48 + 32 + PAYLOAD.length).fill(7),
  )
  let position = 0
  const result = await rate(size, () => {
    position += writevSync(fd, buffers, position)
    fdatasyncSync(fd)
    if (position > bytes - 2 ** 20) position = 0
  })
  closeSync(fd)
  return result
}

/** Hands the writes of each batch in at once, and waits for all of them. */
async function quorate(size: number): Promise<number> {
  const storage = fsStorage(temporary())
  await storage.open(context)
  const log = storage.group('g', algorithm)
  let index = 0
  const result = await rate(size, async () => {
    const writes: Promise<void>[] = []
    for (let count = 0; count < size; count++) writes.push(append(log, ++index))
    await Promise.all(writes)
  })
  await storage.close()
  return result
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

const runners = { bare, quorate, level, lmdb }
const results: Record<string, unknown>[] = []
try {
  for (const size of BATCHES) {
    const rates: Record<string, number[]> = { bare: [], quorate: [], level: [], lmdb: [] }
    for (let round = 0; round < ROUNDS; round++) {
      // In turn within each round, so that a noisy minute hits all of them.
      for (const [name, run] of Object.entries(runners)) rates[name]?.push(await run(size))
    }
    const perSecond = Object.fromEntries(
      Object.entries(rates).map(([name, values]) => [name, round(median(values))]),
    )
    const share = round((perSecond['quorate'] ?? 0) / (perSecond['bare'] ?? 1))
    results.push({ batch: size, recordsPerSecond: perSecond, shareOfBare: share })
    console.log(`batch ${size}: ${JSON.stringify(perSecond)}, ${share} of the bare loop`)
  }
  const recovered = await recovery()
  console.log(`recovery of ${recovered.bytes} bytes: ${recovered.seconds.toFixed(2)} s`)
  record('log', { payloadBytes: PAYLOAD.length, results, recovery: recovered })
} finally {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true })
}
