// The ordering law, from the driver's side: what leaves when, what is applied after what, and what
// a failed write, a full disk or a throwing state machine ends.
import { describe, expect, it } from 'vitest'
import type { Entry, WriteBatch } from '@quorate/core'
import { decodeUtf8, encodeUtf8, QuorateError } from '@quorate/core'
import { createHost } from '@quorate/runtime'
import type { HostedReplica } from '../src/hosted-replica.ts'
import { listMachine } from './fixtures/list-machine.ts'
import { manualClock } from './fixtures/manual-clock.ts'
import { expectRejection } from './fixtures/expect-rejection.ts'
import { entry, scriptedConsensus } from './fixtures/scripted-core.ts'
import { scriptedStorage } from './fixtures/scripted-storage.ts'
import { createWires } from './fixtures/wires.ts'

async function setUp(prepare: (storage: ReturnType<typeof scriptedStorage>) => void = () => {}) {
  const clock = manualClock()
  const wires = createWires(clock)
  const storage = scriptedStorage()
  prepare(storage)
  const consensus = scriptedConsensus()
  const machine = listMachine()
  const host = await createHost({ id: 'a', clock, storage, transport: wires.transport('a') })
  const other = wires.transport('b')
  await other.start({} as never, { onFrame() {}, onPeer() {} })
  const replica = (await host.createReplica({
    group: 'g',
    consensus,
    stateMachine: machine,
    members: { voters: ['a', 'b'] },
    snapshots: { everyEntries: 5, keepEntries: 2 },
  })) as HostedReplica
  const core = consensus.cores.get('a')
  if (core === undefined) throw new Error('no core was made')
  await clock.settle()
  const texts = (): string[] => wires.sent.map(({ frame }) => Buffer.from(frame).toString('latin1'))
  return { clock, wires, storage, machine, host, replica, core, texts }
}

/** Makes a scripted core commit whatever is proposed, at once. */
function commitAtOnce(core: Awaited<ReturnType<typeof setUp>>['core']): void {
  let index = core.init.appliedIndex
  core.on('propose', ({ commands }: { commands: readonly Uint8Array[] }) => ({
    apply: commands.map((payload) => entry(++index, payload)),
  }))
}

const batch = (seq: number, more: Partial<WriteBatch> = {}): WriteBatch => ({
  seq,
  append: [],
  ...more,
})

describe('messages', () => {
  it('of `send` leave in the turn, those of `sendAfterPersist` once their batch is durable', async () => {
    const { clock, storage, replica, core, texts } = await setUp((s) => void (s.auto = false))
    let seq = 0
    core.on('receive', ({ message }: { message: string }) => ({
      persist: batch(++seq),
      send: [{ to: 'b', message: `now-${message}` }],
      sendAfterPersist: [{ to: 'b', message: `durable-${message}` }],
    }))
    replica.receive('b', '1')
    replica.receive('b', '2')
    await clock.settle()
    expect(texts().join()).toContain('now-2')
    expect(texts().join()).not.toContain('durable')
    storage.writes[0]?.resolve()
    await clock.settle()
    expect(texts().at(-1)).toContain('durable-1')
    expect(texts().at(-1)).not.toContain('durable-2')
    storage.writes[0]?.resolve()
    await clock.settle()
    expect(texts().at(-1)).toContain('durable-2')
    expect(core.inputs.filter(({ type }) => type === 'persisted')).toEqual([
      { type: 'persisted', seq: 1 },
      { type: 'persisted', seq: 2 },
    ])
  })

  it('without a batch of their own wait for the batches before them', async () => {
    const { clock, storage, replica, core, texts } = await setUp((s) => void (s.auto = false))
    core.on('receive', ({ message }: { message: string }) =>
      message === 'write'
        ? { persist: batch(1) }
        : { sendAfterPersist: [{ to: 'b', message: 'ack' }] },
    )
    replica.receive('b', 'write')
    replica.receive('b', 'ask')
    await clock.settle()
    expect(texts()).toEqual([])
    storage.writes[0]?.resolve()
    await clock.settle()
    expect(texts().join()).toContain('ack')
    replica.receive('b', 'ask')
    await clock.settle()
    expect(texts()).toHaveLength(2)
  })

  it('of one turn share a frame', async () => {
    const { clock, wires, replica, core } = await setUp()
    core.on('receive', () => ({
      send: [
        { to: 'b', message: 'x' },
        { to: 'b', message: 'y' },
      ],
    }))
    for (let turn = 0; turn < 10; turn++) replica.receive('b', 'go')
    await clock.settle()
    expect(wires.sent).toHaveLength(1)
  })

  it('stop for good after a failed write, and nothing is written again', async () => {
    const { clock, storage, replica, core, texts } = await setUp((s) => void (s.auto = false))
    let seq = 0
    core.on('receive', () => ({
      persist: batch(++seq),
      sendAfterPersist: [{ to: 'b', message: 'ack' }],
    }))
    const failures: QuorateError[] = []
    replica.on('failed', (error) => failures.push(error))
    const proposal = replica.propose(encodeUtf8('x'))
    await clock.settle()
    const outcome = expectRejection(proposal, { code: 'OUTCOME_UNKNOWN' })
    replica.receive('b', '1')
    replica.receive('b', '2')
    storage.writes[0]?.reject(new Error('EIO'))
    await clock.settle()
    await outcome
    replica.receive('b', '3')
    await clock.advance(60_000)
    expect(texts()).toEqual([])
    expect(storage.written).toHaveLength(2)
    expect(failures).toMatchObject([{ code: 'STORAGE_FAILED' }])
    await expect(replica.propose(encodeUtf8('y'))).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
    await expect(replica.readBarrier('quorum')).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
  })
})

describe('a full disk', () => {
  it('refuses proposals, writes the same batches again in order, and goes on', async () => {
    const { clock, storage, replica, core, texts } = await setUp((s) => void (s.auto = false))
    let seq = 0
    core.on('receive', () => ({
      persist: batch(++seq),
      sendAfterPersist: [{ to: 'b', message: `ack-${seq}` }],
    }))
    replica.receive('b', '1')
    replica.receive('b', '2')
    const full = new QuorateError('NO_SPACE', 'full')
    storage.writes[0]?.reject(full)
    storage.writes[0]?.reject(full)
    await clock.settle()
    replica.receive('b', '3')
    await expect(replica.propose(encodeUtf8('x'))).rejects.toMatchObject({ code: 'NO_SPACE' })
    expect(storage.writes).toHaveLength(0)
    await clock.advance(1_000)
    expect(storage.writes.map((write) => write.batch.seq)).toEqual([1, 2, 3])
    for (const write of storage.writes.slice()) write.resolve()
    await clock.settle()
    expect(texts().join()).toMatch(/ack-1.*ack-2.*ack-3/s)
    commitAtOnce(core)
    const result = replica.propose(encodeUtf8('x'))
    await clock.settle()
    expect(decodeUtf8(await result)).toBe('x@1')
  })

  it('that is nearly so refuses proposals too', async () => {
    const { storage, replica } = await setUp()
    storage.spaceLow = true
    await expect(replica.propose(encodeUtf8('x'))).rejects.toMatchObject({ code: 'NO_SPACE' })
  })
})

describe('proposals', () => {
  it('of one turn are one input, and each gets its own result', async () => {
    const { clock, replica, core, machine } = await setUp()
    commitAtOnce(core)
    const results = ['x', 'y', 'z'].map((command) => replica.propose(encodeUtf8(command)))
    await clock.settle()
    expect((await Promise.all(results)).map(decodeUtf8)).toEqual(['x@1', 'y@2', 'z@3'])
    expect(core.inputs.filter(({ type }) => type === 'propose')).toHaveLength(1)
    expect(machine.list).toEqual(['x', 'y', 'z'])
    expect(core.inputs.at(-1)).toEqual({ type: 'applied', index: 3 })
  })

  it('keep their results apart where the state machine answers later', async () => {
    const { clock, replica, core, machine } = await setUp()
    machine.later = true
    commitAtOnce(core)
    const results = ['x', 'y'].map((command) => replica.propose(encodeUtf8(command)))
    await clock.settle()
    results.push(replica.propose(encodeUtf8('z')))
    await clock.settle()
    expect((await Promise.all(results)).map(decodeUtf8)).toEqual(['x@1', 'y@2', 'z@3'])
  })

  it('are not settled by equal commands of another origin', async () => {
    const { clock, replica, core, machine } = await setUp()
    const elsewhere = await setUp()
    let foreign: Uint8Array | undefined
    elsewhere.core.on('propose', ({ commands }: { commands: readonly Uint8Array[] }) => {
      foreign = commands[0]
      return {}
    })
    elsewhere.replica.propose(encodeUtf8('x')).catch(() => undefined)
    await elsewhere.clock.settle()
    let settled = false
    const own = replica.propose(encodeUtf8('x')).finally(() => void (settled = true))
    await clock.settle()
    core.on('receive', () => ({ apply: [entry(1, foreign as Uint8Array)] }))
    replica.receive('b', 'go')
    await clock.settle()
    expect(machine.list).toEqual(['x'])
    expect(settled).toBe(false)
    await replica.close({ signal: AbortSignal.abort() })
    await expect(own).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' })
  })

  it('that the core refuses carry its reason and the leader', async () => {
    const { clock, replica, core } = await setUp()
    core.on('propose', ({ id }: { id: number }) => ({
      rejected: [{ id, code: 'NOT_LEADER', reason: 'b leads', leader: 'b' }],
    }))
    const results = ['x', 'y'].map((command) => replica.propose(encodeUtf8(command)))
    const checks = results.map((result) =>
      expectRejection(result, {
        code: 'NOT_LEADER',
        details: { leader: 'b' },
        retryable: true,
      }),
    )
    await clock.settle()
    await Promise.all(checks)
  })

  it('have an unknown outcome after their deadline, and leave no timer', async () => {
    const { clock, replica } = await setUp()
    const late = replica.propose(encodeUtf8('x'), { timeoutMs: 200 })
    const check = expectRejection(late, { code: 'OUTCOME_UNKNOWN', retryable: false })
    await clock.advance(300)
    await check
    expect(clock.timers).toBe(0)
  })

  it('are certainly not applied when aborted before they were handed over, and unknown after', async () => {
    const { clock, replica, core } = await setUp()
    const abort = new AbortController()
    const early = replica.propose(encodeUtf8('early'), { signal: abort.signal })
    const checkEarly = expectRejection(early, { code: 'ABORTED' })
    abort.abort()
    await clock.settle()
    await checkEarly
    expect(core.inputs.some(({ type }) => type === 'propose')).toBe(false)
    const later = new AbortController()
    const handed = replica.propose(encodeUtf8('late'), { signal: later.signal })
    const checkLate = expectRejection(handed, { code: 'OUTCOME_UNKNOWN' })
    await clock.settle()
    later.abort()
    await checkLate
    await expect(replica.propose(encodeUtf8('x'), { signal: later.signal })).rejects.toMatchObject({
      code: 'ABORTED',
    })
  })

  it('end when leadership is lost: handed over, unknown; waiting, refused with the new leader', async () => {
    const { clock, replica, core } = await setUp()
    const handed = replica.propose(encodeUtf8('x'))
    await clock.settle()
    const waiting = replica.propose(encodeUtf8('y'))
    const checks = [
      expectRejection(handed, { code: 'OUTCOME_UNKNOWN' }),
      expectRejection(waiting, { code: 'NOT_LEADER', details: { leader: 'b' } }),
    ]
    core.state = { ...core.state, role: 'follower', leader: 'b', epoch: 2 }
    core.on('receive', () => ({ statusChanged: true }))
    const seen: unknown[] = []
    replica.on('leadership', (event) => seen.push(event))
    replica.receive('b', 'new leader')
    await Promise.all(checks)
    expect(seen).toEqual([{ role: 'follower', leader: 'b', epoch: 2 }])
  })

  it('over a limit are refused with the limit', async () => {
    const { replica } = await setUp()
    await expect(replica.propose(new Uint8Array(1_048_577))).rejects.toMatchObject({
      code: 'LIMIT_EXCEEDED',
      details: { limit: 1_048_576, size: 1_048_577 },
    })
  })
})

describe('reads', () => {
  it('of one turn share a round, and wait until its index is applied', async () => {
    const { clock, replica, core } = await setUp()
    commitAtOnce(core)
    const ids: number[] = []
    core.on('read', ({ id }: { id: number }) => {
      ids.push(id)
      return { reads: [{ id, index: 2 }] }
    })
    let passed = 0
    const reads = [0, 1, 2].map(() => replica.readBarrier('quorum').then(() => passed++))
    await clock.settle()
    expect(ids).toHaveLength(1)
    expect(passed).toBe(0)
    const write = replica.propose(encodeUtf8('x'))
    await clock.settle()
    expect(passed).toBe(0)
    const second = replica.propose(encodeUtf8('y'))
    await clock.settle()
    await Promise.all([...reads, write, second])
    expect(passed).toBe(3)
    expect(decodeUtf8(await replica.query(new Uint8Array(0), { mode: 'local' }))).toBe('x,y')
  })

  it('that nobody confirms time out, can be aborted, and leave no timer', async () => {
    const { clock, replica } = await setUp()
    const abort = new AbortController()
    const checks = [
      expectRejection(replica.readBarrier('quorum', { timeoutMs: 100 }), {
        code: 'TIMEOUT',
      }),
      expectRejection(replica.readBarrier('lease', { signal: abort.signal }), {
        code: 'ABORTED',
      }),
    ]
    await clock.settle()
    abort.abort()
    await clock.advance(200)
    await Promise.all(checks)
    expect(clock.timers).toBe(0)
  })
})

describe('the state machine', () => {
  it('that throws stops the replica, and only that', async () => {
    const { clock, replica, core, host } = await setUp()
    commitAtOnce(core)
    const failed: unknown[] = []
    host.on('replicaFailed', (event) => failed.push(event))
    const proposal = replica.propose(encodeUtf8('throw'))
    const check = expectRejection(proposal, { code: 'OUTCOME_UNKNOWN' })
    await clock.settle()
    await check
    expect(failed).toMatchObject([{ group: 'g', error: { code: 'STATE_MACHINE_FAILED' } }])
    expect(host.status).toBe('open')
    await host.close()
  })

  it('is restored from a snapshot only once the batch that names it is durable, before later entries', async () => {
    const { clock, storage, replica, core, machine } = await setUp((s) => void (s.auto = false))
    const bytes = encodeUtf8('p\nq')
    const meta = {
      id: 's',
      index: 7,
      epoch: 1,
      membership: core.state.membership,
      sizeBytes: bytes.length,
      checksum: 0,
    }
    storage.snapshots.set('s', { meta, bytes })
    core.on('receive', ({ message }: { message: string }) =>
      message === 'install'
        ? { persist: batch(1, { snapshot: meta, compactTo: 7 }), install: meta }
        : { apply: [entry(8, new Uint8Array(0), 'noop')] },
    )
    replica.receive('b', 'install')
    replica.receive('b', 'next')
    await clock.settle()
    expect(machine.list).toEqual([])
    storage.writes[0]?.resolve()
    await clock.settle()
    expect(machine.list).toEqual(['p', 'q'])
    expect(core.inputs.filter(({ type }) => type === 'applied')).toEqual([
      { type: 'applied', index: 7 },
      { type: 'applied', index: 8 },
    ])
  })

  it('starts from the snapshot in storage', async () => {
    const bytes = encodeUtf8('p\nq')
    const { core, machine } = await setUp((storage) => {
      const membership = {
        version: 1,
        voters: ['a'],
        learners: [],
        witnesses: [],
        outgoing: [],
        learnersNext: [],
      }
      const meta = { id: 's', index: 7, epoch: 1, membership, sizeBytes: bytes.length, checksum: 0 }
      storage.snapshots.set('s', { meta, bytes })
      storage.recovered = { ...storage.recovered, snapshot: meta, firstIndex: 8, lastIndex: 7 }
    })
    expect(machine.list).toEqual(['p', 'q'])
    expect(core.init.appliedIndex).toBe(7)
  })

  it('is captured by policy, and the core is told how far it may compact', async () => {
    const { clock, storage, replica, core } = await setUp()
    commitAtOnce(core)
    for (let round = 0; round < 2; round++) {
      const writes = ['1', '2', '3'].map((command) => replica.propose(encodeUtf8(command)))
      await clock.settle()
      await Promise.all(writes)
    }
    const taken = core.inputs.find((input) => input.type === 'snapshotTaken')
    expect(taken).toMatchObject({ snapshot: { index: 6 }, compactTo: 4 })
    expect([...storage.snapshots.values()].map(({ bytes }) => decodeUtf8(bytes))).toEqual([
      '1\n2\n3\n1\n2\n3',
    ])
    expect(await replica.takeSnapshot()).toBe(6)
  })

  it('counts once the log names it, and whoever asked for it waits so long', async () => {
    const { clock, storage, replica, core } = await setUp()
    commitAtOnce(core)
    const write = replica.propose(encodeUtf8('1'))
    await clock.settle()
    await write
    core.on('snapshotTaken', ({ snapshot }) => ({ persist: batch(1, { snapshot }) }))
    storage.auto = false
    let taken: number | undefined
    const taking = replica.takeSnapshot().then((index) => (taken = index))
    await clock.settle()
    expect(storage.snapshots.size).toBe(1)
    expect(storage.writes.map(({ batch: { snapshot } }) => snapshot?.index)).toEqual([1])
    expect(taken).toBeUndefined()
    storage.writes[0]?.resolve()
    await taking
    expect(taken).toBe(1)
  })

  it('is given up with the replica, or by whoever asked for it', async () => {
    const { clock, storage, replica, core } = await setUp()
    commitAtOnce(core)
    const write = replica.propose(encodeUtf8('1'))
    await clock.settle()
    await write
    core.on('snapshotTaken', ({ snapshot }) => ({ persist: batch(1, { snapshot }) }))
    storage.auto = false
    const giveUp = new AbortController()
    const given = expectRejection(replica.takeSnapshot({ signal: giveUp.signal }), {
      code: 'ABORTED',
    })
    await clock.settle()
    giveUp.abort()
    await given
    const failed = expectRejection(replica.takeSnapshot(), { code: 'STORAGE_FAILED' })
    await clock.settle()
    storage.writes[0]?.reject(new Error('no more'))
    await failed
  })
})

describe('entries that left memory', () => {
  it('are read back, and their absence is told', async () => {
    const { clock, storage, replica, core } = await setUp()
    const old: Entry[] = [entry(1, encodeUtf8('x')), entry(2, encodeUtf8('y'))]
    storage.entries = old
    core.on('receive', ({ message }: { message: string }) => ({
      readEntries: [{ id: 5, first: message === 'there' ? 1 : 9, last: 9, bytesMax: 100 }],
    }))
    replica.receive('b', 'there')
    replica.receive('b', 'gone')
    await clock.settle()
    expect(core.inputs.filter(({ type }) => type === 'entriesRead')).toEqual([
      { type: 'entriesRead', id: 5, entries: old },
      { type: 'entriesRead', id: 5, entries: undefined },
    ])
  })
})

describe('closing', () => {
  it('ends everything that waits, leaves no timer, and can be done twice', async () => {
    const { clock, host, replica, core } = await setUp()
    core.wakeAt = clock.now() + 500
    replica.receive('b', 'anything')
    const checks = [
      expectRejection(replica.readBarrier('quorum'), { code: 'CLOSED' }),
      expectRejection(replica.changeMembership({ voters: ['a'] }), {
        code: 'OUTCOME_UNKNOWN',
      }),
      expectRejection(replica.propose(encodeUtf8('x')), { code: 'OUTCOME_UNKNOWN' }),
    ]
    await clock.settle()
    const closed = Promise.all([host.close(), host.close()])
    await clock.advance(1_000)
    await closed
    await Promise.all(checks)
    expect(replica.status).toBe('closed')
    expect(host.status).toBe('closed')
    expect(clock.timers).toBe(0)
    await expect(replica.propose(encodeUtf8('x'))).rejects.toMatchObject({ code: 'CLOSED' })
    await expect(host.createReplica({} as never)).rejects.toMatchObject({ code: 'CLOSED' })
  })
})
