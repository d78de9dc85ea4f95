// Single-decree Paxos under every order of events within bounds, and under random ones: at most one
// value is ever chosen, and it is one that was proposed.
import { createRandom } from '@quorate/core'
import { describe, expect, test } from 'vitest'
import type { SynodAcceptor, SynodMessage } from '../src/index.ts'
import {
  SynodAttempt,
  WriteOnceRegister,
  answer,
  compareBallots,
  newAcceptor,
} from '../src/index.ts'

const names = ['x', 'y', 'z']

/** Acceptors on durable disks, some of which may be out of reach. */
function acceptors(): {
  readonly disks: Map<string, SynodAcceptor<string>>
  readonly cut: Set<string>
  ask(to: string, message: SynodMessage<string>): SynodMessage<string> | undefined
} {
  const disks = new Map<string, SynodAcceptor<string>>(names.map((name) => [name, newAcceptor]))
  const cut = new Set<string>()
  return {
    disks,
    cut,
    ask(to, message) {
      if (cut.has(to)) return undefined
      const { acceptor, reply } = answer(disks.get(to) as SynodAcceptor<string>, message)
      disks.set(to, acceptor)
      return reply
    },
  }
}

describe('a write-once register', () => {
  test('holds the first value written, for everybody', () => {
    const { ask } = acceptors()
    const a = new WriteOnceRegister('a', names, ask)
    const b = new WriteOnceRegister('b', names, ask)
    expect(a.write('first')).toEqual({ value: 'first' })
    expect(b.write('second')).toEqual({ value: 'first' })
    expect(a.write('third')).toEqual({ value: 'first' })
  })

  test('goes on with one acceptor down, and not with two', () => {
    const { ask, cut } = acceptors()
    const a = new WriteOnceRegister('a', names, ask)
    cut.add('x')
    expect(a.write('v')).toEqual({ value: 'v' })
    cut.add('y')
    expect(a.write('w')).toBeUndefined()
    cut.delete('x')
    expect(a.write('w')).toEqual({ value: 'v' })
  })

  test('a value that one acceptor took is finished by the next who finds it', () => {
    const { ask, disks } = acceptors()
    const proposal = { ballot: { attempt: 1, proposer: 'a' }, value: 'lost' }
    disks.set('x', { promised: proposal.ballot, accepted: proposal })
    expect(new WriteOnceRegister('b', names, ask).write('new')).toEqual({ value: 'lost' })
  })

  test('a proposer that was refused goes past whoever refused it', () => {
    const { ask } = acceptors()
    const b = new WriteOnceRegister('b', names, ask, 6)
    expect(b.write('v')).toEqual({ value: 'v' })
    const a = new WriteOnceRegister('a', names, ask)
    expect(a.write('w')).toBeUndefined()
    expect(a.lastAttempt).toBe(7)
    expect(a.write('w')).toEqual({ value: 'v' })
  })
})

describe('an attempt', () => {
  test('counts each acceptor once, and no answer to another ballot', () => {
    const attempt = new SynodAttempt({ attempt: 2, proposer: 'a' }, names, 'v')
    const other = { attempt: 1, proposer: 'a' }
    attempt.take('x', { type: 'promise', ballot: attempt.ballot, accepted: undefined })
    attempt.take('x', { type: 'promise', ballot: attempt.ballot, accepted: undefined })
    attempt.take('y', { type: 'promise', ballot: other, accepted: undefined })
    attempt.take('stranger', { type: 'promise', ballot: attempt.ballot, accepted: undefined })
    expect(attempt.asks.type).toBe('prepare')
    attempt.take('z', { type: 'promise', ballot: attempt.ballot, accepted: undefined })
    expect(attempt.asks).toMatchObject({ type: 'accept', value: 'v' })
    attempt.take('x', { type: 'accepted', ballot: other })
    attempt.take('y', { type: 'accepted', ballot: attempt.ballot })
    expect(attempt.chosen).toBeUndefined()
    attempt.take('z', { type: 'accepted', ballot: attempt.ballot })
    expect(attempt.chosen).toEqual({ value: 'v' })
  })

  test('takes the value of the largest ballot that its majority accepted', () => {
    const attempt = new SynodAttempt({ attempt: 9, proposer: 'a' }, names, 'mine')
    const accepted = (number: number, value: string): void => {
      const ballot = { attempt: number, proposer: 'b' }
      attempt.take(value, {
        type: 'promise',
        ballot: attempt.ballot,
        accepted: { ballot, value },
      })
    }
    accepted(5, 'x')
    accepted(3, 'z')
    expect(attempt.asks).toMatchObject({ value: 'x' })
  })
})

interface World {
  readonly disks: readonly SynodAcceptor<string>[]
  readonly flights: readonly string[]
  readonly heard: readonly string[]
}

const proposers = ['a', 'b', 'c']

/** Replays what each proposer has heard, which is all that it knows. */
function attemptOf(proposer: number, heard: readonly string[]): SynodAttempt<string> {
  const name = proposers[proposer] as string
  const attempt = new SynodAttempt({ attempt: 1, proposer: name }, names, `value of ${name}`)
  for (const line of heard) {
    const [to, from, reply] = JSON.parse(line) as [number, number, SynodMessage<string>]
    if (to === proposer) attempt.take(names[from] as string, reply)
  }
  return attempt
}

test('three proposers, three acceptors, every order of every loss: one value', () => {
  const first: World = { disks: names.map(() => newAcceptor), flights: [], heard: [] }
  const seen = new Set<string>()
  const chosen = new Set<string>()
  let frontier = [first]
  let states = 0
  while (frontier.length > 0) {
    const next: World[] = []
    for (const world of frontier) {
      for (const after of successors(world)) {
        const key = JSON.stringify([after.disks, [...after.heard].sort()])
        if (seen.has(key)) continue
        seen.add(key)
        states++
        next.push(after)
        const values = proposers.map((_, at) => attemptOf(at, after.heard).chosen?.value)
        const distinct = new Set(values.filter((value) => value !== undefined))
        expect(distinct.size).toBeLessThanOrEqual(1)
        for (const value of distinct) chosen.add(value)
      }
    }
    frontier = states > 8_000 ? [] : next
  }
  expect(chosen.size).toBe(3)
  expect(states).toBeGreaterThan(8_000)
})

/** Any proposer asks any acceptor and hears of it, or the answer is lost. */
function* successors(world: World): Iterable<World> {
  for (const [proposer] of proposers.entries()) {
    const { asks } = attemptOf(proposer, world.heard)
    for (const [at] of names.entries()) {
      const { acceptor, reply } = answer(world.disks[at] as SynodAcceptor<string>, asks)
      const disks = world.disks.map((disk, index) => (index === at ? acceptor : disk))
      yield { ...world, disks }
      const line = JSON.stringify([proposer, at, reply])
      if (!world.heard.includes(line)) yield { ...world, disks, heard: [...world.heard, line] }
    }
  }
}

test('many proposers over a network that loses: whatever anybody learns is one value', () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = createRandom(seed)
    const { ask } = acceptors()
    const lossy = (to: string, message: SynodMessage<string>): SynodMessage<string> | undefined => {
      if (random.below(4) === 0) return undefined
      const reply = ask(to, message)
      return random.below(4) === 0 ? undefined : reply
    }
    const registers = ['a', 'b', 'c', 'd'].map((id) => new WriteOnceRegister(id, names, lossy))
    const found = new Set<string>()
    for (let n = 0; n < 40; n++) {
      const at = random.below(registers.length)
      const result = (registers[at] as WriteOnceRegister<string>).write(`v${n}`)
      if (result !== undefined) found.add(result.value)
    }
    expect(found.size, `seed ${seed}`).toBe(1)
  }
})

test('ballots are in one order', () => {
  const order = [undefined, [1, 'a'], [1, 'b'], [2, 'a']] as const
  const ballots = order.map((each) => each && { attempt: each[0], proposer: each[1] })
  for (const [i, a] of ballots.entries()) {
    for (const [j, b] of ballots.entries())
      expect(Math.sign(compareBallots(a, b))).toBe(Math.sign(i - j))
  }
})
