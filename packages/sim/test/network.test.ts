// The simulated network keeps the contract of a transport while it does its worst.
import { describe, expect, it } from 'vitest'
import type { NodeId, TransportContext } from '@quorate/core'
import { createRandom } from '@quorate/core'
import type { HostScope } from '../src/run/host-clock.ts'
import type { NetworkFaults } from '../src/run/network.ts'
import { SimNetwork, exponential } from '../src/run/network.ts'
import { calmNetwork } from '../src/run/options.ts'
import { Timeline } from '../src/run/timeline.ts'
import { createTurn } from '../src/run/turn.ts'

const open: HostScope = { over: false, enter: (run) => run() }

interface Setting {
  readonly timeline: Timeline
  readonly network: SimNetwork
  readonly got: {
    readonly at: NodeId
    readonly from: NodeId
    readonly byte: number
    readonly ms: number
  }[]
  readonly peers: string[]
  send(from: NodeId, to: NodeId, byte: number): string
}

async function setting(faults: Partial<NetworkFaults> = {}): Promise<Setting> {
  const timeline = new Timeline(await createTurn())
  const network = new SimNetwork(timeline, createRandom(7), ['a', 'b', 'c'], {
    ...calmNetwork,
    ...faults,
  })
  const got: Setting['got'] = []
  const peers: string[] = []
  const transports = new Map(['a', 'b', 'c'].map((id) => [id, network.transport(id, open)]))
  for (const [at, transport] of transports) {
    await transport.start({} as TransportContext, {
      onFrame: (from, frame) =>
        void got.push({ at, from, byte: frame[0] as number, ms: timeline.nowMs }),
      onPeer: (peer, state) => void peers.push(`${at}: ${peer} ${state}`),
    })
  }
  await timeline.run(10)
  const send = (from: NodeId, to: NodeId, byte: number): string =>
    transports.get(from)?.send(to, Uint8Array.of(byte)) ?? 'none'
  return { timeline, network, got, peers, send }
}

describe('the simulated network', () => {
  it('carries frames to whom they are for, with the sender they come from', async () => {
    const { timeline, got, peers, send } = await setting()
    expect(send('a', 'b', 1)).toBe('queued')
    expect(send('b', 'c', 2)).toBe('queued')
    expect(send('a', 'nobody', 3)).toBe('dropped')
    expect(got).toEqual([])
    await timeline.run(100)
    expect(got.map(({ at, from, byte }) => [at, from, byte])).toEqual(
      expect.arrayContaining([
        ['b', 'a', 1],
        ['c', 'b', 2],
      ]),
    )
    expect(peers.filter((line) => line.endsWith('reachable'))).toHaveLength(6)
  })

  it('keeps order unless it is told not to', async () => {
    const bytes = async (faults: Partial<NetworkFaults>): Promise<number[]> => {
      const { timeline, got, send } = await setting({ delayMeanMs: 10, ...faults })
      for (let byte = 0; byte < 100; byte++) send('a', 'b', byte)
      await timeline.run(10_000)
      return got.map(({ byte }) => byte)
    }
    const sorted = Array.from({ length: 100 }, (_, byte) => byte)
    expect(await bytes({})).toEqual(sorted)
    const mixed = await bytes({ reorder: true })
    expect(mixed).not.toEqual(sorted)
    expect(mixed.toSorted((a, b) => a - b)).toEqual(sorted)
  })

  it('loses and doubles at about the rates asked for', async () => {
    const { timeline, network, send } = await setting({ loss: 0.25, duplication: 0.5 })
    for (let count = 0; count < 4_000; count++) send('a', 'b', 1)
    await timeline.run(10_000)
    const { sent, lost, duplicated, delivered } = network.counts
    expect(sent).toBe(4_000)
    expect(lost / sent).toBeCloseTo(0.25, 1)
    expect(duplicated / (sent - lost)).toBeCloseTo(0.5, 1)
    expect(delivered).toBe(sent - lost + duplicated)
  })

  it('carries nothing over a cut link, in that direction alone', async () => {
    const { timeline, network, got, peers, send } = await setting()
    send('a', 'b', 1)
    network.setCut('a', 'b', true)
    send('a', 'b', 2)
    send('b', 'a', 3)
    await timeline.run(2_000)
    expect(got.map(({ byte }) => byte)).toEqual([3])
    expect(peers.at(-1)).toBe('b: a unreachable')
    network.mend()
    await timeline.run(2_100)
    send('a', 'b', 4)
    await timeline.run(4_000)
    expect(got.at(-1)?.byte).toBe(4)
    expect(peers.at(-1)).toBe('b: a reachable')
  })

  it('holds back what is sent over a clogged link', async () => {
    const { timeline, network, got, send } = await setting()
    network.clog('a', 'b', 500)
    send('a', 'b', 1)
    await timeline.run(400)
    expect(got).toEqual([])
    await timeline.run(1_000)
    expect(got[0]?.ms).toBeGreaterThanOrEqual(510)
  })

  it('delivers nothing of an earlier connection', async () => {
    const { timeline, network, got, send } = await setting()
    send('a', 'b', 1)
    network.drop('b', open)
    const again = network.transport('b', open)
    await again.start({} as TransportContext, {
      onFrame: (from) => void got.push({ at: 'b', from, byte: 9, ms: 0 }),
      onPeer: () => {},
    })
    await timeline.run(1_000)
    expect(got).toEqual([])
  })
})

describe('exponential delays', () => {
  it('have the mean and the tail of their distribution', () => {
    const random = createRandom(3)
    const drawn = Array.from({ length: 50_000 }, () => exponential(random, 10))
    const mean = drawn.reduce((sum, each) => sum + each, 0) / drawn.length
    expect(mean).toBeGreaterThan(9.5)
    expect(mean).toBeLessThan(10.7)
    const over = drawn.filter((each) => each > 30).length / drawn.length
    expect(over).toBeGreaterThan(0.04)
    expect(over).toBeLessThan(0.06)
  })
})
