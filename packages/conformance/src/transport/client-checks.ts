// Checks of the connections between clients and a host: ordered and whole until an end that both
// sides are told of once, bounded, and gone without a trace.
import { isQuorateError, noMetrics, silentLogger } from '@quorate/core'
import { withClients, type ClientCheck } from './client-harness.ts'
import { expectThat, limits } from './lab.ts'

const SIZES = [0, 1, 127, 128, 4_096, 65_536]
/** So many of each size stay within a queue of the suite's limits. */
const ROUNDS = 8
/** More than any queue of the suite's limits, or a socket below it, holds. */
const FLOOD_FRAMES_MAX = 8_192

function filled(length: number, byte: number): Uint8Array {
  return new Uint8Array(length).fill(byte)
}

async function failure(run: () => Promise<unknown>): Promise<unknown> {
  return run().then(
    () => undefined,
    (error: unknown) => error,
  )
}

const frames: readonly ClientCheck[] = [
  {
    name: 'frames of a connection arrive whole and in order, both ways',
    run: (harness) =>
      withClients(harness, async (lab) => {
        const { client, host } = await lab.connect()
        for (const [from, to] of [
          [client, host],
          [host, client],
        ] as const) {
          for (let round = 0; round < ROUNDS; round++) {
            for (const size of SIZES) from.send(filled(size, round))
          }
          const count = ROUNDS * SIZES.length
          await lab.until(() => to.frames.length >= count, 'all frames arrive')
          const wrong = to.frames.findIndex((frame, at) => {
            const [size, byte] = [SIZES[at % SIZES.length], Math.floor(at / SIZES.length)]
            return frame.length !== size || frame.some((each) => each !== byte)
          })
          expectThat(wrong < 0, `frame ${wrong} is not the one that was sent`)
        }
      }),
  },
  {
    name: 'frames reach the other end of their own connection only',
    run: (harness) =>
      withClients(harness, async (lab) => {
        const one = await lab.connect()
        const two = await lab.connect()
        one.client.send('from one')
        one.host.send('to one')
        await lab.until(() => one.host.texts.includes('from one'), 'the frame arrives')
        await lab.until(() => one.client.texts.includes('to one'), 'the frame arrives')
        await lab.exchange(two)
        const strays = [...two.client.texts, ...two.host.texts].filter((text) =>
          text.endsWith(' one'),
        )
        expectThat(strays.length === 0, 'a frame of another connection came')
      }),
  },
  {
    name: 'a frame of a client or to one belongs to its receiver',
    run: (harness) =>
      withClients(harness, async (lab) => {
        const ends = await lab.connect()
        ends.client.send(filled(1_000, 1))
        ends.host.send(filled(1_000, 1))
        const came = (): boolean => ends.host.frames.length > 0 && ends.client.frames.length > 0
        await lab.until(came, 'the frames arrive')
        const kept = [ends.host.frames[0], ends.client.frames[0]]
        for (let count = 2; count < 50; count++) {
          ends.client.send(filled(1_000, count))
          ends.host.send(filled(1_000, count))
        }
        await lab.exchange(ends)
        const same = kept.every((frame) => frame?.every((byte) => byte === 1))
        expectThat(same, 'a later frame changed an earlier one')
      }),
  },
  {
    name: 'no handler of a connection runs inside a call of it',
    run: (harness) =>
      withClients(harness, async (lab) => {
        const ends = await lab.connect()
        for (let count = 0; count < 20; count++) {
          ends.client.send('x')
          ends.host.send('x')
        }
        await lab.exchange(ends)
        ends.client.close()
        await lab.until(() => ends.host.ends.length > 0, 'the other end is told')
        expectThat(lab.toldInside === 0, 'a handler ran inside send or close')
      }),
  },
  {
    name: 'a frame over frameBytesMax to a client is dropped, and harms no other',
    run: (harness) =>
      withClients(harness, async (lab) => {
        const ends = await lab.connect()
        const outcome = ends.host.send(filled(limits.frameBytesMax + 1, 1))
        expectThat(outcome === 'dropped', 'it was queued')
        await lab.exchange(ends)
      }),
  },
  {
    name: 'the queue of a connection is bounded, and takes frames again once it has drained',
    run: (harness) =>
      withClients(harness, async (lab) => {
        const { client, host } = await lab.connect()
        const frame = (): Uint8Array => filled(limits.frameBytesMax, 1)
        let queued = 0
        while (queued < FLOOD_FRAMES_MAX && host.send(frame()) === 'queued') queued++
        expectThat(queued < FLOOD_FRAMES_MAX, 'it never refused a frame')
        await lab.until(() => client.frames.length >= queued, 'what was queued arrives')
        expectThat(host.send('after') === 'queued', 'an empty queue refuses a frame')
        await lab.until(() => client.texts.includes('after'), 'a frame arrives afterwards')
      }),
  },
]

const ends: readonly ClientCheck[] = [
  {
    name: 'the end of a connection is told once at either end, after its last frame',
    run: (harness) =>
      withClients(harness, async (lab) => {
        for (const closer of ['client', 'host'] as const) {
          const pair = await lab.connect()
          const other = closer === 'client' ? pair.host : pair.client
          for (let count = 0; count < 50; count++) pair[closer].send(`frame ${count}`)
          pair[closer].close('enough')
          await lab.until(
            () => pair.client.ends.length > 0 && pair.host.ends.length > 0,
            'both ends are told',
          )
          await lab.exchange(await lab.connect())
          const told = [pair.client.ends.length, pair.host.ends.length]
          expectThat(told.join() === '1,1', `it was told ${told.join(' and ')} times`)
          expectThat(other.texts.length === 50, `${other.texts.length} of 50 frames came before it`)
          expectThat(pair.client.late + pair.host.late === 0, 'a frame came after it')
        }
      }),
  },
  {
    name: 'a connection that has ended drops frames, and can be closed again',
    run: (harness) =>
      withClients(harness, async (lab) => {
        const { client, host } = await lab.connect()
        client.close()
        client.close()
        expectThat(client.send('x') === 'dropped', 'a frame was queued after close')
        await lab.until(() => host.ends.length > 0 && client.ends.length > 0, 'both are told')
        expectThat(host.send('x') === 'dropped', 'a frame was queued after the end')
        host.close()
        await lab.exchange(await lab.connect())
        expectThat(client.ends.length + host.ends.length === 2, 'an end was told again')
      }),
  },
  {
    name: 'dial fails with UNAVAILABLE where nobody listens',
    run: (harness) =>
      withClients(harness, async (lab) => {
        const address = await lab.ends.nowhere()
        const error = await lab.within('dial did not settle', () =>
          failure(() => lab.ends.dialer.dial(address, { onFrame() {}, onClose() {} })),
        )
        expectThat(isQuorateError(error, 'UNAVAILABLE'), `it ended with ${String(error)}`)
      }),
  },
  {
    name: 'dial with an aborted signal fails with ABORTED',
    run: (harness) =>
      withClients(harness, async (lab) => {
        const options = { signal: AbortSignal.abort() }
        const handlers = { onFrame() {}, onClose() {} }
        const error = await lab.within('dial did not settle', () =>
          failure(() => lab.ends.dialer.dial(lab.ends.address(), handlers, options)),
        )
        expectThat(isQuorateError(error, 'ABORTED'), `it ended with ${String(error)}`)
      }),
  },
]

const life: readonly ClientCheck[] = [
  {
    name: 'a listener that closes ends its connections, and leaves no timer',
    run: (harness) =>
      withClients(harness, async (lab) => {
        const pairs = [await lab.connect(), await lab.connect()]
        await lab.within('it did not close', () => lab.ends.listener.close())
        await lab.until(
          () => pairs.every(({ client, host }) => client.ends.length + host.ends.length === 2),
          'every end is told',
        )
        expectThat(lab.clock.timers === 0, `${lab.clock.timers} timers are set`)
      }),
  },
  {
    name: 'the status of a listener tells where it is in its life',
    run: (harness) =>
      withClients(harness, async (lab) => {
        const { listener } = lab.ends
        const seen: string[] = [listener.status]
        await lab.within('it did not close', () => listener.close())
        await lab.within('it did not close again', () => listener.close())
        seen.push(listener.status)
        expectThat(seen.join() === 'open,closed', `it was ${seen.join(', then ')}`)
      }),
  },
  {
    name: 'a listener that was closed does not start: CLOSED',
    run: (harness) =>
      withClients(harness, async (lab) => {
        const ends = await harness.create()
        await ends.listener.close()
        const { clock } = lab
        const context = { clock, limits, logger: silentLogger, metrics: noMetrics }
        const error = await failure(() =>
          ends.listener.start(context, () => ({ onFrame() {}, onClose() {} })),
        )
        await ends.close()
        expectThat(isQuorateError(error, 'CLOSED'), `it ended with ${String(error)}`)
      }),
  },
]

/** Every check of connections with clients. */
export const clientChecks: readonly ClientCheck[] = Object.freeze([...frames, ...ends, ...life])
