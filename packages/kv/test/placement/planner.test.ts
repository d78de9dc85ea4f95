// The planner as a function: it converges, moves no more than it must, never takes a voter away
// before another is there, and is silent where nothing is wrong.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { planMap } from '../../src/placement/map-group.ts'
import { planLeaders, planMoves } from '../../src/placement/planner.ts'
import { changed, hostTable } from '../../src/placement/state.ts'
import type { HostState, Placement } from '../../src/placement/state.ts'

const options = { dead: new Set<string>(), replicas: 3, movesPerHostMax: 2 }

function placed(shards: number, hosts: readonly string[], replicas = 3): Placement {
  return {
    version: 1,
    shards: Array.from({ length: shards }, (_, shard) => ({
      epoch: 1,
      voters: Array.from(
        { length: replicas },
        (_, n) => hosts[(shard + n) % hosts.length] as string,
      ).sort(),
    })),
    hosts: hostTable(hosts.map((id) => [id, 'active'] as const)),
    paused: false,
  }
}

function must(next: Placement | string): Placement {
  if (typeof next === 'string') throw new Error(next)
  return next
}

function withState(placement: Placement, id: string, state: HostState): Placement {
  return must(changed(placement, { type: 'host', id, state }, 1))
}

/** Plans and carries out until nothing is planned; returns the end and how many replicas moved. */
function settle(start: Placement, dead: ReadonlySet<string>): { end: Placement; moved: number } {
  let placement = start
  let moved = 0
  let index = 10
  for (let round = 0; round < 1_000; round++) {
    const plan = planMoves(placement, { ...options, dead })
    if (plan.length === 0) return { end: placement, moved }
    for (const { shard, epoch, to, reason } of plan) {
      const before = placement.shards[shard]?.voters ?? []
      expect(to.length).toBeGreaterThanOrEqual(Math.min(before.length, 3))
      expect(before.filter((id) => !to.includes(id)).length).toBeLessThanOrEqual(1)
      const move = ++index
      placement = must(changed(placement, { type: 'plan', shard, epoch, to, reason }, move))
      moved += to.filter((id) => !before.includes(id)).length
    }
    // What one look has planned is under way together; here it ends before the next.
    for (const [shard, { move }] of placement.shards.entries()) {
      if (move !== undefined)
        placement = must(changed(placement, { type: 'complete', shard, move: move.id }, ++index))
    }
  }
  throw new Error('it never becomes silent')
}

function loads(placement: Placement): Map<string, number> {
  const all = new Map(Object.keys(placement.hosts).map((id) => [id, 0]))
  for (const { voters } of placement.shards)
    for (const id of voters) all.set(id, (all.get(id) ?? 0) + 1)
  return all
}

const hostCount = fc.integer({ min: 3, max: 9 })
const shardCount = fc.integer({ min: 1, max: 64 })
const names = (count: number): string[] => Array.from({ length: count }, (_, at) => `h${at}`)

describe('the planner', () => {
  test('moves nothing in a placement that is balanced', () => {
    expect(planMoves(placed(16, names(4)), options)).toEqual([])
  })

  test('gives a host that joins its share, and not more', () => {
    fc.assert(
      fc.property(hostCount, shardCount, (hosts, shards) => {
        const { end: before } = settle(placed(shards, names(hosts)), new Set())
        const { end, moved } = settle(withState(before, 'new', 'active'), new Set())
        const counts = [...loads(end).values()]
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1)
        expect(moved).toBeLessThanOrEqual(Math.ceil((shards * 3) / (hosts + 1)))
      }),
    )
  })

  test('empties a host that is drained, and moves nothing else', () => {
    fc.assert(
      fc.property(fc.integer({ min: 4, max: 9 }), shardCount, (hosts, shards) => {
        const { end: before } = settle(placed(shards, names(hosts)), new Set())
        const held = loads(before).get('h0') ?? 0
        const { end, moved } = settle(withState(before, 'h0', 'draining'), new Set())
        expect(loads(end).get('h0')).toBe(0)
        expect(end.shards.every(({ voters }) => voters.length === 3)).toBe(true)
        const counts = [...loads(end)].filter(([id]) => id !== 'h0').map(([, count]) => count)
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1)
        expect(moved).toBeLessThanOrEqual(held + hosts)
      }),
    )
  })

  test('replaces a host that has failed, those most at risk first', () => {
    const placement = placed(12, names(5))
    const { end } = settle(placement, new Set(['h1']))
    expect(end.shards.every(({ voters }) => voters.length === 3 && !voters.includes('h1'))).toBe(
      true,
    )
    const atRisk = must(
      changed(
        must(
          changed(placement, { type: 'plan', shard: 7, epoch: 1, to: ['h1', 'h2'], reason: '' }, 5),
        ),
        { type: 'complete', shard: 7, move: 5 },
        6,
      ),
    )
    const [first] = planMoves(atRisk, { ...options, dead: new Set(['h1']) })
    expect(first).toMatchObject({ shard: 7, class: 'repair', dead: 'h1' })
  })

  test('repairs nothing when more than a third have failed', () => {
    const placement = placed(12, names(5))
    expect(planMoves(placement, { ...options, dead: new Set(['h1', 'h2']) })).toEqual([])
  })

  test('does not balance while anything is dead, nor drain while it repairs', () => {
    const unbalanced = withState(placed(12, names(5)), 'new', 'active')
    const plan = planMoves(withState(unbalanced, 'h4', 'draining'), {
      ...options,
      dead: new Set(['h1']),
    })
    expect(new Set(plan.map((move) => move.class))).toEqual(new Set(['repair']))
  })

  test('keeps to the moves that a host may have at a time', () => {
    const plan = planMoves(withState(placed(40, names(4)), 'new', 'active'), options)
    expect(plan.filter(({ to }) => to.includes('new'))).toHaveLength(2)
  })

  test('counts moves under way as done', () => {
    const all = { ...options, movesPerHostMax: 100 }
    let placement = withState(placed(40, names(4)), 'new', 'active')
    const plan = planMoves(placement, all)
    expect(plan).toHaveLength(24)
    for (const [at, { shard, epoch, to, reason }] of plan.entries()) {
      placement = must(changed(placement, { type: 'plan', shard, epoch, to, reason }, at + 2))
    }
    expect(planMoves(placement, all)).toEqual([])
  })

  test('gives a cordoned host nothing and takes nothing from it', () => {
    const cordoned = withState(withState(placed(12, names(4)), 'h0', 'cordoned'), 'new', 'cordoned')
    expect(planMoves(cordoned, options)).toEqual([])
  })

  test('keeps the replicas of a shard that cannot be placed elsewhere', () => {
    expect(planMoves(withState(placed(4, names(3)), 'h0', 'draining'), options)).toEqual([])
    expect(planMoves(placed(4, names(3)), { ...options, dead: new Set(['h0']) })).toEqual([])
  })

  test('answers alike for the same placement', () => {
    const placement = withState(placed(30, names(5)), 'new', 'active')
    expect(planMoves(placement, options)).toEqual(planMoves(structuredClone(placement), options))
  })
})

describe('leaders', () => {
  test('are spread until the numbers differ by one at most', () => {
    fc.assert(
      fc.property(
        hostCount,
        shardCount,
        fc.array(fc.nat({ max: 2 }), { minLength: 64, maxLength: 64 }),
        (hosts, shards, picks) => {
          const placement = placed(shards, names(hosts))
          const leaders = placement.shards.map(({ voters }, at) => voters[(picks[at] ?? 0) % 3])
          let transfers = 0
          for (;;) {
            const next = planLeaders(placement, leaders, () => true)
            if (next === undefined) break
            leaders[next.shard] = next.to
            expect(++transfers).toBeLessThan(shards * hosts)
          }
          for (const [shard, { voters }] of placement.shards.entries()) {
            const count = (id: string): number => leaders.filter((one) => one === id).length
            for (const id of voters)
              expect(count(leaders[shard] as string) - count(id)).toBeLessThanOrEqual(1)
          }
        },
      ),
    )
  })

  test('never go to hosts that are dead, drained or not there', () => {
    const placement = withState(placed(6, names(3)), 'h1', 'draining')
    const leaders = placement.shards.map(() => 'h0')
    expect(planLeaders(placement, leaders, (id) => id !== 'h2')).toBeUndefined()
    expect(planLeaders(placement, leaders, () => true)?.to).toBe('h2')
    const drained = planLeaders(placement, ['h1', 'h0', 'h0', 'h2', 'h2', 'h2'], () => true)
    expect(drained).toMatchObject({ from: 'h1' })
  })
})

describe('the number of replicas', () => {
  /** What a shard on so many of so many hosts is moved to. */
  const grown = (has: number, hosts: number, asked: number, suspects: readonly string[] = []) => {
    const placement = placed(1, names(hosts))
    const voters = names(has)
    const shards = [{ epoch: 1, voters }]
    const options = { dead: new Set<string>(), suspects: new Set(suspects), movesPerHostMax: 2 }
    const [move] = planMoves({ ...placement, shards }, { ...options, replicas: asked })
    return move?.to ?? voters
  }

  test('grows to what is asked for, and stays odd on the way', () => {
    expect(grown(1, 2, 3)).toHaveLength(1)
    expect(grown(1, 3, 3)).toHaveLength(3)
    expect(grown(1, 2, 2)).toHaveLength(2)
    expect(grown(1, 4, 5)).toHaveLength(3)
    const wrong: string[] = []
    for (let asked = 1; asked <= 6; asked++) {
      for (let hosts = 1; hosts <= 7; hosts++) {
        for (let has = 1; has <= Math.min(hosts, asked); has++) {
          const size = grown(has, hosts, asked).length
          const fits = size === asked || (hosts < asked && (size % 2 === 1 || size === has))
          if (!fits || size < has) wrong.push(`${has} of ${hosts}, ${asked} asked for: ${size}`)
        }
      }
    }
    expect(wrong).toEqual([])
  })

  test('grows onto hosts that can be reached alone', () => {
    expect(grown(1, 4, 3, ['h1'])).toEqual(['h0', 'h2', 'h3'])
    expect(grown(1, 3, 3, ['h1'])).toEqual(['h0'])
  })

  test('is not mended while more than a third of the hosts are suspect', () => {
    const placement = placed(6, names(6))
    const plan = (suspects: readonly string[]): number =>
      planMoves(placement, {
        dead: new Set(['h0']),
        suspects: new Set(suspects),
        replicas: 3,
        movesPerHostMax: 2,
      }).filter((move) => move.class === 'repair').length
    expect(plan(['h0'])).toBeGreaterThan(0)
    expect(plan(['h0', 'h1'])).toBeGreaterThan(0)
    expect(plan(['h0', 'h1', 'h2'])).toBe(0)
    // Who is not in the map does not count.
    expect(plan(['h0', 'x', 'y', 'z'])).toBeGreaterThan(0)
  })
})

describe('the map', () => {
  test('takes each change once, against what it was planned for', () => {
    const start = placed(2, names(4))
    const plan = { type: 'plan', shard: 0, epoch: 1, to: ['h1', 'h2', 'h3'], reason: 'r' } as const
    const planned = must(changed(start, plan, 7))
    expect(planned.shards[0]?.move).toMatchObject({ id: 7, to: ['h1', 'h2', 'h3'] })
    expect(changed(planned, plan, 8)).toMatch(/being moved/)
    expect(changed(start, { ...plan, epoch: 2 }, 8)).toMatch(/epoch 1/)
    expect(changed(start, { ...plan, to: ['h1', 'nobody'] }, 8)).toMatch(/not there/)
    expect(changed(start, { ...plan, to: ['__proto__'] }, 8)).toMatch(/not there/)
    expect(changed(start, { ...plan, shard: 9 }, 8)).toMatch(/no shard/)
    const done = must(changed(planned, { type: 'complete', shard: 0, move: 7 }, 9))
    expect(done.shards[0]).toEqual({ epoch: 2, voters: ['h1', 'h2', 'h3'], left: ['h0'] })
    expect(changed(done, { type: 'complete', shard: 0, move: 7 }, 10)).toMatch(/not under way/)
    const cancelled = must(changed(planned, { type: 'cancel', shard: 0, move: 7 }, 9))
    expect(cancelled.shards[0]).toEqual({ epoch: 1, voters: start.shards[0]?.voters })
    expect(changed(done, { type: 'host', id: 'h1', state: 'gone' }, 11)).toMatch(/still holds/)
  })
})

describe('the hosts of the map', () => {
  const map = { hosts: ['h0', 'h1', 'h2'] }
  const start: Placement = { ...placed(4, names(5)), map }

  test('are replaced where one is dead, or drained, by the least loaded that is left', () => {
    expect(planMap(start, { dead: new Set() })).toBeUndefined()
    expect(planMap(start, { dead: new Set(['h1']) })).toEqual({
      to: ['h0', 'h2', 'h4'],
      reason: 'host h1 has failed',
      dead: 'h1',
    })
    expect(planMap(withState(start, 'h2', 'draining'), { dead: new Set() })?.to).toEqual([
      'h0',
      'h1',
      'h4',
    ])
    expect(planMap(start, { dead: new Set(['h4']) })).toBeUndefined()
  })

  test('stay while more than a third seem dead, or nobody can take over', () => {
    expect(planMap(start, { dead: new Set(['h0', 'h1']) })).toBeUndefined()
    const three: Placement = { ...placed(4, names(3)), map }
    expect(planMap(three, { dead: new Set(['h0']) })).toBeUndefined()
    expect(planMap(withState(start, 'h0', 'cordoned'), { dead: new Set() })).toBeUndefined()
  })

  test('become more, by two at least, where fewer than are asked for hold it', () => {
    const one: Placement = { ...placed(4, names(5)), map: { hosts: ['h0'] } }
    const grown = (placement: Placement, asked: number, dead: readonly string[] = []) =>
      planMap(placement, { dead: new Set(dead), asked })
    expect(grown(one, 1)).toBeUndefined()
    expect(grown(one, 3)?.to).toHaveLength(3)
    expect(grown(one, 5)?.to).toHaveLength(5)
    expect(grown(one, 5, ['h4'])?.to).toHaveLength(3)
    expect(grown({ ...placed(4, names(2)), map: one.map }, 5)).toBeUndefined()
    const to = grown(one, 5)?.to as readonly string[]
    const planned = must(changed(one, { type: 'map-plan', to, reason: 'r' }, 7))
    expect(planned.map?.move?.to).toHaveLength(5)
    const two = changed(one, { type: 'map-plan', to: ['h0', 'h1'], reason: 'r' }, 7)
    expect(two).toMatch(/one at a time/)
    // A failed one is replaced first.
    expect(grown(start, 5, ['h1'])).toMatchObject({ dead: 'h1' })
  })

  test('are changed one at a time, each change once', () => {
    const plan = { type: 'map-plan', to: ['h0', 'h2', 'h4'], reason: 'r', dead: 'h1' } as const
    const planned = must(changed(start, plan, 7))
    expect(planned.map?.move).toMatchObject({ id: 7, dead: 'h1' })
    expect(changed(planned, plan, 8)).toMatch(/already/)
    expect(planMap(planned, { dead: new Set(['h1']) })).toBeUndefined()
    expect(changed(start, { ...plan, to: ['h0', 'h3', 'h4'] }, 8)).toMatch(/one at a time/)
    expect(changed(start, { ...plan, to: ['h0', 'h2', 'nobody'] }, 8)).toMatch(/one at a time/)
    expect(changed(start, { type: 'host', id: 'h0', state: 'gone' }, 8)).toMatch(/holds/)
    const done = must(changed(planned, { type: 'map-complete', move: 7 }, 9))
    expect(done.map).toEqual({ hosts: ['h0', 'h2', 'h4'] })
    expect(changed(done, { type: 'map-complete', move: 7 }, 10)).toMatch(/not under way/)
    expect(must(changed(planned, { type: 'map-cancel', move: 7 }, 9)).map).toEqual(map)
  })
})
