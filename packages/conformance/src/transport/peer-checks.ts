// Checks of connections: who is let in, what a host is told of its peers, and what is left of a
// connection after its end.
import type { TransportCheck } from './harness.ts'
import { expectThat, withLab, type Lab, type TestHost } from './lab.ts'

/** Starts three hosts of which the second one does not fit, and looks what it can reach. */
async function misfit(
  lab: Lab,
  over: { readonly cluster?: string; readonly wireVersion?: number },
): Promise<void> {
  const [a, b, c] = ['a', 'b', 'c'].map((id) => lab.host(id)) as [TestHost, TestHost, TestHost]
  await Promise.all([a.start(), b.start(over), c.start()])
  await lab.until(() => a.sees('c', 'reachable') && c.sees('a', 'reachable'), 'the others connect')
  await lab.exchange(a, c)
  expectThat(a.send('b', 'x') === 'dropped', 'a frame to it was queued')
  expectThat(b.send('a', 'x') === 'dropped', 'a frame from it was queued')
  await lab.exchange(a, c, 2)
  const told = [...a.told, ...c.told].some((each) =>
    each.kind === 'peer' ? each.peer === 'b' : each.from === 'b',
  )
  expectThat(!told && b.told.length === 0, 'somebody was told of a connection')
}

export const peerChecks: readonly TransportCheck[] = [
  {
    name: 'start resolves where no peer is there',
    run: (harness) =>
      withLab(harness, ['a', 'b'], async (lab) => {
        const a = lab.host('a')
        await lab.within('start did not resolve while the peer was away', () => a.start())
        expectThat(a.send('b', 'x') === 'dropped' || a.told.length === 0, 'a peer was invented')
      }),
  },
  {
    name: 'a host is told of a connection before its first frame',
    run: (harness) =>
      withLab(harness, ['a', 'b'], async (lab) => {
        const [a, b] = [lab.host('a'), lab.host('b')]
        await Promise.all([a.start(), b.start()])
        for (const [one, other] of [
          [a, b],
          [b, a],
        ] as const) {
          await lab.until(() => one.sees(other.id, 'reachable'), `${one.id} sees ${other.id}`)
          one.send(other.id, 'first')
          await lab.until(() => other.texts().includes('first'), 'a frame arrives')
          expectThat(other.told[0]?.kind === 'peer', `${other.id} was told of a frame first`)
        }
      }),
  },
  {
    name: 'a host of another cluster is refused',
    run: (harness) =>
      withLab(harness, ['a', 'b', 'c'], (lab) => misfit(lab, { cluster: 'another' })),
  },
  {
    name: 'a host of another wire version is refused',
    run: (harness) => withLab(harness, ['a', 'b', 'c'], (lab) => misfit(lab, { wireVersion: 2 })),
  },
  {
    name: 'a host is told that a peer has gone, and frames to it are dropped',
    run: (harness) =>
      withLab(harness, ['a', 'b'], async (lab) => {
        const [a, b] = await lab.connected('a', 'b')
        await b!.close()
        await lab.until(() => a!.sees('b', 'unreachable'), 'a is told')
        expectThat(a!.send('b', 'x') === 'dropped', 'a frame was queued for nobody')
      }),
  },
  {
    name: 'a peer that comes back is connected again',
    run: (harness) =>
      withLab(harness, ['a', 'b'], async (lab) => {
        const [a, b] = await lab.connected('a', 'b')
        await b!.close()
        // Back before anything else can happen: the end of the first must not end the second.
        const again = lab.host('b')
        await again.start()
        await lab.until(() => again.sees('a', 'reachable'), 'it sees the other host')
        await lab.until(() => a!.sees('b', 'reachable'), 'it is seen')
        await lab.pass(a!, again)
      }),
  },
  {
    name: 'no frame of a connection comes after its end',
    run: (harness) =>
      withLab(harness, ['a', 'b', 'c'], async (lab) => {
        const [a, b, c] = await lab.connected('a', 'b', 'c')
        for (let count = 0; count < 500; count++) b!.send('a', `frame ${count}`)
        await lab.until(() => a!.texts().length > 0, 'the first frame arrives')
        for (let count = 0; count < 500; count++) b!.send('a', `late ${count}`)
        await b!.close()
        await lab.exchange(a!, c!)
        const end = a!.told.findIndex(
          (each) => each.kind === 'peer' && each.state === 'unreachable',
        )
        const after = end < 0 ? [] : a!.told.slice(end)
        const late = after.filter((each) => each.kind === 'frame' && each.from === 'b').length
        expectThat(late === 0, `${late} frames came after the end of their connection`)
      }),
  },
  {
    name: 'a peer that is removed is cut off, and one that is added is connected',
    needs: 'dynamicPeers',
    run: (harness) =>
      withLab(harness, ['a', 'b', 'c'], async (lab) => {
        const [a, b, c] = await lab.connected('a', 'b', 'c')
        a!.transport.setPeer('b', undefined)
        expectThat(a!.send('b', 'x') === 'dropped', 'a frame to it was still queued')
        await lab.until(() => b!.sees('a', 'unreachable'), 'the removed peer is cut off')
        await lab.until(() => a!.sees('b', 'unreachable'), 'who removed it is told')
        const before = a!.texts('b').length
        b!.send('a', 'let me in')
        await lab.exchange(a!, c!)
        expectThat(a!.texts('b').length === before, 'a frame of a removed peer came')
        a!.transport.setPeer('b', lab.address('b'))
        await lab.until(() => a!.sees('b', 'reachable') && b!.sees('a', 'reachable'), 'it is back')
        await lab.exchange(a!, b!, 1)
      }),
  },
]
