// Every way to stand up to nine members in up to five zones, with up to five replicas: each shard
// spread as well as it can be, checked against a search of all sets of members.
import { describe, expect, it } from 'vitest'
import { diff, shardTable } from '../src/index.ts'
import type { ShardTable } from '../src/index.ts'

interface Site {
  readonly id: string
  readonly zone: string
}

/** All ways to write n as an ordered sum of `parts` positive numbers. */
function compositions(n: number, parts: number): number[][] {
  if (parts === 1) return [[n]]
  const all: number[][] = []
  for (let first = 1; first <= n - parts + 1; first++) {
    for (const rest of compositions(n - first, parts - 1)) all.push([first, ...rest])
  }
  return all
}

function sites(sizes: readonly number[]): Site[] {
  // Ids run across the zones, so that no order of ids is an order of zones.
  const list: Site[] = []
  const left = [...sizes]
  while (left.some((size) => size > 0)) {
    left.forEach((size, zone) => {
      if (size === 0) return
      left[zone]!--
      list.push({ id: `n${list.length}`, zone: `z${zone}` })
    })
  }
  return list
}

/** The fewest pairs of replicas that share a zone, over all sets of `n` members. */
function fewestPairs(sizes: readonly number[], n: number): number {
  let least = Infinity
  const choose = (zone: number, left: number, pairs: number): void => {
    if (left === 0) least = Math.min(least, pairs)
    if (left === 0 || zone === sizes.length) return
    for (let take = 0; take <= Math.min(left, sizes[zone]!); take++) {
      choose(zone + 1, left - take, pairs + (take * (take - 1)) / 2)
    }
  }
  choose(0, n, 0)
  return least
}

function pairsOf(table: ShardTable, shard: number, zoneOf: ReadonlyMap<string, string>): number {
  const counts = new Map<string, number>()
  for (const id of table.owners(shard)) {
    counts.set(zoneOf.get(id)!, (counts.get(zoneOf.get(id)!) ?? 0) + 1)
  }
  return [...counts.values()].reduce((sum, count) => sum + (count * (count - 1)) / 2, 0)
}

const SHARDS = 12

function checkTable(table: ShardTable, members: readonly Site[], replicas: number): void {
  const zoneOf = new Map(members.map(({ id, zone }) => [id, zone]))
  const sizes = new Map<string, number>()
  for (const { zone } of members) sizes.set(zone, (sizes.get(zone) ?? 0) + 1)
  const n = Math.min(replicas, members.length)
  const least = fewestPairs([...sizes.values()], n)
  for (let shard = 0; shard < SHARDS; shard++) {
    const owners = table.owners(shard)
    if (owners.length !== n || new Set(owners).size !== n) throw new Error(owners.join())
    if (pairsOf(table, shard, zoneOf) !== least) throw new Error(`${shard}: ${owners.join()}`)
  }
  const shared = table.violations.filter((violation) => violation.kind === 'shared-zone')
  expect(shared.length > 0).toBe(least > 0)
  const missing = table.violations.filter((violation) => violation.kind === 'missing-replicas')
  expect(missing).toHaveLength(replicas > members.length ? SHARDS : 0)
  checkBalance(table, members, zoneOf)
}

// Zones that have to hold more than their share hold it evenly among their members.
function checkBalance(
  table: ShardTable,
  members: readonly Site[],
  zoneOf: ReadonlyMap<string, string>,
): void {
  const byZone = new Map<string, number[]>()
  for (const { id } of members) {
    const loads = byZone.get(zoneOf.get(id)!) ?? []
    loads.push(table.shardsOf(id).holds.length)
    byZone.set(zoneOf.get(id)!, loads)
  }
  for (const loads of byZone.values()) {
    expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(1)
  }
}

describe('zone safety', () => {
  const all = Array.from({ length: 9 }, (_, i) => i + 1).flatMap((n) =>
    Array.from({ length: Math.min(5, n) }, (_, i) => i + 1).flatMap((zones) =>
      compositions(n, zones),
    ),
  )

  it(`holds for all ${all.length} ways to stand, with 1 to 5 replicas`, () => {
    for (const sizes of all) {
      const members = sites(sizes)
      for (let replicas = 1; replicas <= 5; replicas++) {
        const table = shardTable({ members, shards: SHARDS, replicas })
        checkTable(table, members, replicas)
        const hard = shardTable({ members, shards: SHARDS, replicas, zones: 'hard' })
        for (let shard = 0; shard < SHARDS; shard++) {
          expect(hard.owners(shard)).toHaveLength(Math.min(replicas, sizes.length))
        }
        expect(hard.violations.some(({ kind }) => kind === 'shared-zone')).toBe(false)
        expect(hard.violations.length > 0).toBe(replicas > sizes.length)
      }
    }
  })

  it('holds after any one member leaves, and then any one comes, moving no more than is proved', () => {
    for (const sizes of all.filter((each) => each.reduce((sum, size) => sum + size, 0) <= 6)) {
      const members = sites(sizes)
      for (let replicas = 1; replicas <= 4; replicas++) {
        const table = shardTable({ members, shards: SHARDS, replicas })
        for (const { id } of members) {
          const left = members.filter((member) => member.id !== id)
          const shrunk = table.with({ remove: [id] })
          if (left.length > 0) checkTable(shrunk, left, replicas)
          expect(diff(table, shrunk).certificate.needless).toBe(0)
          const joins = { id: 'joins', zone: `z${sizes.length - 1}` }
          const grown = shrunk.with({ add: [joins] })
          checkTable(grown, [...left, joins], replicas)
          expect(diff(shrunk, grown).certificate.needless).toBe(0)
        }
      }
    }
  })

  it('holds level by level: regions first, then racks', () => {
    const members = ['eu', 'us', 'ap'].flatMap((region) =>
      ['r1', 'r2'].flatMap((rack) =>
        ['x', 'y'].map((host) => ({ id: `${region}-${rack}-${host}`, zone: [region, rack] })),
      ),
    )
    for (const replicas of [3, 5, 6]) {
      const table = shardTable({ members, shards: 60, replicas })
      for (let shard = 0; shard < 60; shard++) {
        const owners = table.owners(shard)
        const regions = new Map<string, number>()
        for (const id of owners) regions.set(id.slice(0, 2), (regions.get(id.slice(0, 2)) ?? 0) + 1)
        expect(Math.max(...regions.values())).toBe(Math.ceil(replicas / 3))
        expect(new Set(owners.map((id) => id.slice(0, 5))).size).toBe(replicas)
      }
    }
    const rules = ['hard', 'soft'] as const
    expect(shardTable({ members, shards: 8, replicas: 5, zones: rules }).owners(0)).toHaveLength(3)
    const inner = ['soft', 'hard'] as const
    const racks = shardTable({ members, shards: 8, replicas: 7, zones: inner })
    expect(racks.owners(0)).toHaveLength(6)
    expect(racks.violations).toContainEqual({
      kind: 'missing-replicas',
      shard: 0,
      missing: 1,
      because: 'zones',
    })
  })

  it('survives the loss of any one zone with a majority of every shard', () => {
    const members = sites([3, 2, 4])
    const table = shardTable({ members, shards: 64, replicas: 3 })
    for (const lost of ['z0', 'z1', 'z2']) {
      const gone = new Set(members.filter(({ zone }) => zone === lost).map(({ id }) => id))
      for (let shard = 0; shard < 64; shard++) {
        expect(table.owners(shard).filter((id) => !gone.has(id))).toHaveLength(2)
      }
    }
  })
})
