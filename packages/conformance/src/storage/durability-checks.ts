// Checks of what survives: the power is cut at moments that matter, and what was acknowledged
// is there, all of a batch or nothing of it, and nothing that was gone comes back.
import type { DurableState } from '@quorate/core'
import type { StorageCheck } from './harness.ts'
import type { Lab } from './lab.ts'
import { entries, expectCode, expectEqual, expectThat, withLab } from './lab.ts'

const needs = 'durable' as const

export const durabilityChecks: readonly StorageCheck[] = [
  {
    name: 'entries that were acknowledged survive the loss of power',
    needs,
    run: (harness) =>
      withLab(harness, async (lab) => {
        const log = lab.group('g')
        for (let index = 1; index <= 20; index++) {
          await lab.write(log, { append: entries(index, index) })
          if (index % 5 !== 0) continue
          await lab.crash()
          const again = lab.group('g')
          expectEqual((await again.load()).tail, entries(1, index), 'the entries')
          await lab.crash()
          return index === 20 ? undefined : appendAll(lab, index + 1, 20)
        }
      }),
  },
  {
    name: 'a hard state that was acknowledged survives the loss of power',
    needs,
    run: (harness) =>
      withLab(harness, async (lab) => {
        for (let round = 1; round <= 5; round++) {
          await lab.write(lab.group('g'), { hardState: Uint8Array.of(round) })
          await lab.crash()
          expectEqual((await lab.state('g')).hardState, Uint8Array.of(round), 'the hard state')
        }
      }),
  },
  {
    name: 'a batch under way when the power goes is there whole or not at all',
    needs,
    run: async (harness) => {
      for (let batches = 1; batches <= 6; batches++) {
        await withLab(harness, (lab) => cutUnderWay(lab, batches))
      }
    },
  },
  {
    name: 'what a crash removed stays removed',
    needs,
    run: (harness) =>
      withLab(harness, async (lab) => {
        let last = 0
        for (let round = 1; round <= 6; round++) {
          const log = lab.group('g')
          const { lastIndex } = await log.load()
          expectThat(
            lastIndex >= last,
            `the log ends at ${lastIndex} after entry ${last} was acknowledged`,
          )
          const write = lab.write(log, { append: entries(lastIndex + 1, lastIndex + 3, round) })
          write.catch(() => undefined)
          await lab.crash()
          const seen = await lab.state('g')
          const next = lab.group('g')
          await lab.write(next, {
            append: entries(seen.lastIndex + 1, seen.lastIndex + 1, 100 + round),
          })
          last = seen.lastIndex + 1
          await lab.crash()
          const after = await lab.state('g')
          expectEqual(after.lastIndex, last, 'the last index')
          expectEqual(after.tail.slice(0, seen.lastIndex), seen.tail, 'the entries before')
        }
      }),
  },
  {
    name: 'a truncation that was acknowledged survives the loss of power',
    needs,
    run: (harness) =>
      withLab(harness, async (lab) => {
        const log = lab.group('g')
        await lab.write(log, { append: entries(1, 9) })
        await lab.write(log, { truncateFrom: 4 })
        await lab.crash()
        expectEqual((await lab.state('g')).tail, entries(1, 3), 'the entries')
      }),
  },
  {
    name: 'a dropped group stays away, whatever crashes',
    needs,
    run: (harness) =>
      withLab(harness, async (lab) => {
        await fillAndDrop(lab)
        await lab.crash()
        expectEqual(
          lab.storage.groups().map(({ id }) => id),
          ['other'],
          'the groups',
        )
        expectEqual((await lab.state('g')).lastIndex, 0, 'the last index')
      }),
  },
  {
    name: 'a group made again under the same id sees nothing of the dropped one',
    run: (harness) =>
      withLab(harness, async (lab) => {
        await fillAndDrop(lab)
        const log = lab.group('g')
        const { hardState, lastIndex, snapshot } = await log.load()
        expectEqual(
          [hardState, lastIndex, snapshot],
          [undefined, 0, undefined],
          'what it starts with',
        )
        await lab.write(log, { append: entries(1, 1, 9) })
        await lab.reopen()
        const state = await lab.state('g')
        expectEqual([state.hardState, state.tail], [undefined, entries(1, 1, 9)], 'what it holds')
      }),
  },
  {
    name: 'a store knows itself, and counts how often it was opened',
    needs,
    run: async (harness) => {
      const seen: string[] = []
      for (let disks = 0; disks < 2; disks++) {
        await withLab(harness, async (lab) => {
          const first = lab.storage.identity?.()
          if (first === undefined) return
          seen.push(first.store)
          const again = (await lab.reopen()).identity?.()
          const crashed = (await lab.crash()).identity?.()
          expectEqual([again?.store, crashed?.store], [first.store, first.store], 'its name')
          const epochs = [first.epoch, again?.epoch ?? 0, crashed?.epoch ?? 0]
          expectThat(
            epochs.every((epoch, at) => at === 0 || epoch > (epochs[at - 1] ?? 0)),
            () => `the epochs do not grow: ${epochs.join()}`,
          )
        })
      }
      expectThat(seen.length < 2 || seen[0] !== seen[1], 'two stores have one name')
    },
  },
  {
    name: 'a snapshot that was finished survives the loss of power',
    needs,
    run: (harness) =>
      withLab(harness, async (lab) => {
        const log = lab.group('g')
        await lab.write(log, { append: entries(1, 4) })
        const meta = await lab.snapshot(log, 4, new Uint8Array(5000).fill(5))
        await lab.write(log, { snapshot: meta, compactTo: 4 })
        await lab.crash()
        const again = lab.group('g')
        expectEqual((await again.load()).snapshot, meta, 'the snapshot')
        let bytes = 0
        for await (const chunk of again.readSnapshot(meta.id)) bytes += chunk.length
        expectEqual(bytes, 5000, 'its size')
      }),
  },
  {
    name: 'after a failed sync nothing is acknowledged any more',
    fault: 'sync',
    run: (harness) =>
      withLab(harness, async (lab) => {
        const [log, other] = [lab.group('g'), lab.group('h')]
        await lab.write(log, { append: entries(1, 2) })
        const heal = lab.disk.inject('sync')
        const failed = lab.write(log, { append: entries(3, 3) })
        const behind = lab.write(log, { append: entries(4, 4) })
        const first = await expectCode(failed, 'STORAGE_FAILED', 'the write whose sync failed')
        await expectCode(behind, 'STORAGE_FAILED', 'the write behind it')
        heal()
        const later = await expectCode(
          lab.write(log, { append: entries(5, 5) }),
          'STORAGE_FAILED',
          'a later write',
        )
        expectThat(later === first, 'a later write failed with another error')
        await expectCode(
          lab.write(other, { append: entries(1, 1) }),
          'STORAGE_FAILED',
          'another group',
        )
        await lab.reopen()
        const { tail } = await lab.state('g')
        expectThat(tail.length >= 2, `${tail.length} entries are left of 2 acknowledged`)
        expectEqual(tail, entries(1, tail.length), 'the entries')
      }),
  },
  {
    name: 'a full disk refuses a batch whole, and takes it when there is room again',
    fault: 'no-space',
    run: (harness) =>
      withLab(harness, async (lab) => {
        const log = lab.group('g')
        await log.write({ seq: 1, append: entries(1, 1) })
        const heal = lab.disk.inject('no-space')
        const last = await fillUp(log)
        heal()
        await expectCode(
          log.write({ seq: last + 1, append: entries(last + 1, last + 1) }),
          'NO_SPACE',
          'a batch out of turn',
        )
        await expectCode(
          log.read({ first: last, last, bytesMax: 9 }),
          'INVALID_ARGUMENT',
          'a refused entry',
        )
        await log.write({ seq: last, append: entries(last, last, 5) })
        await log.write({ seq: last + 1, append: entries(last + 1, last + 1, 5) })
        await lab.reopen()
        const state = await lab.state('g')
        expectEqual(state.lastIndex, last + 1, 'the last index')
        expectEqual(
          state.epochs.at(-1),
          { from: last, epoch: 5 },
          'the epoch of what was written at last',
        )
      }),
  },
  {
    name: 'a write that comes back short is finished',
    fault: 'short-write',
    run: (harness) =>
      withLab(harness, async (lab) => {
        const log = lab.group('g')
        const heal = lab.disk.inject('short-write')
        await lab.write(log, { append: entries(1, 50) })
        heal()
        await lab.crash()
        expectEqual((await lab.state('g')).tail, entries(1, 50), 'the entries')
      }),
  },
  {
    name: 'damaged entries are told as faulty, never as absent',
    needs: 'faultyRanges',
    run: (harness) =>
      withLab(harness, async (lab) => {
        await lab.write(lab.group('g'), { append: entries(1, 9) })
        await lab.storage.close()
        await lab.disk.damage?.('g', { first: 4, last: 5 })
        await lab.open()
        const short = lab.group('g')
        const { faulty } = await short.load({ tailBytesMax: 0 })
        expectEqual(faulty, [{ first: 4, last: 5 }], 'what is faulty, before anything is read')
        await short.close()
        const log = lab.group('g')
        const state = await log.load()
        expectEqual([state.firstIndex, state.lastIndex], [1, 9], 'first and last')
        expectEqual(state.faulty, [{ first: 4, last: 5 }], 'what is faulty')
        expectEqual(state.tail, entries(6, 9), 'the tail')
        expectEqual(
          await log.read({ first: 2, last: 9, bytesMax: 1e9 }),
          entries(2, 3),
          'a run up to the fault',
        )
        await expectCode(
          log.read({ first: 4, last: 9, bytesMax: 1e9 }),
          'STORAGE_CORRUPT',
          'a faulty entry',
        )
      }),
  },
]

async function appendAll(lab: Lab, first: number, last: number): Promise<void> {
  const log = lab.group('g')
  for (let index = first; index <= last; index++)
    await lab.write(log, { append: entries(index, index) })
  await lab.crash()
  expectEqual((await lab.state('g')).tail, entries(1, last), 'the entries')
}

/** Batches that each change everything at once are cut; the state must be that after one of them. */
async function cutUnderWay(lab: Lab, batches: number): Promise<void> {
  const log = lab.group('g')
  await lab.write(log, { append: entries(1, 4), hardState: Uint8Array.of(0) })
  for (let batch = 1; batch <= batches; batch++) {
    const write = lab.write(log, {
      truncateFrom: 3,
      append: entries(3, 4 + batch, batch + 1),
      hardState: Uint8Array.of(batch),
    })
    write.catch(() => undefined)
  }
  await lab.crash()
  const state: DurableState = await lab.state('g')
  const batch = state.hardState?.[0] ?? -1
  expectThat(batch >= 0 && batch <= batches, `the hard state is that of batch ${batch}`)
  const expected =
    batch === 0 ? entries(1, 4) : [...entries(1, 2), ...entries(3, 4 + batch, batch + 1)]
  expectEqual(state.tail, expected, `the entries after batch ${batch}`)
}

async function fillAndDrop(lab: Lab): Promise<void> {
  const log = lab.group('g')
  await lab.write(log, { append: entries(1, 5), hardState: Uint8Array.of(7) })
  await lab.write(lab.group('other'), { append: entries(1, 1) })
  await log.close()
  await lab.storage.drop('g')
  await lab.storage.drop('never-there')
}

/** Writes until a batch is refused, and returns its `seq`, which is also its entry's index. */
async function fillUp(log: {
  write(batch: { seq: number; append: ReturnType<typeof entries> }): Promise<void>
}): Promise<number> {
  for (let seq = 2; seq < 100_000; seq++) {
    const payload = new Uint8Array(4096).fill(1)
    const outcome = await log
      .write({ seq, append: [{ index: seq, epoch: 1, kind: 'command', payload }] })
      .then(
        () => undefined,
        (error: unknown) => ({ error }),
      )
    if (outcome === undefined) continue
    await expectCode(Promise.reject(outcome.error as Error), 'NO_SPACE', 'a write to a full disk')
    return seq
  }
  throw new Error('a full disk took 400 MB')
}
