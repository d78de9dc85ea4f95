// The bytes on disk, pinned: what an earlier version wrote is read exactly, and this version writes
// the same. A change of the format turns this red; it then needs a new version number and new files
// beside the old ones. QUORATE_REWRITE=1 writes the files of the current version.
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createRandom } from '@quorate/core'
import type { Entry, LogStorage } from '@quorate/core'
import { describe, expect, it } from 'vitest'
import type { CrashFs } from '@quorate/sim'
import { crashFs } from '@quorate/sim'
import { dumpStoreOn, verifyStoreOn } from '../src/inspect.ts'
import { FORMAT_VERSION, RECORD_HEADER_BYTES } from '../src/layout.ts'
import { salvageStoreOn } from '../src/salvage.ts'
import { offsetAt } from '../src/segment.ts'
import { DIRECTORY, HandClock, contextWith, recovered, storageOver } from './fs/crash-run.ts'
import { recoveredText } from './fs/model.ts'

const GOLDEN = join(import.meta.dirname, 'testdata')
const CURRENT = `format-${FORMAT_VERSION}`
const ALGORITHM = { name: 'test', format: 1 }
const MEMBERSHIP = {
  version: 3,
  voters: ['a', 'b'],
  learners: ['c'],
  witnesses: [],
  outgoing: ['d'],
  learnersNext: [],
}

function entry(index: number, epoch: number, bytes: number, kind: Entry['kind'] = 'command') {
  return { index, epoch, kind, payload: new Uint8Array(bytes).fill(index + epoch) }
}

async function snapshotOf(log: LogStorage, index: number) {
  const writer = await log.snapshotWriter({ index, epoch: 1, membership: MEMBERSHIP })
  await writer.write(new Uint8Array(100).fill(index))
  return writer.finish()
}

/** A store that holds a record of every type, made the same way every time. */
async function makeStore(): Promise<CrashFs> {
  const fs = crashFs()
  fs.tracks = false
  const storage = storageOver(fs, createRandom(99))
  await storage.open(contextWith(new HandClock()))
  const [a, b, c] = ['alpha', 'beta', 'gone'].map((id) => storage.group(id, ALGORITHM))
  await b!.write({ seq: 1, append: [entry(1, 1, 3), entry(2, 4, 0, 'membership')] })
  await a!.write({ seq: 1, append: [entry(1, 1, 0, 'noop'), entry(2, 1, 700)] })
  for (let seq = 2; seq <= 30; seq++) await a!.write({ seq, append: [entry(seq + 1, 1, 900)] })
  const snapshot = await snapshotOf(a!, 25)
  await a!.write({ seq: 31, append: [], snapshot, compactTo: 25 })
  for (let seq = 32; seq <= 48; seq++) await a!.write({ seq, append: [entry(seq, 1, 900)] })
  await a!.write({
    seq: 49,
    truncateFrom: 48,
    append: [entry(48, 2, 11)],
    hardState: Uint8Array.of(2),
  })
  await b!.write({ seq: 2, append: [], hardState: Uint8Array.of(1, 2, 3) })
  await c!.write({ seq: 1, append: [entry(1, 1, 9)] })
  await c!.close()
  await storage.drop('gone')
  await storage.close()
  // The first entry of a group can no longer be read.
  const { path, at } = recovered(fs, (log) => {
    const image = [...log.groups.byNumber.values()].find(({ identity }) => identity?.id === 'beta')
    const position = image!.table.position(1)
    const segment = log.segments.findLast(({ header }) => header.start <= position)!
    return { path: segment.path, at: offsetAt(segment.header, position) + RECORD_HEADER_BYTES }
  })
  const file = fs.open(path, 'r+')
  file.writev([Uint8Array.of(0xff)], at)
  file.close()
  return fs
}

function filesIn(fs: CrashFs, path: string, prefix = ''): [string, Uint8Array][] {
  return [...fs.readdir(path)].sort().flatMap((name): [string, Uint8Array][] => {
    if (name === 'LOCK') return []
    const whole = `${path}/${name}`
    try {
      const file = fs.open(whole, 'r')
      const bytes = new Uint8Array(file.size())
      file.read(bytes, 0)
      file.close()
      return [[`${prefix}${name}`, bytes]]
    } catch {
      return filesIn(fs, whole, `${prefix}${name}/`)
    }
  })
}

/** Hexadecimal lines; a run of lines of zeros is one line that says how many. */
function toText(bytes: Uint8Array): string {
  const lines: string[] = []
  let zeros = 0
  for (let at = 0; at <= bytes.length; at += 32) {
    const line = Buffer.from(bytes.subarray(at, at + 32)).toString('hex')
    if (at < bytes.length && /^0{64}$/.test(line)) {
      zeros++
      continue
    }
    if (zeros > 0) lines.push(`zeros ${zeros}`)
    zeros = 0
    if (line !== '') lines.push(line)
  }
  return `${lines.join('\n')}\n`
}

function fromText(text: string): Uint8Array {
  const parts = text
    .trimEnd()
    .split('\n')
    .map((line) =>
      line.startsWith('zeros ')
        ? Buffer.alloc(32 * Number(line.slice(6)))
        : Buffer.from(line, 'hex'),
    )
  return new Uint8Array(Buffer.concat(parts))
}

/** Everything that can be said of a store: its records, and what they amount to. */
function describeStore(fs: CrashFs): string {
  const records: string[] = []
  dumpStoreOn(
    fs,
    DIRECTORY,
    ({ position, segment, lsn, type, group, index, epoch, bytes, sound }) =>
      records.push(
        `${segment}/${position} #${lsn} ${type} group ${group} index ${index} epoch ${epoch} ${bytes} bytes${sound ? '' : ' damaged'}`,
      ),
  )
  const { findings } = verifyStoreOn(fs, DIRECTORY)
  return `${records.join('\n')}\n${JSON.stringify(findings)}\n`
}

function stored(version: string): CrashFs {
  const fs = crashFs()
  fs.tracks = false
  fs.mkdir(DIRECTORY)
  for (const folder of ['log', 'snapshots']) fs.mkdir(`${DIRECTORY}/${folder}`)
  for (const name of readdirSync(join(GOLDEN, version)).filter((file) => file.endsWith('.hex'))) {
    const path = `${DIRECTORY}/${name.replace('.hex', '').replace('+', '/')}`
    const file = fs.open(path, 'wx+')
    file.writev([fromText(readFileSync(join(GOLDEN, version, name), 'utf8'))], 0)
    file.close()
  }
  return fs
}

if (process.env['QUORATE_REWRITE'] === '1') {
  const fs = await makeStore()
  mkdirSync(join(GOLDEN, CURRENT), { recursive: true })
  for (const [name, bytes] of filesIn(fs, DIRECTORY))
    writeFileSync(join(GOLDEN, CURRENT, `${name.replace('/', '+')}.hex`), toText(bytes))
  writeFileSync(join(GOLDEN, CURRENT, 'records.txt'), describeStore(fs))
  salvageStoreOn(fs, DIRECTORY, { dryRun: false })
  writeFileSync(join(GOLDEN, CURRENT, 'salvaged.txt'), describeStore(fs))
}

const golden = (version: string, name: string): string =>
  readFileSync(join(GOLDEN, version, name), 'utf8')

describe.each(readdirSync(GOLDEN))('what %s is on disk', (version) => {
  it('is read record by record', () => {
    expect(describeStore(stored(version))).toBe(golden(version, 'records.txt'))
  })

  it('opens with everything that was written, but what is damaged', async () => {
    const storage = storageOver(stored(version), createRandom(1), { onDamage: 'repair' })
    await storage.open(contextWith(new HandClock()))
    const alpha = await storage.group('alpha', ALGORITHM).load()
    expect([alpha.firstIndex, alpha.lastIndex, alpha.hardState]).toEqual([26, 48, Uint8Array.of(2)])
    expect(alpha.snapshot).toMatchObject({ index: 25, sizeBytes: 100, membership: MEMBERSHIP })
    expect(alpha.epochs).toEqual([
      { from: 25, epoch: 1 },
      { from: 48, epoch: 2 },
    ])
    const rest = Array.from({ length: 22 }, (_, at) => entry(at + 26, 1, 900))
    expect(alpha.tail).toEqual([...rest, entry(48, 2, 11)])
    const beta = await storage.group('beta', ALGORITHM).load()
    expect(beta.faulty).toEqual([{ first: 1, last: 1 }])
    expect(beta.tail).toEqual([entry(2, 4, 0, 'membership')])
    expect(beta.hardState).toEqual(Uint8Array.of(1, 2, 3))
    expect(storage.groups().map(({ id }) => id)).toEqual(['alpha', 'beta'])
    await storage.close()
  })

  it('is written anew by a repair, with what is lost marked', () => {
    const fs = stored(version)
    salvageStoreOn(fs, DIRECTORY, { dryRun: false })
    expect(describeStore(fs)).toBe(golden(version, 'salvaged.txt'))
    expect(() => recovered(fs, recoveredText)).toThrow(/entries 1 to 1 of group "beta"/)
  })
})

describe('this version', () => {
  it('writes the same bytes', async () => {
    const made = filesIn(await makeStore(), DIRECTORY)
    const names = readdirSync(join(GOLDEN, CURRENT)).filter((name) => name.endsWith('.hex'))
    expect(made.map(([name]) => `${name.replace('/', '+')}.hex`)).toEqual(names.sort())
    for (const [name, bytes] of made)
      expect(toText(bytes), `${name}`).toBe(golden(CURRENT, `${name.replace('/', '+')}.hex`))
  })

  it('has a record of every type in its files', () => {
    const types = [
      'state',
      'drop',
      'entry',
      'hard-state',
      'truncate',
      'snapshot',
      'compact',
      'copy',
    ]
    const text = golden(CURRENT, 'records.txt')
    expect(types.filter((type) => !text.includes(` ${type} group`))).toEqual([])
    expect(golden(CURRENT, 'salvaged.txt')).toContain(' lost group')
  })
})
