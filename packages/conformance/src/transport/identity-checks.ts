// Checks of a peer's memory: a host that comes back without the storage that it had, or with an
// older state of it, has forgotten what it promised, and must not take part as if it had not.
import type { TransportContext } from '@quorate/core'
import type { TransportCheck } from './harness.ts'
import { expectThat, withLab, type Lab, type TestHost } from './lab.ts'

type Storage = Pick<TransportContext, 'store' | 'epoch' | 'rejoin'>

/** Connects three hosts, closes the second one, and starts it again with what `storage` says. */
async function comesBack(
  lab: Lab,
  before: Storage,
  storage: Storage,
): Promise<{ a: TestHost; b: TestHost; c: TestHost }> {
  const [a, first, c] = ['a', 'b', 'c'].map((id) => lab.host(id)) as [TestHost, TestHost, TestHost]
  await Promise.all([a.start(), first.start(before), c.start()])
  await lab.until(
    () =>
      a.sees('b', 'reachable') &&
      c.sees('b', 'reachable') &&
      first.sees('a', 'reachable') &&
      first.sees('c', 'reachable') &&
      c.sees('a', 'reachable'),
    'the hosts connect to each other',
  )
  await first.close()
  await lab.until(() => a.sees('b', 'unreachable') && c.sees('b', 'unreachable'), 'it is gone')
  const b = lab.host('b')
  await b.start(storage)
  return { a, b, c }
}

async function expectRefused(lab: Lab, hosts: { a: TestHost; b: TestHost; c: TestHost }) {
  const { a, b, c } = hosts
  await lab.exchange(a, c)
  expectThat(a.send('b', 'x') === 'dropped', 'a frame to it was queued')
  expectThat(b.send('a', 'x') === 'dropped', 'a frame from it was queued')
  await lab.exchange(a, c, 2)
  expectThat(b.told.length === 0 && !a.sees('b', 'reachable'), 'it was let in')
  a.transport.setPeer('b', lab.address('b'))
  await lab.until(
    () => a.sees('b', 'reachable') && b.sees('a', 'reachable'),
    'it is let in once it is named anew',
  )
}

async function expectLetIn(lab: Lab, { a, b }: { a: TestHost; b: TestHost }): Promise<void> {
  await lab.until(() => a.sees('b', 'reachable') && b.sees('a', 'reachable'), 'it is let in')
  await lab.pass(a, b)
}

export const identityChecks: readonly TransportCheck[] = [
  {
    name: 'a host that comes back with another storage is refused until it is named anew',
    needs: 'dynamicPeers',
    run: (harness) =>
      withLab(harness, ['a', 'b', 'c'], async (lab) => {
        const hosts = await comesBack(
          lab,
          { store: 'first', epoch: 3 },
          { store: 'second', epoch: 4 },
        )
        await expectRefused(lab, hosts)
      }),
  },
  {
    name: 'a host that says that its storage is lost is let in with another',
    run: (harness) =>
      withLab(harness, ['a', 'b', 'c'], async (lab) => {
        const lost = { store: 'second', epoch: 1, rejoin: true }
        await expectLetIn(lab, await comesBack(lab, { store: 'first', epoch: 3 }, lost))
      }),
  },
  {
    name: 'a host that comes back on an older copy of its storage is refused until it is named anew',
    needs: 'dynamicPeers',
    run: (harness) =>
      withLab(harness, ['a', 'b', 'c'], async (lab) => {
        const older = { store: 'disk', epoch: 2, rejoin: true }
        await expectRefused(lab, await comesBack(lab, { store: 'disk', epoch: 3 }, older))
      }),
  },
  {
    name: 'a host that repeats an earlier start of its storage is refused until it is named anew',
    needs: 'dynamicPeers',
    run: (harness) =>
      withLab(harness, ['a', 'b', 'c'], async (lab) => {
        const same = { store: 'disk', epoch: 3 }
        await expectRefused(lab, await comesBack(lab, same, same))
      }),
  },
  {
    name: 'the next start of a host on its storage is let in',
    run: (harness) =>
      withLab(harness, ['a', 'b', 'c'], async (lab) => {
        const next = { store: 'disk', epoch: 4 }
        await expectLetIn(lab, await comesBack(lab, { store: 'disk', epoch: 3 }, next))
      }),
  },
]
