// The k-th call of every kind fails, for every k: what was acknowledged before and after is
// there in the end, and every refusal carries a code.
import { createRandom, isQuorateError } from '@quorate/core'
import type { Entry } from '@quorate/core'
import { describe, expect, it } from 'vitest'
import { HandClock, contextWith, storageOver } from './fs/crash-run.ts'
import type { Call } from './fs/memory-fs.ts'
import { MemoryFs } from './fs/memory-fs.ts'

const ALGORITHM = { name: 'test', format: 1 }
const KINDS: readonly Call['name'][] = [
  'open',
  'writev',
  'read',
  'datasync',
  'sync',
  'rename',
  'unlink',
  'mkdir',
  'syncDir',
]
const MEMBERSHIP = {
  version: 1,
  voters: ['a'],
  learners: [],
  witnesses: [],
  outgoing: [],
  learnersNext: [],
}

function entry(index: number): Entry {
  return { index, epoch: 1, kind: 'command', payload: new Uint8Array(1900).fill(index) }
}

/** Runs a fixed script until something fails. Returns how much was acknowledged. */
async function script(fs: MemoryFs): Promise<number> {
  const storage = storageOver(fs, createRandom(1))
  let acked = 0
  try {
    await storage.open(contextWith(new HandClock()))
    const log = storage.group('g', ALGORITHM)
    for (let index = 1; index <= 24; index++) {
      const hardState = index % 8 === 0 ? Uint8Array.of(index) : undefined
      await log.write({ seq: index, append: [entry(index)], hardState })
      acked = index
      if (index === 12) {
        const writer = await log.snapshotWriter({ index: 10, epoch: 1, membership: MEMBERSHIP })
        await writer.write(new Uint8Array(3000))
        await writer.finish()
      }
    }
    await storage.close()
  } catch (error) {
    if (!isQuorateError(error)) throw error
    await storage.close().catch((closing: unknown) => {
      if (!isQuorateError(closing) && !(closing instanceof Error && 'code' in closing))
        throw closing
    })
  }
  return acked
}

/** What is there at the next start; throws where an entry is not what was written. */
async function kept(fs: MemoryFs): Promise<number> {
  fs.hook = undefined
  fs.freeBytes = 1e12
  fs.endProcess()
  const storage = storageOver(fs, createRandom(2))
  await storage.open(contextWith(new HandClock()))
  const { lastIndex, tail, hardState } = await storage.group('g', ALGORITHM).load()
  expect(tail).toEqual(Array.from({ length: lastIndex }, (_, at) => entry(at + 1)))
  expect(hardState?.[0] ?? 0).toBe(lastIndex - (lastIndex % 8))
  await storage.close()
  return lastIndex
}

async function countCalls(kind: Call['name']): Promise<number> {
  const fs = new MemoryFs()
  let calls = 0
  fs.hook = ({ name }) => {
    if (name === kind) calls++
  }
  expect(await script(fs)).toBe(24)
  return calls
}

describe.each(['EIO', 'ENOSPC', 'short'] as const)('a call that fails with %s', (fault) => {
  it.each(KINDS)(
    '%s: whichever call it is, once or from then on',
    { timeout: 300_000 },
    async (kind) => {
      if (fault === 'short' && kind !== 'writev') return
      const calls = await countCalls(kind)
      for (let k = 1; k <= calls; k++) {
        for (const lasting of k % 3 === 0 ? [false, true] : [false]) {
          const fs = new MemoryFs()
          let seen = 0
          fs.hook = ({ name }) => {
            if (name !== kind) return undefined
            seen++
            if (seen !== k && !(lasting && seen > k)) return undefined
            // A disk that writes little each time is slow, and still writes all.
            if (fault === 'short') return lasting ? 3000 : 5
            throw Object.assign(new Error(fault), { code: fault })
          }
          const acked = await script(fs)
          // The power goes as well, with everything that was not synced.
          const afterPower = fs.afterCrash([])
          const where = `${kind} ${k}${lasting ? ' and later' : ''}`
          expect(await kept(afterPower), `after a power cut: ${where}`).toBeGreaterThanOrEqual(
            acked,
          )
          expect(await kept(fs), `after the process ended: ${where}`).toBeGreaterThanOrEqual(acked)
        }
      }
    },
  )
})
