// Checks of what a log holds while nothing goes wrong: batches apply in the order that the
// contract gives, and everything comes back as it was.
import type { Entry } from '@quorate/core'
import type { StorageCheck } from './harness.ts'
import { entries, entry, expectCode, expectEqual, expectThat, withLab } from './lab.ts'

export const logChecks: readonly StorageCheck[] = [
  {
    name: 'a new group is empty',
    run: (harness) =>
      withLab(harness, async (lab) => {
        const state = await lab.state('g')
        expectEqual(
          state,
          {
            hardState: undefined,
            snapshot: undefined,
            firstIndex: 1,
            lastIndex: 0,
            epochs: [{ from: 0, epoch: 0 }],
            tail: [],
            membershipEntries: [],
            faulty: [],
          },
          'the state',
        )
      }),
  },
  {
    name: 'entries come back as they were',
    run: (harness) =>
      withLab(harness, async (lab) => {
        const written: Entry[] = [
          entry(1, 1, 0, 'noop'),
          entry(2, 1, 1),
          entry(3, 2, 0),
          entry(4, 2, 100_000),
          entry(5, 2, 511, 'membership'),
          { index: 6, epoch: 9_007_199_254_740_991, kind: 'command', payload: new Uint8Array(9) },
        ]
        const log = lab.group('g')
        await lab.write(log, { append: written })
        expectEqual(await log.read({ first: 1, last: 6, bytesMax: 1e9 }), written, 'what is read')
        await lab.reopen()
        expectEqual((await lab.state('g')).tail, written, 'what is loaded')
      }),
  },
  {
    name: 'a hard state stays until it is replaced',
    run: (harness) =>
      withLab(harness, async (lab) => {
        const log = lab.group('g')
        await lab.write(log, { hardState: Uint8Array.of(1, 2) })
        await lab.write(log, { append: entries(1, 1) })
        await lab.write(lab.group('h'), { hardState: Uint8Array.of() })
        await lab.reopen()
        expectEqual((await lab.state('g')).hardState, Uint8Array.of(1, 2), 'the hard state')
        expectEqual((await lab.state('h')).hardState, Uint8Array.of(), 'an empty hard state')
        await lab.write(lab.group('g'), { hardState: Uint8Array.of(3) })
        await lab.reopen()
        expectEqual((await lab.state('g')).hardState, Uint8Array.of(3), 'the hard state')
      }),
  },
  {
    name: 'a truncation removes entries before new ones are added',
    run: (harness) =>
      withLab(harness, async (lab) => {
        const log = lab.group('g')
        await lab.write(log, { append: entries(1, 5) })
        await lab.write(log, { truncateFrom: 3, append: entries(3, 4, 2) })
        const expected = [...entries(1, 2), ...entries(3, 4, 2)]
        expectEqual(await log.read({ first: 1, last: 4, bytesMax: 1e9 }), expected, 'the entries')
        await lab.write(log, { truncateFrom: 4 })
        await lab.reopen()
        expectEqual(
          (await lab.state('g')).tail,
          expected.slice(0, 3),
          'the entries after a restart',
        )
      }),
  },
  {
    name: 'compaction removes entries up to the snapshot, also past the end',
    run: (harness) =>
      withLab(harness, async (lab) => {
        const log = lab.group('g')
        await lab.write(log, { append: entries(1, 6) })
        const first = await lab.snapshot(log, 4, Uint8Array.of(1))
        await lab.write(log, { snapshot: first, compactTo: 3, append: entries(7, 7) })
        await expectCode(
          log.read({ first: 3, last: 4, bytesMax: 9 }),
          'COMPACTED',
          'an entry that is gone',
        )
        const second = await lab.snapshot(log, 20, Uint8Array.of(2))
        await lab.write(lab.group('h'), { append: entries(1, 1) })
        expectEqual(
          (await log.read({ first: 4, last: 7, bytesMax: 1e9 })).length,
          4,
          'entries read',
        )
        await lab.write(log, {
          truncateFrom: 6,
          snapshot: second,
          compactTo: 20,
          append: entries(21, 22, 3),
        })
        await lab.reopen()
        const { firstIndex, lastIndex, snapshot, epochs, tail } = await lab.state('g')
        expectEqual([firstIndex, lastIndex], [21, 22], 'first and last')
        expectEqual(snapshot, second, 'the snapshot')
        expectEqual(
          epochs,
          [
            { from: 20, epoch: 1 },
            { from: 21, epoch: 3 },
          ],
          'the epochs',
        )
        expectEqual(tail, entries(21, 22, 3), 'the entries')
      }),
  },
  {
    name: 'the epochs of all entries are told, also where they fall',
    run: (harness) =>
      withLab(harness, async (lab) => {
        const log = lab.group('g')
        await lab.write(log, {
          append: [...entries(1, 2, 4), ...entries(3, 3, 6), ...entries(4, 5, 2)],
        })
        const runs = [
          { from: 0, epoch: 0 },
          { from: 1, epoch: 4 },
          { from: 3, epoch: 6 },
          { from: 4, epoch: 2 },
        ]
        await lab.reopen()
        expectEqual((await lab.state('g')).epochs, runs, 'the epochs')
        await lab.write(lab.group('g'), { truncateFrom: 4, append: entries(4, 4, 6) })
        await lab.reopen()
        expectEqual(
          (await lab.state('g')).epochs,
          runs.slice(0, 3),
          'the epochs after a truncation',
        )
      }),
  },
  {
    name: 'a load gives the newest entries within the bytes asked for',
    run: (harness) =>
      withLab(harness, async (lab) => {
        await lab.write(lab.group('g'), { append: entries(1, 10) })
        await lab.reopen()
        for (const [bytes, count] of [
          [0, 1],
          [3, 1],
          [8, 2],
          [9, 3],
          [1000, 10],
        ] as const) {
          const log = lab.group('g')
          const { tail } = await log.load({ tailBytesMax: bytes })
          expectEqual(tail, entries(11 - count, 10), `the entries within ${bytes} bytes`)
          await log.close()
        }
      }),
  },
  {
    name: 'all membership entries of the log are told, however few bytes are asked for',
    run: (harness) =>
      withLab(harness, async (lab) => {
        const members = [entry(2, 1, 5, 'membership'), entry(4, 1, 6, 'membership')]
        const [second, fourth] = members as [Entry, Entry]
        const log = lab.group('g')
        await lab.write(log, { append: [entry(1), second, entry(3), fourth, entry(5)] })
        const gone = [entry(6, 1, 7, 'membership'), entry(7)]
        await lab.write(log, { append: gone })
        await lab.write(log, { truncateFrom: 6 })
        await lab.reopen()
        const again = lab.group('g')
        const state = await again.load({ tailBytesMax: 0 })
        expectEqual(state.membershipEntries, members, 'the membership entries')
      }),
  },
  {
    name: 'a read stops at the bytes asked for, and never before the first entry',
    run: (harness) =>
      withLab(harness, async (lab) => {
        const log = lab.group('g')
        await lab.write(log, { append: entries(1, 9) })
        for (const [bytes, count] of [
          [0, 1],
          [2, 1],
          [6, 2],
          [7, 2],
          [1e9, 9],
        ] as const) {
          const read = await log.read({ first: 1, last: 9, bytesMax: bytes })
          expectEqual(read, entries(1, count), `the entries within ${bytes} bytes`)
        }
        expectEqual(await log.read({ first: 4, last: 5, bytesMax: 1e9 }), entries(4, 5), 'a part')
      }),
  },
  {
    name: 'a read past the end of the log is refused',
    run: (harness) =>
      withLab(harness, async (lab) => {
        const log = lab.group('g')
        await expectCode(
          log.read({ first: 1, last: 1, bytesMax: 9 }),
          'INVALID_ARGUMENT',
          'an empty log',
        )
        await lab.write(log, { append: entries(1, 3) })
        await expectCode(
          log.read({ first: 3, last: 4, bytesMax: 9 }),
          'INVALID_ARGUMENT',
          'past the end',
        )
        await lab.write(log, { truncateFrom: 2 })
        await expectCode(
          log.read({ first: 2, last: 2, bytesMax: 9 }),
          'INVALID_ARGUMENT',
          'cut off',
        )
      }),
  },
  {
    name: 'a read sees writes that have not resolved',
    run: (harness) =>
      withLab(harness, async (lab) => {
        const log = lab.group('g')
        await lab.write(log, { append: entries(1, 4) })
        const writes = [
          lab.write(log, { append: entries(5, 6) }),
          lab.write(log, { truncateFrom: 4, append: entries(4, 4, 2) }),
        ]
        const read = log.read({ first: 1, last: 4, bytesMax: 1e9 })
        expectEqual(await read, [...entries(1, 3), entry(4, 2)], 'the entries')
        await Promise.all(writes)
      }),
  },
  {
    name: 'a call whose signal is aborted does nothing',
    run: (harness) =>
      withLab(harness, async (lab) => {
        const log = lab.group('g')
        await lab.write(log, { append: entries(1, 2) })
        await log.close()
        const again = lab.group('g')
        const signal = AbortSignal.abort()
        await expectCode(again.load({ signal }), 'ABORTED', 'load')
        await again.load()
        const range = { first: 1, last: 2, bytesMax: 1e9 }
        await expectCode(again.read(range, { signal }), 'ABORTED', 'read')
        expectEqual(await again.read(range), entries(1, 2), 'the entries')
      }),
  },
  {
    name: 'large entries and batches of many are kept whole',
    run: (harness) =>
      withLab(harness, async (lab) => {
        const log = lab.group('g')
        const large = entry(1, 1, 3_000_001)
        await lab.write(log, { append: [large] })
        const many = entries(2, 5001)
        await lab.write(log, { append: many, hardState: new Uint8Array(2000).fill(9) })
        await lab.reopen()
        const { tail, hardState } = await lab.state('g')
        expectThat(tail.length === 5001, () => `${tail.length} entries are left of 5001`)
        const first = tail[0]?.payload ?? new Uint8Array(0)
        const same = first.length === 3_000_001 && first.every((byte) => byte === first[0])
        expectThat(same && first[0] === large.payload[0], 'the large entry is another one')
        expectEqual(tail.slice(1), many, 'the many')
        expectEqual(hardState, new Uint8Array(2000).fill(9), 'the hard state')
      }),
  },
  {
    name: 'groups are kept apart',
    run: (harness) =>
      withLab(harness, async (lab) => {
        const ids = ['a', 'b', 'a-b', 'A']
        const writes = ids.flatMap((id, at) => {
          const log = lab.group(id)
          return [
            lab.write(log, { append: entries(1, at + 1, at + 1), hardState: Uint8Array.of(at) }),
            lab.write(log, { append: entries(at + 2, at + 3, at + 1) }),
          ]
        })
        await Promise.all(writes)
        await lab.reopen()
        for (const [at, id] of ids.entries()) {
          const { tail, hardState } = await lab.state(id)
          expectEqual(tail, entries(1, at + 3, at + 1), `the entries of ${id}`)
          expectEqual(hardState, Uint8Array.of(at), `the hard state of ${id}`)
        }
      }),
  },
  {
    name: 'a thousand batches at once become durable in order',
    run: (harness) =>
      withLab(harness, async (lab) => {
        const log = lab.group('g')
        const order: number[] = []
        const writes = Array.from({ length: 1000 }, (_, at) =>
          lab.write(log, { append: entries(at + 1, at + 1) }).then(() => order.push(at)),
        )
        await Promise.all(writes)
        expectThat(
          order.every((value, at) => value === at),
          'they resolved in another order',
        )
        await lab.reopen()
        expectEqual((await lab.state('g')).tail, entries(1, 1000), 'the entries')
      }),
  },
]
