// How even the shares are, by exact arc lengths against exact theory: no sampling, so nothing that
// can fail by chance.
import { describe, expect, it } from 'vitest'
import { allocatedTokens, hashRing, multiProbe, shardTable } from '../src/index.ts'

const full = process.env['RING_FULL'] === '1'

describe('random tokens', () => {
  // One member's part of a ring is Beta(V, NV - V), whose relative deviation is the square root
  // of (N - 1) / (NV + 1). Over 20 rings the mean of squares comes close to it.
  it.each([
    [3, 16],
    [3, 160],
    [10, 16],
    [10, 128],
    [10, 256],
    [100, 16],
    [100, 160],
  ])('of %i members with %i points follow the law of variance', (n, virtualNodes) => {
    let squares = 0
    for (let set = 0; set < 20; set++) {
      const members = Array.from({ length: n }, (_, i) => `set${set}-member${i}`)
      const stats = hashRing({ members, virtualNodes }).stats()
      expect(stats.expectedDeviation).toBeCloseTo(Math.sqrt((n - 1) / (n * virtualNodes + 1)), 12)
      squares += stats.standardDeviation ** 2
    }
    const ratio = Math.sqrt(squares / 20) / Math.sqrt((n - 1) / (n * virtualNodes + 1))
    expect(ratio).toBeGreaterThan(n === 3 ? 0.7 : 0.85)
    expect(ratio).toBeLessThan(n === 3 ? 1.3 : 1.15)
  })

  it('of members by weight have shares by weight', () => {
    const members = Array.from({ length: 40 }, (_, i) => ({ id: `m${i}`, weight: (i % 4) + 1 }))
    const { standardDeviation, peakToMean } = hashRing({ members, virtualNodes: 200 }).stats()
    expect(standardDeviation).toBeLessThan(0.08)
    expect(peakToMean).toBeLessThan(1.25)
  })

  it('give even the lightest member a point', () => {
    const ring = hashRing({ members: [{ id: 'light', weight: 0.001 }, 'heavy'], virtualNodes: 10 })
    expect(ring.ownership().get('light')).toBeGreaterThan(0)
  })
})

describe('allocated tokens', () => {
  // The bound that Cassandra's own test holds its allocator to (CASSANDRA-7032): what a member
  // holds over all replicas is at most 1 + 4 / (V * RF) of the mean, at every size.
  it.each([
    [16, 3, 250],
    [16, 1, 250],
    [8, 3, 100],
    [8, 2, 100],
    [8, 1, 100],
    [4, 3, 100],
    [4, 1, 100],
  ])('of %i points for %i replicas keep the bound at every size up to %i', (v, replicas, most) => {
    const tokens = allocatedTokens({ replicas })
    let ring = hashRing({ members: ['m-a', 'm-b', 'm-c'], virtualNodes: v, tokens })
    let worst = 0
    for (let n = 4; n <= (full ? most : Math.min(most, 60)); n++) {
      ring = ring.with({ add: [`m${n}`] })
      worst = Math.max(worst, (Math.max(...ring.ownership(replicas).values()) * n) / replicas)
    }
    expect(worst).toBeLessThanOrEqual(1 + 4 / (v * replicas))
  })

  it('of sixteen points are evener than random tokens of 160', () => {
    const members = Array.from({ length: 40 }, (_, i) => `m${i}`)
    const tokens = allocatedTokens()
    const allocated = hashRing({ members, virtualNodes: 16, tokens }).stats()
    expect(allocated.standardDeviation).toBeLessThan(
      hashRing({ members }).stats().standardDeviation,
    )
  })

  it('respect weights', () => {
    const tokens = allocatedTokens()
    const members = Array.from({ length: 12 }, (_, i) => ({ id: `m${i}`, weight: 1 + (i % 3) }))
    const { peakToMean } = hashRing({ members, virtualNodes: 16, tokens }).stats()
    expect(peakToMean).toBeLessThan(1.25)
  })
})

describe('multi-probe', () => {
  it('with 21 probes stays near the mean, and says so exactly', () => {
    const members = Array.from({ length: 50 }, (_, i) => `m${i}`)
    const placement = multiProbe({ members })
    expect(placement.stats().peakToMean).toBeLessThan(1.15)
    const counts = new Map<string, number>()
    for (let i = 0; i < 100_000; i++) {
      const id = placement.locate(`key-${i}`)!
      counts.set(id, (counts.get(id) ?? 0) + 1)
    }
    for (const [id, share] of placement.ownership()) {
      const expected = share * 100_000
      expect(Math.abs(counts.get(id)! - expected)).toBeLessThan(6 * Math.sqrt(expected))
    }
  })
})

describe('a table of shards', () => {
  it('holds every member and every leader to one of its share, for any number of members', () => {
    for (const n of [1, 2, 3, 4, 5, 7, 10, 16, 31, 50, 64, 100, 128]) {
      const members = Array.from({ length: n }, (_, i) => `m${i}`)
      const table = shardTable({ members, shards: Math.max(64, 4 * n) })
      const held = members.map((id) => table.shardsOf(id))
      const holds = held.map((each) => each.holds.length)
      const leads = held.map((each) => each.leads.length)
      expect(Math.max(...holds) - Math.min(...holds)).toBeLessThanOrEqual(1)
      expect(Math.max(...leads) - Math.min(...leads)).toBeLessThanOrEqual(1)
    }
  })

  it('gives weighted members their share rounded down or up', () => {
    const members = Array.from({ length: 9 }, (_, i) => ({ id: `m${i}`, weight: 1 + i / 4 }))
    const total = members.reduce((sum, { weight }) => sum + weight, 0)
    const table = shardTable({ members, shards: 256 })
    for (const { id, weight } of members) {
      const share = (256 * 3 * weight) / total
      expect(Math.abs(table.shardsOf(id).holds.length - share)).toBeLessThan(1)
    }
  })
})
