// Checks of a transport's life: it begins once, ends once, and leaves nothing behind.
import { isQuorateError } from '@quorate/core'
import type { TransportCheck } from './harness.ts'
import { expectThat, withLab } from './lab.ts'

export const lifeChecks: readonly TransportCheck[] = [
  {
    name: 'the status tells where it is in its life',
    run: (harness) =>
      withLab(harness, ['a'], async (lab) => {
        const a = lab.host('a')
        const seen: string[] = [a.transport.status]
        await a.start()
        seen.push(a.transport.status)
        await a.close()
        seen.push(a.transport.status)
        expectThat(seen.join() === 'opening,open,closed', `it was ${seen.join(', then ')}`)
      }),
  },
  {
    name: 'close can be called again, and before start',
    run: (harness) =>
      withLab(harness, ['a'], async (lab) => {
        const unused = lab.host('a')
        await lab.within('close before start did not resolve', () => unused.close())
        const a = lab.host('a')
        await a.start()
        await Promise.all([a.transport.close(), a.transport.close()])
        await a.transport.close()
      }),
  },
  {
    name: 'start after close fails with CLOSED',
    run: (harness) =>
      withLab(harness, ['a'], async (lab) => {
        const a = lab.host('a')
        await a.close()
        const failure = await a.start().then(
          () => undefined,
          (error: unknown) => error,
        )
        expectThat(isQuorateError(failure, 'CLOSED'), `it ended with ${String(failure)}`)
      }),
  },
  {
    name: 'nothing is told after close, and nothing is queued',
    run: (harness) =>
      withLab(harness, ['a', 'b', 'c'], async (lab) => {
        const [a, b, c] = await lab.connected('a', 'b', 'c')
        for (let count = 0; count < 100; count++) b!.send('a', `frame ${count}`)
        await a!.close()
        const { length } = a!.told
        expectThat(a!.send('b', 'x') === 'dropped', 'a frame was queued')
        b!.send('a', 'x')
        await lab.exchange(b!, c!)
        expectThat(a!.told.length === length, 'a handler was called')
      }),
  },
  {
    name: 'close with an aborted signal releases at once',
    run: (harness) =>
      withLab(harness, ['a', 'b'], async (lab) => {
        const [a] = await lab.connected('a', 'b')
        const signal = AbortSignal.abort()
        a!.forget()
        await lab.within('it did not resolve', () => a!.transport.close({ signal }))
      }),
  },
  {
    name: 'no timer is left after close',
    run: (harness) =>
      withLab(harness, ['a', 'b', 'c'], async (lab) => {
        const [a, b] = [lab.host('a'), lab.host('b')]
        await Promise.all([a.start(), b.start()])
        await lab.until(() => a.sees('b', 'reachable') && b.sees('a', 'reachable'), 'they connect')
        await lab.exchange(a, b)
        await a.close()
        expectThat(a.clock.timers === 0, `${a.clock.timers} timers are left`)
      }),
  },
]
