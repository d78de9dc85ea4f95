// The k-th call of every kind fails, for every k: what was acknowledged before and after is
// there in the end, and every refusal carries a code. A full disk refuses, and then goes on.
import { createRandom, isQuorateError } from '@quorate/core'
import type { Clock, Entry, LogStorage, WriteBatch } from '@quorate/core'
import { describe, expect, it } from 'vitest'
import type { CrashFs, FsCall } from '@quorate/sim'
import { crashFs } from '@quorate/sim'
import { HandClock, contextWith, storageOver } from './fs/crash-run.ts'

const ALGORITHM = { name: 'test', format: 1 }
const ENTRIES = 24
const KINDS: readonly FsCall['name'][] = [
  'open',
  'writev',
  'read',
  'datasync',
  'sync',
  'truncate',
  'rename',
  'unlink',
  'mkdir',
  'syncDir',
  'readdir',
  'statfs',
  'size',
  'lock',
  'close',
]
const MEMBERSHIP = {
  version: 1,
  voters: ['a'],
  learners: [],
  witnesses: [],
  outgoing: [],
  learnersNext: [],
}

/** A clock whose timers run as soon as what is under way has had its turn. */
class HurriedClock extends HandClock {
  override setTimer = (_delayMs: number, callback: () => void): { cancel(): void } => {
    const immediate = setImmediate(callback)
    return { cancel: () => clearImmediate(immediate) }
  }
}

function entry(index: number): Entry {
  return { index, epoch: 1, kind: 'command', payload: new Uint8Array(1900).fill(index) }
}

interface Outcome {
  /** The last entry that was acknowledged. */
  readonly acked: number
  /** How many writes were refused for want of space, and written in the end. */
  readonly refused: number
  /** The code of the error that ended it. */
  readonly code: string | undefined
}

/** Runs a fixed script until something fails for good; what a full disk refuses is written again. */
async function script(fs: CrashFs, clock: Clock = new HurriedClock()): Promise<Outcome> {
  const storage = storageOver(fs, createRandom(1))
  const seen = { acked: 0, refused: 0 }
  try {
    await storage.open(contextWith(clock))
    const log = storage.group('g', ALGORITHM)
    for (let index = 1; index <= ENTRIES; index += 2) {
      // Two at a time: one sync carries both, and a full disk may take the first and not the second.
      const batches = [index, index + 1].map((at) => ({
        seq: at,
        append: [entry(at)],
        hardState: at % 8 === 0 ? Uint8Array.of(at) : undefined,
      }))
      await writeAgain(log, batches, seen)
      if (index === 11) {
        await takeSnapshot(log).catch((error: unknown) => {
          if (!isQuorateError(error, 'NO_SPACE')) throw error
        })
      }
    }
    await storage.close()
    return { ...seen, code: undefined }
  } catch (error) {
    if (!isQuorateError(error)) throw error
    await storage.close().catch((closing: unknown) => {
      if (!isQuorateError(closing) && !(closing instanceof Error && 'code' in closing))
        throw closing
    })
    return { ...seen, code: error.code }
  }
}

async function takeSnapshot(log: LogStorage): Promise<void> {
  const writer = await log.snapshotWriter({ index: 10, epoch: 1, membership: MEMBERSHIP })
  try {
    await writer.write(new Uint8Array(3000))
    await writer.finish()
  } finally {
    await writer.close()
  }
}

/** Writes batches at once, and those that were refused again, in order, as a replica does. */
async function writeAgain(
  log: LogStorage,
  batches: readonly WriteBatch[],
  seen: { acked: number; refused: number },
): Promise<void> {
  let left = batches
  for (let round = 0; left.length > 0; round++) {
    if (round > 100) throw new Error('a batch is refused again and again')
    const outcomes = await Promise.allSettled(left.map((batch) => log.write(batch)))
    const first = outcomes.findIndex(({ status }) => status === 'rejected')
    const done = first < 0 ? left.length : first
    seen.acked += done
    left = left.slice(done)
    for (const outcome of outcomes.slice(done)) {
      // Nothing may be taken that comes after what was refused.
      if (outcome.status === 'fulfilled') throw new Error('a batch was taken out of turn')
      if (!isQuorateError(outcome.reason, 'NO_SPACE')) throw outcome.reason
      seen.refused++
    }
  }
}

/** What is there at the next start; throws where an entry is not what was written. */
async function kept(fs: CrashFs): Promise<number> {
  fs.hook = undefined
  fs.freeBytes = 1e12
  fs.endProcess()
  const storage = storageOver(fs, createRandom(2))
  await storage.open(contextWith(new HandClock()))
  const { lastIndex, tail, hardState } = await storage.group('g', ALGORITHM).load()
  expect(tail.length).toBe(lastIndex)
  for (const [at, { index, epoch, kind, payload }] of tail.entries()) {
    const whole = payload.length === 1900 && payload.every((byte) => byte === index)
    if (index !== at + 1 || epoch !== 1 || kind !== 'command' || !whole)
      throw new Error(`entry ${at + 1} is another one`)
  }
  expect(hardState?.[0] ?? 0).toBe(lastIndex - (lastIndex % 8))
  await storage.close()
  return lastIndex
}

async function callsOf(run: (fs: CrashFs) => Promise<unknown>, kind: FsCall['name']) {
  const fs = crashFs()
  let calls = 0
  fs.hook = ({ name }) => {
    if (name === kind) calls++
  }
  await run(fs)
  return calls
}

/** What stays of an attempt after the process, or the power, has gone. */
async function expectKept(fs: CrashFs, acked: number, where: string): Promise<void> {
  // The power goes as well, with everything that was not synced.
  const afterPower = fs.afterCrash([])
  expect(await kept(afterPower), `after a power cut: ${where}`).toBeGreaterThanOrEqual(acked)
  expect(await kept(fs), `after the process ended: ${where}`).toBeGreaterThanOrEqual(acked)
}

function failure(code: string): Error {
  return Object.assign(new Error(code), { code })
}

describe('a call that fails with EIO', () => {
  it.each(KINDS)(
    '%s: whichever it is, once or from then on',
    { timeout: 120_000 },
    async (kind) => {
      const calls = await callsOf(script, kind)
      for (let k = 1; k <= calls; k++) {
        for (const lasting of k % 3 === 0 ? [false, true] : [false]) {
          const fs = crashFs()
          let seen = 0
          fs.hook = ({ name }) => {
            if (name === kind && (++seen === k || (lasting && seen > k))) throw failure('EIO')
            return undefined
          }
          const { acked, code } = await script(fs)
          const where = `${kind} ${k}${lasting ? ' and later' : ''}`
          expect([undefined, 'STORAGE_FAILED', 'STORAGE_CORRUPT'], `${where}`).toContain(code)
          await expectKept(fs, acked, where)
        }
      }
    },
  )
})

describe('a call that finds the disk full', () => {
  const opening = async (fs: CrashFs): Promise<void> => {
    const storage = storageOver(fs, createRandom(1))
    await storage.open(contextWith(new HandClock()))
  }

  it.each(KINDS)('%s: whichever it is, once or for a while', { timeout: 120_000 }, async (kind) => {
    const [calls, atOpen] = [await callsOf(script, kind), await callsOf(opening, kind)]
    let refused = 0
    for (let k = 1; k <= calls; k++) {
      for (const times of [1, 5]) {
        const fs = crashFs()
        let seen = 0
        fs.hook = ({ name }) => {
          if (name === kind && ++seen >= k && seen < k + times) throw failure('ENOSPC')
          return undefined
        }
        const outcome = await script(fs)
        const where = `${kind} ${k}, ${times} times: ${JSON.stringify(outcome)}`
        refused += outcome.refused
        // After a sync nothing can be relied on, whatever its error; what only needs room gets it.
        const ends = k <= atOpen || ['datasync', 'sync', 'syncDir'].includes(kind)
        if (!ends && kind !== 'read' && outcome.acked < ENTRIES) throw new Error(where)
        if (kind === 'datasync' && k > atOpen && outcome.code !== 'STORAGE_FAILED')
          throw new Error(where)
        await expectKept(fs, outcome.acked, where)
      }
    }
    expect(refused, 'writes that were refused').toBeGreaterThanOrEqual(kind === 'writev' ? 20 : 0)
  })
})

describe('a write that comes back short', () => {
  it.each(['EIO', 'ENOSPC', undefined] as const)(
    'and then %s, whichever it is',
    { timeout: 120_000 },
    async (then) => {
      const calls = await callsOf(script, 'writev')
      for (let k = 1; k <= calls; k++) {
        for (const bytes of [5, 2000]) {
          const fs = crashFs()
          let seen = 0
          fs.hook = ({ name }) => {
            if (name !== 'writev' || ++seen < k) return undefined
            if (seen === k) return bytes
            if (seen === k + 1 && then !== undefined) throw failure(then)
            return undefined
          }
          const { acked } = await script(fs)
          if (then === undefined && acked < ENTRIES) throw new Error(`writev ${k}: ${acked}`)
          await expectKept(fs, acked, `writev ${k}, ${bytes} bytes`)
        }
      }
    },
  )
})
