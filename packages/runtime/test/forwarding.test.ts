// Proposals that are made where nobody leads: what becomes of them, and what is said of them.
import { describe, expect, it } from 'vitest'
import { createRandom, decodeUtf8, encodeUtf8, isQuorateError, QuorateError } from '@quorate/core'
import { Arrivals } from '../src/arrivals.ts'
import { expectRejection } from './fixtures/expect-rejection.ts'
import { scriptedGroup } from './fixtures/group.ts'

const command = encodeUtf8('x')
const forward = { forward: true } as const

describe('a forwarded proposal', () => {
  it('is made at the leader, and resolves with its result', async () => {
    const { clock, get } = await scriptedGroup('a', 'b')
    const result = get('b').replica.propose(command, forward)
    await clock.settle()
    expect(decodeUtf8(await result)).toBe('x@1')
    expect(get('a').machine.list).toEqual(['x'])
    expect(get('b').core.inputs.some(({ type }) => type === 'propose')).toBe(false)
    expect(clock.timers).toBe(0)
  })

  it('stays here where this replica leads', async () => {
    const { clock, wires, get } = await scriptedGroup('a', 'b')
    const before = wires.sent.length
    const result = get('a').replica.propose(command, forward)
    await clock.settle()
    expect(decodeUtf8(await result)).toBe('x@1')
    expect(wires.sent.length).toBe(before)
  })

  it('is not forwarded unless it is asked for', async () => {
    const { clock, get } = await scriptedGroup('a', 'b')
    const refused = expectRejection(get('b').replica.propose(command), {
      code: 'NOT_LEADER',
      details: { leader: 'a' },
    })
    await clock.settle()
    await refused
    expect(get('a').machine.list).toEqual([])
  })

  it('follows leadership that has moved', async () => {
    const { clock, get } = await scriptedGroup('a', 'b', 'c')
    get('a').follow('c')
    get('c').lead()
    const result = get('b').replica.propose(command, forward)
    await clock.settle()
    expect(decodeUtf8(await result)).toBe('x@1')
    expect([get('a').machine.list, get('c').machine.list]).toEqual([[], ['x']])
  })

  it('makes its replica doubt the leader that did not take it, and no other', async () => {
    const { clock, get } = await scriptedGroup('a', 'b')
    const doubts = (): unknown[] =>
      get('b').core.inputs.filter(({ type }) => type === 'peerUnreachable')
    const taken = get('b').replica.propose(command, forward)
    await clock.settle()
    await taken
    expect(doubts()).toEqual([])
    const dropped = get('a').host.dropReplica('g')
    await clock.advance(2_000)
    await dropped
    const refused = expectRejection(get('b').replica.propose(command, forward), {
      code: 'NOT_LEADER',
    })
    await clock.settle()
    await refused
    expect(doubts()).toEqual([{ type: 'peerUnreachable', peer: 'a' }])
  })

  it.each(['changeMembership', 'transferLeadership'] as const)(
    '%s is not forwarded, but makes its replica doubt the leader too',
    async (input) => {
      const { clock, get } = await scriptedGroup('a', 'b')
      const { core, replica } = get('b')
      const doubts = (): unknown[] => core.inputs.filter(({ type }) => type === 'peerUnreachable')
      const refuse = (code: 'NOT_LEADER' | 'CONFLICT', leader: string | undefined): void =>
        core.on(input, ({ id }: { id: number }) => ({
          rejected: [{ id, code, reason: 'no', leader }],
        }))
      const ask = async (code: string): Promise<void> => {
        const call =
          input === 'changeMembership'
            ? replica.changeMembership({ voters: ['a'] })
            : replica.transferLeadership('b')
        const refused = expectRejection(call, { code })
        await clock.settle()
        await refused
      }
      refuse('CONFLICT', 'a')
      await ask('CONFLICT')
      refuse('NOT_LEADER', undefined)
      await ask('NOT_LEADER')
      expect(doubts()).toEqual([])
      refuse('NOT_LEADER', 'a')
      await ask('NOT_LEADER')
      expect(doubts()).toEqual([{ type: 'peerUnreachable', peer: 'a' }])
    },
  )

  it('is handed over twice at the most', async () => {
    const { clock, get } = await scriptedGroup('a', 'b', 'c')
    // Two hosts that each hold the other one for the leader.
    get('a').follow('c')
    get('c').follow('a')
    const refused = expectRejection(get('b').replica.propose(command, forward), {
      code: 'NOT_LEADER',
    })
    await clock.settle()
    await refused
    const asked = ['a', 'c'].map(
      (id) => get(id).core.inputs.filter(({ type }) => type === 'propose').length,
    )
    expect(asked).toEqual([1, 1])
  })

  it('is refused as not applied where no leader is known, or none can be reached', async () => {
    const { clock, wires, get } = await scriptedGroup('a', 'b')
    wires.tell('b', 'a', 'unreachable')
    await clock.settle()
    const unreachable = expectRejection(get('b').replica.propose(command, forward), {
      code: 'PROPOSAL_DROPPED',
      retryable: true,
    })
    await clock.settle()
    await unreachable
    get('b').follow(undefined)
    const unknown = expectRejection(get('b').replica.propose(command, forward), {
      code: 'NOT_LEADER',
    })
    await clock.settle()
    await unknown
    expect(get('a').machine.list).toEqual([])
  })

  it('has an unknown outcome where the connection is lost after it left, and is not tried again', async () => {
    const { clock, wires, get } = await scriptedGroup('a', 'b')
    wires.lose = ({ from }) => from === 'a'
    const unknown = expectRejection(get('b').replica.propose(command, forward), {
      code: 'OUTCOME_UNKNOWN',
      retryable: false,
    })
    await clock.settle()
    expect(get('a').machine.list).toEqual(['x'])
    wires.tell('b', 'a', 'unreachable')
    wires.tell('b', 'a', 'reachable')
    await clock.settle()
    await unknown
    expect(get('a').machine.list).toEqual(['x'])
  })

  it('takes its deadline along, and is given up by its signal', async () => {
    const { clock, get } = await scriptedGroup('a', 'b')
    const { core } = get('a')
    core.on('propose', () => ({}))
    const late = expectRejection(
      get('b').replica.propose(command, { ...forward, timeoutMs: 200 }),
      { code: 'OUTCOME_UNKNOWN' },
    )
    await clock.settle()
    expect(core.inputs.filter(({ type }) => type === 'propose')).toHaveLength(1)
    // The leader's own table gives it up at about the same time: nothing waits there for ten seconds.
    await clock.advance(300)
    await late
    expect(clock.timers).toBe(0)
    const giveUp = new AbortController()
    const given = expectRejection(
      get('b').replica.propose(command, { ...forward, signal: giveUp.signal }),
      { code: 'OUTCOME_UNKNOWN' },
    )
    await clock.settle()
    giveUp.abort()
    await given
    const early = AbortSignal.abort()
    await expectRejection(get('b').replica.propose(command, { ...forward, signal: early }), {
      code: 'ABORTED',
    })
  })

  it.each([
    ['NO_SPACE', () => new QuorateError('NO_SPACE', 'full')],
    ['LIMIT_EXCEEDED', () => new QuorateError('LIMIT_EXCEEDED', 'too much')],
    ['PROPOSAL_DROPPED', () => new QuorateError('CLOSED', 'closed')],
    ['PROPOSAL_DROPPED', () => new QuorateError('STORAGE_FAILED', 'EIO')],
    ['OUTCOME_UNKNOWN', () => new QuorateError('OUTCOME_UNKNOWN', 'deposed')],
    ['OUTCOME_UNKNOWN', () => new TypeError('a bug')],
  ])('says %s where the leader fails with it', async (code, failure) => {
    const { clock, get } = await scriptedGroup('a', 'b')
    get('a').replica.propose = () => Promise.reject(failure())
    const refused = expectRejection(get('b').replica.propose(command, forward), { code })
    await clock.settle()
    await refused
  })

  it('is refused by a host that has no such replica, as not applied', async () => {
    const { clock, get } = await scriptedGroup('a', 'b')
    const dropped = get('a').host.dropReplica('g')
    await clock.advance(2_000)
    await dropped
    const refused = expectRejection(get('b').replica.propose(command, forward), {
      code: 'NOT_LEADER',
    })
    await clock.settle()
    await refused
  })

  it('goes to members only, whatever a refusal names', async () => {
    const { clock, get } = await scriptedGroup('a', 'b')
    const details = { leader: 'stranger' }
    get('a').replica.propose = () =>
      Promise.reject(new QuorateError('NOT_LEADER', 'go away', { details }))
    const refused = expectRejection(get('b').replica.propose(command, forward), {
      code: 'NOT_LEADER',
    })
    await clock.settle()
    await refused
  })

  it('is applied once where its frame comes twice', async () => {
    const { clock, wires, get } = await scriptedGroup('a', 'b')
    const before = wires.sent.length
    const result = get('b').replica.propose(command, forward)
    await clock.settle()
    expect(decodeUtf8(await result)).toBe('x@1')
    for (const { from, to, frame } of wires.sent.slice(before)) wires.inject(from, to, frame)
    await clock.settle()
    expect(get('a').machine.list).toEqual(['x'])
    // A new connection numbers its calls as it likes.
    wires.tell('a', 'b', 'unreachable')
    wires.tell('a', 'b', 'reachable')
    await clock.settle()
    for (const { from, to, frame } of wires.sent.slice(before)) wires.inject(from, to, frame)
    await clock.settle()
    expect(get('a').machine.list).toEqual(['x', 'x'])
  })

  it('whose request is garbage is refused', async () => {
    const { clock, get } = await scriptedGroup('a', 'b')
    const garbage = Uint8Array.of(200, 1, 2)
    const refused = get('b').host.call('a', 'quorate-proposals', garbage)
    const watched = refused.catch((error: unknown) => error)
    await clock.settle()
    expect(isQuorateError(await watched, 'MALFORMED')).toBe(true)
  })
})

describe('arrivals', () => {
  it('know each number once, in whatever order they come', () => {
    const arrivals = new Arrivals()
    for (const id of [1, 3, 2, 10, 4_000, 9]) expect(arrivals.isNew(id), `${id}`).toBe(true)
    for (const id of [1, 3, 2, 10, 4_000, 9]) expect(arrivals.isNew(id), `${id}`).toBe(false)
  })

  it('hold one for known that is too old to tell, and forget what fell out of the window', () => {
    const arrivals = new Arrivals()
    expect(arrivals.isNew(5)).toBe(true)
    expect(arrivals.isNew(5 + 4_096)).toBe(true)
    expect(arrivals.isNew(5)).toBe(false)
    expect(arrivals.isNew(6)).toBe(true)
    expect(arrivals.isNew(1_000_000)).toBe(true)
    expect(arrivals.isNew(1_000_000 - 4_095)).toBe(true)
    expect(arrivals.isNew(1_000_000 - 4_200)).toBe(false)
  })

  it('are told apart as by one who remembers all of them', () => {
    const random = createRandom(7)
    const faults: string[] = []
    for (let run = 0; run < 50; run++) {
      const arrivals = new Arrivals()
      const known = new Set<number>()
      let highest = 0
      for (let call = 0; call < 2_000; call++) {
        const reach = random.below(3) === 0 ? 6_000 : 40
        const id = Math.max(1, highest + random.below(reach) - reach / 2)
        const isNew = arrivals.isNew(id)
        // Of what is too old nothing is known for certain, but never is one new twice.
        const wrong = id > highest - 4_096 ? isNew === known.has(id) : isNew && known.has(id)
        if (wrong) faults.push(`${id} after ${highest}: ${String(isNew)}`)
        known.add(id)
        highest = Math.max(highest, id)
      }
    }
    expect(faults).toEqual([])
  })
})
