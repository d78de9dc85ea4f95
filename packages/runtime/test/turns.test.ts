// What arrives together is worked off together: one turn for all jobs, and one end of it.
import { describe, expect, it } from 'vitest'
import { createTurns } from '../src/turns.ts'
import { manualClock } from './fixtures/manual-clock.ts'

function setUp() {
  const deferred: (() => void)[] = []
  const clock = { ...manualClock(), defer: (job: () => void) => void deferred.push(job) }
  const turns = createTurns(clock)
  const seen: string[] = []
  const turn = (): void => {
    for (const run of deferred.splice(0)) run()
  }
  return { turns, seen, deferred, turn, note: (what: string) => () => void seen.push(what) }
}

describe('the turns of a host', () => {
  it('work off what was deferred in one go, in order, and then what is to come at the end', () => {
    const { turns, seen, deferred, turn, note } = setUp()
    turns.atEnd(note('end'))
    for (const name of ['a', 'b', 'c']) turns.clock.defer(note(name))
    expect(deferred).toHaveLength(1)
    turn()
    expect(seen).toEqual(['a', 'b', 'c', 'end'])
    expect(deferred).toHaveLength(0)
  })

  it('leave what a job defers to the next turn, and take what it wants at the end into this one', () => {
    const { turns, seen, turn, note } = setUp()
    turns.clock.defer(() => {
      turns.clock.defer(note('next'))
      turns.atEnd(note('end'))
      turns.atEnd(note('end too'))
      seen.push('job')
    })
    turns.clock.defer(note('other'))
    turn()
    expect(seen).toEqual(['job', 'other', 'end', 'end too'])
    turn()
    expect(seen).toEqual(['job', 'other', 'end', 'end too', 'next'])
  })

  it('take what is wanted while a turn ends into the next one', () => {
    const { turns, seen, turn, note } = setUp()
    turns.atEnd(() => turns.atEnd(note('later')))
    turn()
    expect(seen).toEqual([])
    turn()
    expect(seen).toEqual(['later'])
  })

  it('go on after a job that throws, and tell of it', () => {
    const { turns, seen, turn, note } = setUp()
    turns.clock.defer(() => {
      throw new Error('broken')
    })
    turns.clock.defer(note('b'))
    turns.atEnd(note('end'))
    expect(turn).toThrow('broken')
    expect(seen).toEqual(['b', 'end'])
    turns.clock.defer(note('next'))
    turn()
    expect(seen).toEqual(['b', 'end', 'next'])
  })
})
