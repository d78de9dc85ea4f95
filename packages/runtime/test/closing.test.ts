// Leaving: leadership is handed over, what is pending ends, and everything is closed in bounded
// time, whatever disk, state machine and peers do.
import { describe, expect, it } from 'vitest'
import type { HostStorage, LogStorage } from '@quorate/core'
import { decodeUtf8, encodeUtf8 } from '@quorate/core'
import { createHost } from '@quorate/runtime'
import type { HostedReplica } from '../src/hosted-replica.ts'
import { expectRejection } from './fixtures/expect-rejection.ts'
import { listMachine } from './fixtures/list-machine.ts'
import { manualClock } from './fixtures/manual-clock.ts'
import type { ScriptedCore } from './fixtures/scripted-core.ts'
import { entry, scriptedConsensus } from './fixtures/scripted-core.ts'
import { scriptedStorage } from './fixtures/scripted-storage.ts'
import { createWires } from './fixtures/wires.ts'

/** Hosts a and b with a group that a leads; b would lead where asked. */
async function pair(wrap: (storage: HostStorage) => HostStorage = (storage) => storage) {
  const clock = manualClock()
  const wires = createWires(clock)
  const consensus = scriptedConsensus()
  const open = async (id: string) => {
    const storage = scriptedStorage()
    const machine = listMachine()
    const transport = wires.transport(id)
    const host = await createHost({ id, clock, storage: wrap(storage), transport })
    const replica = (await host.createReplica({
      group: 'g',
      consensus,
      stateMachine: machine,
      members: { voters: ['a', 'b'] },
    })) as HostedReplica
    const core = consensus.cores.get(id) as ScriptedCore
    return { storage, machine, host, replica, core }
  }
  const a = await open('a')
  const b = await open('b')
  b.core.state = { ...b.core.state, role: 'follower', leader: 'a' }
  b.core.on('tick', () => ({ statusChanged: true }))
  ;(b.replica as unknown as { wake(): void }).wake()
  a.core.on('transferLeadership', ({ id, to }: { id: number; to: string }) => {
    a.core.state = { ...a.core.state, role: 'follower', leader: to, epoch: 2 }
    return { completed: [{ id }], statusChanged: true }
  })
  await clock.settle()
  const transfers = () => a.core.inputs.filter(({ type }) => type === 'transferLeadership')
  return { clock, wires, a, b, transfers }
}

describe('a host that leaves', () => {
  it('hands leadership to a member that would lead, without waiting for any time to pass', async () => {
    const { clock, a, transfers } = await pair()
    const closed = a.host.close()
    await expect(a.host.createReplica({} as never)).rejects.toMatchObject({ code: 'CLOSED' })
    await clock.settle()
    await closed
    expect(transfers()).toMatchObject([{ to: 'b' }])
    expect(clock.timers).toBe(0)
  })

  it('lets pending proposals end first, and refuses new ones', async () => {
    const { clock, a, transfers } = await pair()
    let payloads: readonly Uint8Array[] = []
    a.core.on('propose', ({ commands }: { commands: readonly Uint8Array[] }) => {
      payloads = commands
      return {}
    })
    const pending = a.replica.propose(encodeUtf8('x'))
    await clock.settle()
    const drained = a.host.drain()
    await clock.advance(500)
    expect(transfers()).toEqual([])
    await expect(a.replica.propose(encodeUtf8('y'))).rejects.toMatchObject({
      code: 'PROPOSAL_DROPPED',
    })
    a.core.on('receive', () => ({ apply: payloads.map((payload) => entry(1, payload)) }))
    a.replica.receive('b', 'acknowledged')
    await clock.settle()
    expect(decodeUtf8(await pending)).toBe('x@1')
    await drained
    expect(transfers()).toHaveLength(1)
    expect(a.host.status).toBe('open')
    expect(a.host.health()).toMatchObject({ status: 'degraded', reasons: [{ code: 'DRAINING' }] })
  })

  it('does not hand over to one that leaves too', async () => {
    const { clock, a, b, transfers } = await pair()
    const closed = Promise.all([a.host.close(), b.host.close()])
    await clock.settle()
    await closed
    expect(transfers()).toEqual([])
    expect(clock.timers).toBe(0)
  })

  it('does not hand a group to a replica that is closed too, on a host that stays', async () => {
    const { clock, a, b, transfers } = await pair()
    const closed = Promise.all([a.replica.close(), b.replica.close()])
    await clock.settle()
    await closed
    expect(transfers()).toEqual([])
    expect(clock.timers).toBe(0)
  })

  it('waits no longer than a second for a peer that does not answer', async () => {
    const { clock, wires, a, transfers } = await pair()
    wires.lose = () => true
    let closed = false
    const closing = a.host.close().then(() => void (closed = true))
    await clock.advance(999)
    expect(closed).toBe(false)
    await clock.advance(1)
    await closing
    expect(transfers()).toEqual([])
    expect(clock.timers).toBe(0)
  })

  it('tells the outcome of proposals that did not end in time', async () => {
    const { clock, a } = await pair()
    const check = expectRejection(a.replica.propose(encodeUtf8('x')), { code: 'OUTCOME_UNKNOWN' })
    await clock.settle()
    const closing = a.host.close()
    await clock.advance(1_000)
    await closing
    await check
    expect(clock.timers).toBe(0)
  })

  it('closes at once where its signal is aborted, before and during the wait', async () => {
    const first = await pair()
    await first.a.host.close({ signal: AbortSignal.abort() })
    expect(first.transfers()).toEqual([])
    const second = await pair()
    second.wires.lose = () => true
    const abort = new AbortController()
    const closing = second.a.host.close({ signal: abort.signal })
    await second.clock.settle()
    abort.abort()
    await closing
    expect(first.clock.timers + second.clock.timers).toBe(0)
  })

  it('hands over where only a replica is closed, too', async () => {
    const { clock, a, transfers } = await pair()
    const closing = a.replica.close()
    await expect(a.replica.propose(encodeUtf8('x'))).rejects.toMatchObject({ code: 'CLOSED' })
    await clock.settle()
    await closing
    expect(transfers()).toHaveLength(1)
    expect(a.replica.status).toBe('closed')
  })
})

describe('closing in bounded time', () => {
  const never = (): Promise<never> => new Promise(() => {})
  const hanging = (storage: HostStorage): HostStorage => ({
    ...storage,
    group: (id, algorithm): LogStorage => ({ ...storage.group(id, algorithm), close: never }),
    close: never,
  })

  it('ends though the disk never answers, and says so', async () => {
    const { clock, a } = await pair(hanging)
    let failure: unknown
    const closing = a.host.close().catch((error: unknown) => void (failure = error))
    await clock.advance(10_000)
    await closing
    expect(failure).toBeInstanceOf(AggregateError)
    expect((failure as AggregateError).errors).toMatchObject([
      { code: 'TIMEOUT' },
      { code: 'TIMEOUT' },
    ])
    expect(a.host.status).toBe('closed')
    expect(clock.timers).toBe(0)
  })

  it('of a replica ends though its state machine never answers', async () => {
    const { clock, a } = await pair()
    a.machine.apply = never
    a.core.on('propose', ({ commands }: { commands: readonly Uint8Array[] }) => ({
      apply: commands.map((payload) => entry(1, payload)),
    }))
    const check = expectRejection(a.replica.propose(encodeUtf8('x')), { code: 'OUTCOME_UNKNOWN' })
    await clock.settle()
    const closing = expectRejection(a.replica.close(), { code: 'TIMEOUT' })
    await clock.advance(10_000)
    await closing
    await check
    expect(clock.timers).toBe(0)
  })

  it('while a replica is being opened closes that too', async () => {
    const { clock, a } = await pair()
    let load: (() => void) | undefined
    let closedLogs = 0
    const { recovered } = a.storage
    a.storage.group = (id) => ({
      ...scriptedStorage().group(id, { name: 'scripted', format: 1 }),
      load: () => new Promise((resolve) => void (load = () => resolve(recovered))),
      close: async () => void closedLogs++,
    })
    const opening = expectRejection(
      a.host.createReplica({
        group: 'late',
        consensus: scriptedConsensus(),
        stateMachine: listMachine(),
        members: { voters: ['a'] },
      }),
      { code: 'CLOSED' },
    )
    const closing = a.host.close()
    await clock.settle()
    load?.()
    await clock.settle()
    await Promise.all([opening, closing])
    expect(closedLogs).toBeGreaterThan(0)
    expect(a.host.replicas()).toEqual([])
    expect(clock.timers).toBe(0)
  })
})

describe('a snapshot that is asked for', () => {
  it('is given up when all who asked have given up, and can be taken again', async () => {
    const { clock, a } = await pair()
    a.core.on('receive', () => ({ apply: [entry(1, new Uint8Array(0), 'noop')] }))
    a.replica.receive('b', 'go')
    await clock.settle()
    let release: (() => void) | undefined
    a.machine.snapshot = async function* () {
      yield encodeUtf8('first')
      await new Promise<void>((resolve) => void (release = resolve))
      yield encodeUtf8('second')
    }
    const aborts = [new AbortController(), new AbortController()]
    const checks = aborts.map(({ signal }) =>
      expectRejection(a.replica.takeSnapshot({ signal }), { code: 'ABORTED' }),
    )
    await clock.settle()
    for (const abort of aborts) abort.abort()
    await Promise.all(checks)
    release?.()
    await clock.settle()
    expect(a.storage.snapshots.size).toBe(0)
    a.machine.snapshot = () => [encodeUtf8('again')]
    expect(await a.replica.takeSnapshot({ signal: new AbortController().signal })).toBe(1)
    expect(a.storage.snapshots.size).toBe(1)
    await expect(a.replica.takeSnapshot({ signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ABORTED',
    })
  })

  it('fails where the state machine cannot give one, and leaves the replica alive', async () => {
    const { clock, a } = await pair()
    a.core.on('receive', () => ({ apply: [entry(1, new Uint8Array(0), 'noop')] }))
    a.replica.receive('b', 'go')
    await clock.settle()
    a.machine.snapshot = () => {
      throw new Error('not now')
    }
    await expect(a.replica.takeSnapshot()).rejects.toThrow('not now')
    expect(a.replica.status).toBe('open')
  })
})
