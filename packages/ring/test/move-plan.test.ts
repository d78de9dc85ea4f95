// Plans of moves: that they are the least there can be, and can be carried out step by step.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { diff, hashRing, redisSlots, shardTable, shardTableFrom } from '../src/index.ts'
import type { MemberOptions, ShardTable, ZoneRule } from '../src/index.ts'
import { cases } from './seeds.ts'

interface World {
  readonly members: readonly MemberOptions[]
  readonly shards: number
  readonly replicas: number
  readonly zones: ZoneRule
}

const member = (levels: number): fc.Arbitrary<MemberOptions> =>
  fc.record({
    id: fc.stringMatching(/^[a-h][0-9]$/),
    weight: fc.constantFrom(1, 1, 1, 2, 0.5, 3.7),
    zone: fc.array(fc.constantFrom('x', 'y', 'z'), { minLength: levels, maxLength: levels }),
  })

const unique = { selector: (each: MemberOptions) => each.id }

const world: fc.Arbitrary<World & { readonly levels: number }> = fc
  .constantFrom(0, 0, 1, 1, 2)
  .chain((levels) =>
    fc.record({
      levels: fc.constant(levels),
      members: fc.uniqueArray(member(levels), { ...unique, minLength: 1, maxLength: 9 }),
      shards: fc.integer({ min: 1, max: 40 }),
      replicas: fc.integer({ min: 1, max: 5 }),
      zones: fc.constantFrom<ZoneRule>('soft', 'soft', 'hard'),
    }),
  )

const rowsOf = (table: ShardTable): readonly (readonly string[])[] =>
  Array.from({ length: table.shards }, (_, shard) => table.owners(shard))

const countMoved = (before: ShardTable, after: ShardTable): number =>
  rowsOf(after).reduce(
    (sum, row, shard) => sum + row.filter((id) => !before.owners(shard).includes(id)).length,
    0,
  )

describe('a plan between two tables', () => {
  it('moves what the certificate says, and needlessly nothing, for any change of any members', () => {
    fc.assert(
      fc.property(
        world.chain((w) =>
          fc.record({
            w: fc.constant(w),
            next: fc.uniqueArray(member(w.levels), { ...unique, minLength: 1, maxLength: 9 }),
            turns: fc.integer({ min: 0, max: 2 }),
          }),
        ),
        ({ w, next, turns }) => {
          let table = shardTable(w)
          const names = new Set(next.map(({ id }) => id))
          for (let turn = 0; turn <= turns; turn++) {
            const present = table.members
            const wanted = turn % 2 === 0 ? next : w.members
            const kept = new Set(present.map(({ id }) => id))
            const after = table.with({
              remove: [...kept],
              add: wanted,
            })
            const { certificate, moves } = diff(table, after)
            expect(certificate.moved).toBe(countMoved(table, after))
            expect(certificate.moved).toBe(moves.filter((move) => move.to !== undefined).length)
            expect(certificate.needless).toBe(0)
            table = after
          }
          expect(names.size).toBe(next.length)
        },
      ),
      cases(400),
    )
  })

  it('leaves every member within one of its share, whatever it was before', () => {
    fc.assert(
      fc.property(world, fc.integer({ min: 0, max: 8 }), (w, pick) => {
        const table = shardTable(w).with({ remove: [w.members[pick % w.members.length]!.id] })
        const even = shardTable({ ...w, members: table.members })
        for (const { id } of table.members) {
          const held = table.shardsOf(id).holds.length
          expect(Math.abs(held - even.shardsOf(id).holds.length)).toBeLessThanOrEqual(1)
        }
      }),
      cases(200),
    )
  })

  it('is the best of all tables, by trying them all', () => {
    const small = fc.record({
      before: fc.integer({ min: 1, max: 4 }),
      after: fc.integer({ min: 1, max: 4 }),
      drop: fc.integer({ min: 0, max: 3 }),
      shards: fc.integer({ min: 1, max: 4 }),
      replicas: fc.integer({ min: 1, max: 2 }),
      zoned: fc.boolean(),
    })
    fc.assert(
      fc.property(small, ({ before, after, drop, shards, replicas, zoned }) => {
        const site = (i: number): MemberOptions =>
          zoned ? { id: `m${i}`, zone: `z${i % 2}` } : { id: `m${i}` }
        const first = shardTable({
          members: Array.from({ length: before }, (_, i) => site(i)),
          shards,
          replicas,
        })
        const names = Array.from({ length: after }, (_, i) => i + drop)
        const second = first.with({
          remove: first.members.map(({ id }) => id),
          add: names.map(site),
        })
        expect(countMoved(first, second)).toBe(bestByTrying(first, second))
        expect(diff(first, second).certificate.lowerBound).toBe(bestByTrying(first, second))
      }),
      cases(150),
    )
  })

  it('has batches that keep to the limits and whose every step is safe', () => {
    fc.assert(
      fc.property(
        world,
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 6 }),
        (w, perMember, total) => {
          const before = shardTable(w)
          const leavers = w.members.slice(0, Math.ceil(w.members.length / 3)).map(({ id }) => id)
          const zone = w.members[0]!.zone!
          const after = before.with({
            remove: leavers,
            add: [
              { id: 'new1', zone },
              { id: 'new2', zone },
            ],
          })
          const rows = rowsOf(before).map((row) => [...row])
          const least = rows.map((row, shard) => Math.min(row.length, after.owners(shard).length))
          for (const batch of diff(before, after).batches({ perMember, total })) {
            expect(batch.length).toBeLessThanOrEqual(total)
            expect(new Set(batch.map(({ shard }) => shard)).size).toBe(batch.length)
            for (const side of ['from', 'to'] as const) {
              const counts = new Map<string, number>()
              for (const move of batch) {
                const id = move[side]
                if (id !== undefined) counts.set(id, (counts.get(id) ?? 0) + 1)
              }
              expect(Math.max(0, ...counts.values())).toBeLessThanOrEqual(perMember)
            }
            for (const { shard, from, to } of batch) {
              const row = rows[shard]!
              if (to !== undefined) row.push(to)
              if (from !== undefined) row.splice(row.indexOf(from), 1)
              expect(new Set(row).size).toBe(row.length)
              expect(row.length).toBeGreaterThanOrEqual(least[shard]!)
            }
          }
          rows.forEach((row, shard) => {
            expect([...row].sort()).toEqual([...after.owners(shard)].sort())
          })
        },
      ),
      cases(150),
    )
  })

  it('is honest about a table that moved more than it had to', () => {
    const before = shardTable({ members: ['a', 'b', 'c', 'd'], shards: 64, replicas: 2 })
    const json = before.toJSON()
    const shifted = json.owners.map((row) => row.map((owner) => (owner + 1) % 4))
    const after = shardTableFrom({ ...json, owners: shifted, version: 2 })
    const { certificate } = diff(before, after)
    expect(certificate.moved).toBe(countMoved(before, after))
    expect(certificate.lowerBound).toBe(0)
    expect(certificate.needless).toBe(certificate.moved)
  })

  it('has the figures that arithmetic gives', () => {
    const grow = (n: number, shards: number): number => {
      const members = Array.from({ length: n }, (_, i) => `m${String(i).padStart(2, '0')}`)
      const table = shardTable({ members, shards })
      const { certificate } = diff(table, table.with({ add: ['new'] }))
      expect(certificate.needless).toBe(0)
      return certificate.moved
    }
    expect(grow(3, 256)).toBe(192)
    expect(grow(7, 256)).toBe(96)
    expect(grow(31, 1024)).toBe(96)
    expect(grow(12, 1024)).toBe(Math.floor((1024 * 3) / 13))
  })

  it('hands leadership only to replicas, first of all to those that have the data', () => {
    const before = shardTable({ members: ['a', 'b', 'c', 'd', 'e'], shards: 128 })
    const after = before.with({ remove: ['c'] })
    const plan = diff(before, after)
    for (const { shard, from, to } of plan.leaders) {
      expect(after.owners(shard)).toContain(to)
      expect(before.leader(shard)).toBe(from)
    }
    const fresh = plan.leaders.filter(({ shard, to }) => !before.owners(shard).includes(to!))
    expect(fresh.length).toBeLessThanOrEqual(plan.leaders.length / 2)
  })

  it('plans 16,384 Redis slots', () => {
    const before = redisSlots({ members: ['a', 'b', 'c'], replicas: 2 })
    const { certificate } = diff(before, before.with({ add: ['d'] }))
    expect(certificate).toMatchObject({ moved: 8192, needless: 0 })
  })

  it('refuses to compare what does not compare', () => {
    const table = shardTable({ members: ['a'], shards: 8 })
    const other = shardTable({ members: ['a'], shards: 9 })
    const ring = hashRing({ members: ['a'] })
    expect(() => diff(table, other)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
    expect(() => diff(table as never, ring as never)).toThrow(TypeError)
    expect(() => diff(table, table).batches({ perMember: 0 })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    )
  })
})

/** The fewest moves over every table with the quotas that `after` fills. */
function bestByTrying(before: ShardTable, after: ShardTable): number {
  const ids = after.members.map(({ id }) => id)
  const zoneOf = new Map(after.members.map(({ id, zone }) => [id, zone.join('/')]))
  const width = after.owners(0).length
  const sets = choose(ids, width)
  const pairs = (set: readonly string[]): number =>
    new Set(zoneOf.values()).size === 1 && zoneOf.get(ids[0]!) === ''
      ? 0
      : set.flatMap((a, i) => set.slice(i + 1).filter((b) => zoneOf.get(a) === zoneOf.get(b)))
          .length
  const least = Math.min(...sets.map(pairs))
  const legal = sets.filter((set) => pairs(set) === least)
  // The share of each member: the mean over all legal sets is what symmetry gives within a zone.
  const share = shares(after, ids, zoneOf)
  let best = Infinity
  const load = new Map(ids.map((id) => [id, 0]))
  const walk = (shard: number, moved: number): void => {
    if (moved >= best) return
    if (shard === before.shards) {
      const fair = ids.every(
        (id) =>
          load.get(id)! >= Math.floor(share.get(id)! + 1e-9) &&
          load.get(id)! <= Math.ceil(share.get(id)! - 1e-9),
      )
      if (fair) best = moved
      return
    }
    const old = before.owners(shard)
    for (const set of legal) {
      for (const id of set) load.set(id, load.get(id)! + 1)
      walk(shard + 1, moved + set.filter((id) => !old.includes(id)).length)
      for (const id of set) load.set(id, load.get(id)! - 1)
    }
  }
  walk(0, 0)
  return best
}

// With at most two zones: two replicas in two zones put one in each; otherwise zones do not bind.
function shares(
  table: ShardTable,
  ids: readonly string[],
  zoneOf: ReadonlyMap<string, string>,
): ReadonlyMap<string, number> {
  const width = table.owners(0).length
  const zones = new Set(zoneOf.values())
  if (width < 2 || zones.size < 2) {
    return new Map(ids.map((id) => [id, (table.shards * width) / ids.length]))
  }
  const size = (zone: string): number => ids.filter((id) => zoneOf.get(id) === zone).length
  return new Map(ids.map((id) => [id, table.shards / size(zoneOf.get(id)!)]))
}

function choose(ids: readonly string[], n: number): string[][] {
  if (n === 0) return [[]]
  return ids.flatMap((id, i) => choose(ids.slice(i + 1), n - 1).map((rest) => [id, ...rest]))
}
