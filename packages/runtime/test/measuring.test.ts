// What an operator sees: the series that a host records, the text that a scraper reads, the answer
// to a probe, and that nothing of what users store is ever written to a log.
import { describe, expect, it } from 'vitest'
import type { Logger } from '@quorate/core'
import { encodeUtf8, QuorateError } from '@quorate/core'
import { createHost, prometheusMetrics } from '@quorate/runtime'
import type { HostedReplica } from '../src/hosted-replica.ts'
import { expectRejection } from './fixtures/expect-rejection.ts'
import { listMachine } from './fixtures/list-machine.ts'
import { manualClock } from './fixtures/manual-clock.ts'
import { recordedMetrics } from './fixtures/meters.ts'
import type { ScriptedCore } from './fixtures/scripted-core.ts'
import { entry, scriptedConsensus } from './fixtures/scripted-core.ts'
import { scriptedStorage } from './fixtures/scripted-storage.ts'
import { createWires } from './fixtures/wires.ts'

async function setUp() {
  const clock = manualClock()
  const metrics = recordedMetrics()
  const lines: { readonly fields: object; readonly message: string }[] = []
  const line = (fields: object, message: string): void => void lines.push({ fields, message })
  const logger: Logger = { debug: line, info: line, warn: line, error: line }
  const storage = scriptedStorage()
  const consensus = scriptedConsensus()
  const machine = listMachine()
  const wires = createWires(clock)
  const host = await createHost({
    id: 'a',
    clock,
    metrics,
    logger,
    storage,
    transport: wires.transport('a'),
  })
  const replica = (await host.createReplica({
    group: 'g',
    consensus,
    stateMachine: machine,
    members: { voters: ['a', 'b'] },
    snapshots: { everyEntries: 3 },
  })) as HostedReplica
  const core = consensus.cores.get('a') as ScriptedCore
  await clock.settle()
  return { clock, metrics, lines, storage, machine, host, replica, core, wires }
}

function commitAtOnce(core: ScriptedCore): void {
  let index = core.init.appliedIndex
  core.on('propose', ({ commands }: { commands: readonly Uint8Array[] }) => ({
    apply: commands.map((payload) => entry(++index, payload)),
  }))
}

describe('metrics', () => {
  it('count proposals by outcome, and how many are pending', async () => {
    const { clock, metrics, replica, core } = await setUp()
    const pending = replica.propose(encodeUtf8('x'), { timeoutMs: 100 })
    const check = expectRejection(pending, { code: 'OUTCOME_UNKNOWN' })
    await clock.settle()
    expect(metrics.value('quorate_proposals_pending')).toBe(1)
    await clock.advance(200)
    await check
    commitAtOnce(core)
    const done = ['1', '2', '3'].map((text) => replica.propose(encodeUtf8(text)))
    await clock.settle()
    await Promise.all(done)
    await expectRejection(replica.propose(new Uint8Array(2_000_000)), { code: 'LIMIT_EXCEEDED' })
    expect(metrics.value('quorate_proposals_total', 'ok')).toBe(3)
    expect(metrics.value('quorate_proposals_total', 'outcome_unknown')).toBe(1)
    expect(metrics.value('quorate_proposals_total', 'limit_exceeded')).toBe(1)
    expect(metrics.value('quorate_proposals_pending')).toBe(0)
    expect(metrics.values('quorate_apply_batch_entries')).toEqual([3])
    expect(metrics.values('quorate_commit_to_apply_seconds')).toHaveLength(1)
    expect(metrics.value('quorate_snapshot_bytes_total', 'taken')).toBe('1\n2\n3'.length)
    expect(metrics.values('quorate_snapshot_seconds', 'taken')).toHaveLength(1)
  })

  it('follow leadership, and forget a replica that is gone', async () => {
    const { clock, metrics, host, replica, core } = await setUp()
    expect(metrics.value('quorate_replicas_leading')).toBe(1)
    core.on('receive', () => ({ statusChanged: true }))
    core.state = { ...core.state, role: 'follower', leader: 'b', epoch: 2 }
    replica.receive('b', 'x')
    expect(metrics.value('quorate_replicas_leading')).toBe(0)
    expect(metrics.value('quorate_leader_changes_total')).toBe(1)
    core.state = { ...core.state, role: 'leader', leader: 'a', epoch: 3 }
    replica.receive('b', 'x')
    expect(metrics.value('quorate_replicas_leading')).toBe(1)
    await host.close({ signal: AbortSignal.abort() })
    await clock.settle()
    expect(metrics.value('quorate_replicas_leading')).toBe(0)
    expect(metrics.value('quorate_replicas')).toBe(0)
  })

  it('count frames and their bytes by lane, calls by outcome, and stalls of the loop', async () => {
    const { clock, metrics, wires, host, replica, core } = await setUp()
    const other = wires.transport('b')
    await other.start({} as never, { onFrame() {}, onPeer() {} })
    await clock.settle()
    core.on('receive', () => ({ send: [{ to: 'b', message: 'hello' }] }))
    replica.receive('b', 'x')
    await clock.settle()
    const [sent] = wires.sent
    expect(metrics.value('quorate_frames_sent_total', 'fast')).toBe(1)
    expect(metrics.value('quorate_frame_bytes_sent_total', 'fast')).toBe(sent?.frame.length)
    wires.inject('b', 'a', Uint8Array.of(1))
    await clock.settle()
    expect(metrics.value('quorate_frame_bytes_received_total')).toBe(1)
    const late = expectRejection(host.call('b', 'x', new Uint8Array(0), { timeoutMs: 10 }), {
      code: 'OUTCOME_UNKNOWN',
    })
    await clock.advance(10)
    await late
    expect(metrics.value('quorate_calls_total', 'outcome_unknown')).toBe(1)
    core.wakeAt = clock.now() + 100
    core.on('tick', () => ((core.wakeAt = Number.POSITIVE_INFINITY), {}))
    replica.receive('b', 'x')
    await clock.advance(200)
    expect(metrics.values('quorate_loop_stall_seconds')).toEqual([0])
  })
})

describe('health', () => {
  it('names what is the matter', async () => {
    const { clock, storage, host, replica, core } = await setUp()
    expect(host.health()).toEqual({ status: 'ok', reasons: [] })
    storage.spaceLow = true
    core.state = { ...core.state, role: 'follower', leader: undefined }
    expect(host.health().status).toBe('degraded')
    expect(host.health().reasons.map(({ code }) => code)).toEqual(['SPACE_LOW', 'NO_LEADER'])
    storage.auto = false
    core.on('receive', () => ({ persist: { seq: 1, append: [] } }))
    replica.receive('b', 'x')
    storage.writes[0]?.reject(new QuorateError('NO_SPACE', 'full'))
    await clock.settle()
    expect(host.health().reasons).toContainEqual(
      expect.objectContaining({ code: 'DISK_FULL', group: 'g' }),
    )
    await clock.advance(1_000)
    storage.writes[0]?.reject(new Error('EIO'))
    await clock.settle()
    expect(host.health()).toMatchObject({ status: 'failed' })
    expect(host.health().reasons.at(-1)).toMatchObject({ code: 'REPLICA_FAILED', group: 'g' })
    await host.close({ signal: AbortSignal.abort() })
    expect(host.health()).toMatchObject({ status: 'failed', reasons: [{ code: 'NOT_OPEN' }] })
  })
})

describe('log lines', () => {
  it('never hold what users store', async () => {
    const { clock, lines, host, replica, core, machine, wires } = await setUp()
    const secret = 'correct-horse-battery-staple'
    commitAtOnce(core)
    await Promise.all([replica.propose(encodeUtf8(secret)), clock.settle()])
    wires.inject('b', 'a', encodeUtf8(secret))
    host.serve('echo', () => {
      throw new Error('no')
    })
    machine.snapshot = () => {
      throw new Error('the state could not be captured')
    }
    await replica.takeSnapshot().catch(() => undefined)
    const last = replica.propose(encodeUtf8('throw')).catch(() => undefined)
    await clock.settle()
    await last
    await host.close()
    expect(lines.length).toBeGreaterThan(1)
    const text = JSON.stringify(lines, (_, value: unknown) =>
      value instanceof Error ? [value.name, value.message, value.cause] : value,
    )
    expect(text).toContain('a replica has stopped')
    expect(text).not.toContain(secret)
    expect(text).not.toContain(JSON.stringify([...encodeUtf8(secret)]).slice(1, -1))
  })
})

describe('the text for Prometheus', () => {
  it('holds every series with its type, labels and buckets', () => {
    const metrics = prometheusMetrics({ buckets: [0.1, 1] })
    const counter = metrics.counter('a_total', 'Things\nof a kind', { kind: 'x"\\' })
    counter.add()
    metrics.counter('a_total', 'Things of a kind', { kind: 'x"\\' }).add(2)
    metrics.counter('a_total', 'Things of a kind', { kind: 'y' }).add()
    metrics.gauge('b_bytes', 'A size').set(-1.5)
    const histogram = metrics.histogram('c_seconds', 'A time', { of: 'z' })
    for (const value of [0.1, 0.5, 5]) histogram.record(value)
    expect(metrics.text()).toBe(
      [
        '# HELP a_total Things\\nof a kind',
        '# TYPE a_total counter',
        'a_total{kind="x\\"\\\\"} 3',
        'a_total{kind="y"} 1',
        '# HELP b_bytes A size',
        '# TYPE b_bytes gauge',
        'b_bytes -1.5',
        '# HELP c_seconds A time',
        '# TYPE c_seconds histogram',
        'c_seconds_bucket{of="z",le="0.1"} 1',
        'c_seconds_bucket{of="z",le="1"} 2',
        'c_seconds_bucket{of="z",le="+Inf"} 3',
        'c_seconds_sum{of="z"} 5.6',
        'c_seconds_count{of="z"} 3',
        '',
      ].join('\n'),
    )
  })

  it('refuses one name for two things', () => {
    const metrics = prometheusMetrics()
    metrics.counter('a_total', 'Things')
    expect(() => metrics.gauge('a_total', 'Things')).toThrow(TypeError)
    expect(() => metrics.counter('a total', 'Things')).toThrow(TypeError)
  })
})
