// A process that is killed leaves names and bytes that read well and are not on the disk. The next
// one takes over from there, and then the power goes: what either had acknowledged is there.
import { createRandom, isQuorateError } from '@quorate/core'
import type { Entry, Random } from '@quorate/core'
import { expect, it } from 'vitest'
import type { CrashFs } from '@quorate/sim'
import { crashFs } from '@quorate/sim'
import { HandClock, contextWith, storageOver } from './fs/crash-run.ts'

const ALGORITHM = { name: 'test', format: 1 }
const ENTRIES = 20
const entry = (index: number): Entry => ({
  index,
  epoch: 1,
  kind: 'command',
  payload: new Uint8Array(1900).fill(index),
})

interface Life {
  /** The last entry that was acknowledged. */
  readonly acked: number
  /** Which start it was; 0 where it never was one. */
  readonly start: number
}

/** Writes entries until there are so many, or something fails; ends in good order where it can. */
async function live(fs: CrashFs, upTo: number, closes = false): Promise<Life> {
  const storage = storageOver(fs, createRandom(1))
  let [acked, start] = [0, 0]
  try {
    await storage.open(contextWith(new HandClock()))
    start = storage.identity().epoch
    const log = storage.group('g', ALGORITHM)
    acked = (await log.load()).lastIndex
    for (let seq = 1; acked < upTo; seq++) {
      const hardState = acked % 4 === 0 ? new Uint8Array(1200).fill(acked + 1) : undefined
      await log.write({ seq, append: [entry(acked + 1)], hardState })
      acked++
    }
    if (closes) await storage.close()
  } catch (error) {
    if (!isQuorateError(error)) throw error
  }
  fs.hook = undefined
  fs.endProcess()
  return { acked, start }
}

/** Whether calls from the k-th on fail, whatever they are: to the disk that is the end of a process. */
function killAt(fs: CrashFs, k: number, syncsFail: boolean): void {
  let calls = 0
  fs.hook = ({ name }) => {
    const isSync = ['sync', 'datasync', 'syncDir'].includes(name)
    if (++calls < k || (calls === k && isSync && !syncsFail)) return undefined
    throw Object.assign(new Error('EIO'), { code: 'EIO' })
  }
}

/** So many syncs of a second start are looked at, which are all of it and a little more. */
const SYNCS_SEEN = 8

/** What the disk may hold at each of the next syncs, as if the power went right then. */
function watchSyncs(fs: CrashFs, random: Random): CrashFs[] {
  const states: CrashFs[] = []
  let seen = 0
  fs.hook = ({ name }) => {
    if (!['sync', 'datasync', 'syncDir'].includes(name) || ++seen > SYNCS_SEEN) return
    states.push(fs.afterCrash(fs.effects.filter(() => random.below(2) === 0)))
  }
  return states
}

async function expectAfter(state: CrashFs, before: Life, where: string): Promise<void> {
  const after = await live(state, 0)
  const isThere = after.acked >= before.acked && (before.start === 0 || after.start > before.start)
  if (!isThere) throw new Error(`${where}: ${JSON.stringify({ before, after })}`)
}

it(
  'loses nothing acknowledged, whenever the first one is killed',
  { timeout: 120_000 },
  async () => {
    let calls = 0
    const counted = crashFs()
    counted.hook = () => void calls++
    await live(counted, ENTRIES, true)
    expect(calls).toBeGreaterThan(60)
    const random = createRandom(3)
    let lived = 0
    for (let k = 1; k <= calls; k++) {
      for (const syncsFail of [false, true]) {
        const where = `killed at call ${k}`
        const fs = crashFs()
        killAt(fs, k, syncsFail)
        const first = await live(fs, ENTRIES, true)
        const early = watchSyncs(fs, random)
        const second = await live(fs, first.acked + (k % 3) * 4 + 1)
        expect(second.start).toBeGreaterThan(first.start)
        for (const state of early) await expectAfter(state, first, `${where}, cut at the start`)
        const late = [fs.afterCrash([])]
        for (let draw = 0; draw < 4; draw++)
          late.push(fs.afterCrash(fs.effects.filter(() => random.below(2) === 0)))
        for (const state of late) await expectAfter(state, second, `${where}, cut later`)
        if (second.acked > first.acked) lived++
      }
    }
    expect(lived).toBe(2 * calls)
  },
)

it('writes over the frame that closed the log, which may never have reached the disk', async () => {
  const random = createRandom(4)
  for (let round = 0; round < 150; round++) {
    const fs = crashFs()
    const bytes = 8 * random.below(200)
    const storage = storageOver(fs, createRandom(1))
    await storage.open(contextWith(new HandClock()))
    const log = storage.group('g', ALGORITHM)
    const payload = new Uint8Array(bytes).fill(1)
    await log.write({ seq: 1, append: [{ ...entry(1), payload }] })
    fs.hook = ({ name, path }) => {
      if (name === 'datasync' && path.startsWith('/data/log'))
        throw Object.assign(new Error('EIO'), { code: 'EIO' })
    }
    await expect(storage.close()).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
    fs.hook = undefined
    fs.endProcess()
    const second = await live(fs, 2)
    expect(second.acked).toBe(2)
    await expectAfter(fs.afterCrash([]), second, `${bytes} bytes`)
  }
})
