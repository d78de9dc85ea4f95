// A leader whose disk is full or nearly so: it looks for a member with room, until one leads or
// there is room again.
import { describe, expect, it } from 'vitest'
import { encodeUtf8, QuorateError } from '@quorate/core'
import { expectRejection } from './fixtures/expect-rejection.ts'
import type { ScriptedMember } from './fixtures/group.ts'
import { scriptedGroup } from './fixtures/group.ts'

/** What the core of a leader was asked to hand leadership to. */
function transfersOf({ core }: ScriptedMember): (string | undefined)[] {
  return core.inputs.flatMap((input) => (input.type === 'transferLeadership' ? [input.to] : []))
}

/** Makes transfers fail, as where the successor lags. */
function refuseTransfers({ core }: ScriptedMember): void {
  core.on('transferLeadership', ({ id }: { id: number }) => ({
    rejected: [{ id, code: 'TIMEOUT', reason: 'it lags' }],
  }))
}

async function refusedForSpace(member: ScriptedMember): Promise<void> {
  await expectRejection(member.replica.propose(encodeUtf8('x')), { code: 'NO_SPACE' })
}

describe('a leader on a disk that is nearly full', () => {
  it('hands over to a member with room, again and again while that fails', async () => {
    const { clock, get } = await scriptedGroup('a', 'b', 'c')
    const a = get('a')
    refuseTransfers(a)
    a.storage.spaceLow = true
    get('b').storage.spaceLow = true
    await refusedForSpace(a)
    await clock.settle()
    expect(transfersOf(a)).toEqual(['c'])
    await clock.advance(5_000)
    await clock.advance(5_000)
    expect(transfersOf(a)).toEqual(['c', 'c', 'c'])
    a.core.on('transferLeadership', ({ id }: { id: number }) => {
      a.core.state = { ...a.core.state, role: 'follower', leader: 'c', epoch: 2 }
      return { completed: [{ id }], statusChanged: true }
    })
    await clock.advance(5_000)
    expect(transfersOf(a)).toHaveLength(4)
    await clock.advance(60_000)
    expect(transfersOf(a)).toHaveLength(4)
    expect(clock.timers).toBe(0)
  })

  it('keeps leading where no member has more room', async () => {
    const { clock, get } = await scriptedGroup('a', 'b')
    const a = get('a')
    for (const id of ['a', 'b']) get(id).storage.spaceLow = true
    await refusedForSpace(a)
    await clock.advance(20_000)
    expect(transfersOf(a)).toEqual([])
    get('b').storage.spaceLow = false
    await clock.advance(5_000)
    expect(transfersOf(a)).toEqual(['b'])
  })

  it('stops looking once it has room again', async () => {
    const { clock, get } = await scriptedGroup('a', 'b')
    const a = get('a')
    refuseTransfers(a)
    a.storage.spaceLow = true
    await refusedForSpace(a)
    await clock.settle()
    a.storage.spaceLow = false
    await clock.advance(60_000)
    expect(transfersOf(a)).toEqual(['b'])
    expect(clock.timers).toBe(0)
  })

  it('looks as soon as it comes to lead', async () => {
    const { clock, get } = await scriptedGroup('a', 'b')
    get('a').follow('b')
    get('b').storage.spaceLow = true
    get('b').lead()
    await clock.settle()
    expect(transfersOf(get('b'))).toEqual(['a'])
  })

  it('looks no more once it is closed', async () => {
    const { clock, get } = await scriptedGroup('a', 'b')
    const a = get('a')
    refuseTransfers(a)
    a.storage.spaceLow = true
    await refusedForSpace(a)
    await clock.settle()
    const closed = a.replica.close({ signal: AbortSignal.abort() })
    await clock.settle()
    await closed
    await clock.advance(60_000)
    expect(transfersOf(a)).toEqual(['b'])
    expect(clock.timers).toBe(0)
  })
})

describe('a leader on a full disk', () => {
  it('hands over to a member whose disk is not, again while that fails', async () => {
    const { clock, get } = await scriptedGroup('a', 'b')
    const a = get('a')
    refuseTransfers(a)
    a.storage.auto = false
    a.core.on('receive', () => ({ persist: { seq: 1, append: [] } }))
    a.replica.receive('b', 'write')
    a.core.on('receive', () => ({}))
    a.storage.writes[0]?.reject(new QuorateError('NO_SPACE', 'full'))
    await clock.settle()
    expect(transfersOf(a)).toEqual(['b'])
    await clock.advance(5_000)
    expect(transfersOf(a)).toEqual(['b', 'b'])
  })
})

describe('a host that leaves', () => {
  it('hands over to a member with room before one without, and to one without before none', async () => {
    for (const [cramped, expected] of [
      [['b'], 'c'],
      [['b', 'c'], 'b'],
    ] as const) {
      const { clock, get } = await scriptedGroup('a', 'b', 'c')
      for (const id of cramped) get(id).storage.spaceLow = true
      const drained = get('a').host.drain()
      await clock.advance(2_000)
      await drained
      expect(transfersOf(get('a'))[0]).toBe(expected)
    }
  })
})
