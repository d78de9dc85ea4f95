// Checks of a storage's life, and of whose data it holds: it opens once, closes once, and never
// opens what belongs to somebody else.
import type { StorageCheck } from './harness.ts'
import {
  ALGORITHM,
  Lab,
  attempt,
  contextOf,
  entries,
  expectCode,
  expectEqual,
  expectThat,
  withLab,
} from './lab.ts'

export const lifeChecks: readonly StorageCheck[] = [
  {
    name: 'the status tells where it is in its life',
    run: async (harness) => {
      const lab = new Lab(await harness.create())
      try {
        const storage = lab.disk.storage()
        const seen: string[] = [storage.status]
        await storage.open(contextOf('c', 'h'))
        seen.push(storage.status)
        await storage.close()
        seen.push(storage.status)
        expectEqual(seen, ['opening', 'open', 'closed'], 'the status')
      } finally {
        await lab.close()
      }
    },
  },
  {
    name: 'close can be called again, and before open',
    run: (harness) =>
      withLab(harness, async (lab) => {
        await Promise.all([lab.storage.close(), lab.storage.close()])
        await lab.storage.close()
        const unused = lab.disk.storage()
        await unused.close()
        await expectCode(unused.open(contextOf('c', 'h')), 'CLOSED', 'open after close')
      }),
  },
  {
    name: 'nothing can be done before open and after close',
    run: (harness) =>
      withLab(harness, async (lab) => {
        const { storage } = lab
        const log = lab.group('g')
        await log.close()
        await storage.close()
        for (const other of [storage, lab.disk.storage()]) {
          await expectCode(
            attempt(() => other.groups()),
            'CLOSED',
            'groups',
          )
          await expectCode(
            attempt(() => other.group('g', ALGORITHM)),
            'CLOSED',
            'group',
          )
          await expectCode(other.drop('g'), 'CLOSED', 'drop')
        }
      }),
  },
  {
    name: 'a log that is closed refuses calls, and its group can be used again',
    run: (harness) =>
      withLab(harness, async (lab) => {
        const log = lab.group('g')
        await lab.write(log, { append: entries(1, 2) })
        await expectCode(
          attempt(() => lab.group('g')),
          'INVALID_ARGUMENT',
          'a second log of one group',
        )
        await expectCode(lab.storage.drop('g'), 'INVALID_ARGUMENT', 'a drop of a group in use')
        await log.close()
        await log.close()
        await expectCode(lab.write(log, { append: entries(3, 3) }), 'CLOSED', 'write')
        await expectCode(log.read({ first: 1, last: 1, bytesMax: 9 }), 'CLOSED', 'read')
        expectEqual((await lab.state('g')).lastIndex, 2, 'the last index')
      }),
  },
  {
    name: 'closing waits for the writes under way',
    run: (harness) =>
      withLab(harness, async (lab) => {
        const settled: string[] = []
        const [a, b] = [lab.group('a'), lab.group('b')]
        const first = lab.write(a, { append: entries(1, 1) }).then(() => settled.push('a'))
        await a.close()
        expectEqual(settled, ['a'], 'what was written when the log had closed')
        const second = lab.write(b, { append: entries(1, 1) }).then(() => settled.push('b'))
        await lab.storage.close()
        expectEqual(settled, ['a', 'b'], 'what was written when the storage had closed')
        await Promise.all([first, second])
        await lab.open()
        expectEqual((await lab.state('b')).lastIndex, 1, 'the last index')
      }),
  },
  {
    name: 'data of another cluster or another host is refused',
    run: (harness) =>
      withLab(harness, async (lab) => {
        await lab.write(lab.group('g'), { append: entries(1, 1) })
        await lab.storage.close()
        await expectCode(lab.open('other', 'host'), 'CLUSTER_MISMATCH', 'another cluster')
        await lab.storage.close()
        await expectCode(lab.open('cluster', 'other'), 'CLUSTER_MISMATCH', 'another host')
        await lab.storage.close()
        await lab.open()
        expectEqual((await lab.state('g')).lastIndex, 1, 'the last index')
      }),
  },
  {
    name: 'data of another algorithm, or of a newer format, is refused',
    run: (harness) =>
      withLab(harness, async (lab) => {
        const log = lab.group('g')
        await lab.write(log, { append: entries(1, 1) })
        await log.close()
        const open = (name: string, format: number) =>
          attempt(() => lab.storage.group('g', { name, format }))
        await expectCode(open('other', 2), 'STORAGE_ALGORITHM_MISMATCH', 'another algorithm')
        await expectCode(open('conformance', 1), 'STORAGE_ALGORITHM_MISMATCH', 'an older reader')
        await (await open('conformance', 3)).close()
        await lab.reopen()
        await expectCode(open('other', 2), 'STORAGE_ALGORITHM_MISMATCH', 'after a restart')
      }),
  },
  {
    name: 'one storage at a time uses a disk',
    run: (harness) =>
      withLab(harness, async (lab) => {
        const second = lab.disk.storage()
        await expectCode(
          second.open(contextOf('cluster', 'host')),
          'STORAGE_LOCKED',
          'a second open',
        )
        await second.close()
        await lab.write(lab.group('g'), { append: entries(1, 1) })
        await lab.reopen()
      }),
  },
  {
    name: 'the groups that hold data are told in order',
    run: (harness) =>
      withLab(harness, async (lab) => {
        for (const id of ['b', 'C', 'a', '10', '9']) {
          await lab.write(lab.group(id), { append: entries(1, 1) })
        }
        lab.group('empty')
        const expected = ['10', '9', 'C', 'a', 'b'].map((id) => ({ id, algorithm: ALGORITHM }))
        expectEqual(lab.storage.groups(), expected, 'the groups')
        await lab.reopen()
        expectEqual(lab.storage.groups(), expected, 'the groups after a restart')
      }),
  },
  {
    name: 'free space is not low on an empty disk',
    run: (harness) =>
      withLab(harness, async (lab) => expectThat(!lab.storage.spaceLow, 'spaceLow is set')),
  },
]
