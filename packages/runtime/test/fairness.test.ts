// Nobody waits for a neighbour: what one group does in one turn is bounded, and a slow disk, a slow
// state machine or a peer that does not read end in refused proposals and not in memory.
import { describe, expect, it } from 'vitest'
import type { Effects, Entry } from '@quorate/core'
import { encodeUtf8 } from '@quorate/core'
import { createHost } from '@quorate/runtime'
import { ApplyLane } from '../src/apply-lane.ts'
import type { HostedReplica } from '../src/hosted-replica.ts'
import { expectRejection } from './fixtures/expect-rejection.ts'
import { listMachine } from './fixtures/list-machine.ts'
import { manualClock } from './fixtures/manual-clock.ts'
import { silentMeters } from './fixtures/meters.ts'
import type { ScriptedCore } from './fixtures/scripted-core.ts'
import { entry, scriptedConsensus } from './fixtures/scripted-core.ts'
import { scriptedStorage } from './fixtures/scripted-storage.ts'
import { createWires } from './fixtures/wires.ts'

async function setUp(groups: readonly string[], limits = {}) {
  const clock = manualClock()
  const order: string[] = []
  const consensus = scriptedConsensus()
  const storage = scriptedStorage()
  const transport = createWires(clock).transport('a')
  const host = await createHost({ id: 'a', clock, limits, storage, transport })
  const made = new Map<string, { replica: HostedReplica; core: ScriptedCore }>()
  for (const group of groups) {
    const replica = (await host.createReplica({
      group,
      consensus,
      stateMachine: listMachine(),
      members: { voters: ['a', 'b'] },
    })) as HostedReplica
    const core = consensus.cores.get('a') as ScriptedCore
    for (const type of ['propose', 'read', 'tick'] as const) {
      core.on(type, (): Partial<Effects<string>> => {
        order.push(`${group} ${type}`)
        core.wakeAt = Number.POSITIVE_INFINITY
        return {}
      })
    }
    made.set(group, { replica, core })
  }
  await clock.settle()
  order.length = 0
  const of = (group: string) => made.get(group) as { replica: HostedReplica; core: ScriptedCore }
  return { clock, order, storage, host, of }
}

function ignored(promise: Promise<unknown>): void {
  promise.catch(() => undefined)
}

describe('a group that is flooded', () => {
  it('hands over one batch a turn: reads, proposals and heartbeats of others come in between', async () => {
    const { clock, order, of } = await setUp(['busy', 'calm'], { batchCommandsMax: 10 })
    const { replica } = of('busy')
    for (let command = 0; command < 100; command++) ignored(replica.propose(encodeUtf8('x')))
    const calm = of('calm')
    ignored(calm.replica.readBarrier('quorum'))
    ignored(calm.replica.propose(encodeUtf8('y')))
    await clock.settle()
    expect(order.filter((what) => what === 'busy propose')).toHaveLength(10)
    expect(order.indexOf('calm read')).toBeLessThan(4)
    expect(order.indexOf('calm propose')).toBeLessThan(4)
  })

  it('applies a bounded number of entries a turn, and then lets others go on', async () => {
    const clock = manualClock()
    const turns: (() => void)[] = []
    const applied: number[] = []
    const done: number[] = []
    const lane = new ApplyLane(
      { clock: { now: () => 0, defer: (turn) => void turns.push(turn) }, meters: silentMeters() },
      {
        apply: (commands) => (applied.push(commands.length), commands.map(() => new Uint8Array(0))),
        query: (query) => query,
        snapshot: () => [],
        restore: async () => {},
      },
      0,
      {
        onResult: () => {},
        onApplied: (index) => void done.push(index),
        onInstalled: () => {},
        onFailed: (error) => {
          throw error
        },
      },
    )
    const payload = new Uint8Array(12)
    payload[0] = 1
    const entries: Entry[] = Array.from({ length: 3_000 }, (_, at) => entry(at + 1, payload))
    lane.apply(entries)
    expect(applied).toEqual([1_024])
    lane.durable(1)
    expect(applied).toEqual([1_024])
    while (turns.length > 0) turns.shift()?.()
    expect(applied).toEqual([1_024, 1_024, 952])
    expect(done).toEqual([1_024, 2_048, 3_000])
    const large: Entry[] = Array.from({ length: 4 }, (_, at) => {
      const bytes = new Uint8Array(600_000)
      bytes[0] = 1
      return entry(3_001 + at, bytes)
    })
    lane.apply(large)
    expect(applied.at(-1)).toBe(2)
    while (turns.length > 0) turns.shift()?.()
    expect(lane.appliedIndex).toBe(3_004)
    expect(clock.timers).toBe(0)
  })

  it('that wants to be woken again at once lets the others wake first', async () => {
    const { clock, order, of } = await setUp(['busy', 'calm'])
    const { core, replica } = of('busy')
    const start = clock.now()
    core.wakeAt = start
    core.on('tick', () => {
      order.push('busy tick')
      // Never satisfied: it stays due.
      core.wakeAt = start
      return {}
    })
    const calm = of('calm')
    calm.core.wakeAt = start
    replica.receive('b', 'x')
    calm.replica.receive('b', 'x')
    await clock.advance(100)
    expect(order.indexOf('calm tick')).toBeLessThan(3)
    expect(order.filter((what) => what === 'busy tick').length).toBeLessThanOrEqual(12)
  })
})

describe('proposals are refused', () => {
  const full = { code: 'LIMIT_EXCEEDED', retryable: true }

  it('while a slow disk or a quorum leaves as many as the limit without an outcome', async () => {
    const { clock, storage, of } = await setUp(['g'], { pendingCallsMax: 10 })
    storage.auto = false
    const { replica, core } = of('g')
    const taken: Uint8Array[] = []
    let seq = 0
    core.on('propose', ({ commands }: { commands: readonly Uint8Array[] }) => {
      taken.push(...commands)
      return { persist: { seq: ++seq, append: [] } }
    })
    core.on('persisted', () => ({ apply: taken.splice(0).map((one, at) => entry(at + 1, one)) }))
    const pending = Array.from({ length: 10 }, () => replica.propose(encodeUtf8('x')))
    await expectRejection(replica.propose(encodeUtf8('y')), full)
    await clock.settle()
    await expectRejection(replica.propose(encodeUtf8('y')), full)
    storage.writes[0]?.resolve()
    await clock.settle()
    await Promise.all(pending)
    ignored(replica.propose(encodeUtf8('z')))
    await clock.settle()
    expect(taken).toHaveLength(1)
  })

  it('while a slow state machine leaves as many bytes as the limit, and taken again after', async () => {
    const limits = { uncommittedBytesMax: 1_000 }
    const clock = manualClock()
    const consensus = scriptedConsensus()
    const machine = listMachine()
    const ends: (() => void)[] = []
    machine.apply = (commands) =>
      new Promise(
        (resolve) => void ends.push(() => resolve(commands.map(({ payload }) => payload))),
      )
    const host = await createHost({
      id: 'a',
      clock,
      limits,
      storage: scriptedStorage(),
      transport: createWires(clock).transport('a'),
    })
    const replica = await host.createReplica({
      group: 'g',
      consensus,
      stateMachine: machine,
      members: { voters: ['a'] },
    })
    let index = 0
    consensus.cores
      .get('a')
      ?.on('propose', ({ commands }: { commands: readonly Uint8Array[] }) => ({
        apply: commands.map((payload) => entry(++index, payload)),
      }))
    const first = replica.propose(new Uint8Array(600))
    await clock.settle()
    // Committed long ago, and still it counts: the state machine has not worked it off.
    await expectRejection(replica.propose(new Uint8Array(600)), full)
    const small = replica.propose(new Uint8Array(300))
    await clock.settle()
    ends.shift()?.()
    await clock.settle()
    await first
    const second = replica.propose(new Uint8Array(600))
    await clock.settle()
    while (ends.length > 0) {
      ends.shift()?.()
      await clock.settle()
    }
    await Promise.all([small, second])
  })

  it('as a batch where the core has no room, each with the reason', async () => {
    const { clock, of } = await setUp(['g'])
    const { replica, core } = of('g')
    core.on('propose', ({ id }: { id: number }) => ({
      rejected: [{ id, code: 'PROPOSAL_DROPPED', reason: 'too much is uncommitted' }],
    }))
    const checks = ['x', 'y'].map((command) =>
      expectRejection(replica.propose(encodeUtf8(command)), { code: 'PROPOSAL_DROPPED' }),
    )
    await clock.settle()
    await Promise.all(checks)
  })
})

describe('calls to a peer that does not answer', () => {
  it('are bounded, and end with their deadline', async () => {
    const { clock, host } = await setUp([], { pendingCallsMax: 5 })
    const wires = createWires(clock)
    const b = await createHost({
      id: 'b',
      clock,
      limits: { pendingCallsMax: 5 },
      storage: scriptedStorage(),
      transport: wires.transport('b'),
    })
    await wires.transport('c').start({} as never, { onFrame() {}, onPeer() {} })
    await clock.settle()
    const calls = Array.from({ length: 5 }, () =>
      expectRejection(b.call('c', 'x', new Uint8Array(0), { timeoutMs: 50 }), {
        code: 'OUTCOME_UNKNOWN',
      }),
    )
    await expectRejection(b.call('c', 'x', new Uint8Array(0)), { code: 'LIMIT_EXCEEDED' })
    await clock.advance(50)
    await Promise.all(calls)
    expect(clock.timers).toBe(0)
    await host.close({ signal: AbortSignal.abort() })
  })
})
