// The shard table as a store uses it: shards, owners, changes, violations.
import { describe, expect, it } from 'vitest'
import { hashRing, shardTable, shardTableFrom } from '../src/index.ts'

describe('a table of shards', () => {
  it('places every shard on distinct members and spreads leaders', () => {
    const table = hashRing({ members: ['a', 'b', 'c'], shards: 16, replicas: 3 })
    for (let shard = 0; shard < 16; shard++) {
      expect([...table.owners(shard)].sort()).toEqual(['a', 'b', 'c'])
      expect(table.leader(shard)).toBe(table.owners(shard)[0])
    }
    const leads = ['a', 'b', 'c'].map((id) => table.shardsOf(id).leads.length)
    expect(leads.sort((a, b) => a - b)).toEqual([5, 5, 6])
    expect(table.violations).toEqual([])
  })

  it('moves exactly one share to a member that joins', () => {
    const before = shardTable({ members: ['a', 'b', 'c'], shards: 256, replicas: 3 })
    const after = before.with({ add: ['d'] })
    expect(after.version).toBe(2)
    expect(after.shardsOf('d').holds).toHaveLength(192)
    for (let shard = 0; shard < 256; shard++) {
      const lost = before.owners(shard).filter((id) => !after.owners(shard).includes(id))
      expect(lost.length).toBe(after.owners(shard).includes('d') ? 1 : 0)
    }
  })

  it('puts keys with one tag into one shard', () => {
    const table = shardTable({ members: ['a'], shards: 64 })
    expect(table.shardOf('{user1000}.following')).toBe(table.shardOf('{user1000}.followers'))
    expect(table.shardOf('user1000')).toBe(table.shardOf('{user1000}.x'))
  })

  it('answers undefined and nothing without members', () => {
    const table = shardTable({ members: [], shards: 4 })
    expect(table.locate('k')).toBeUndefined()
    expect(table.owners(0)).toEqual([])
    expect(table.with({ add: ['a'] }).locate('k')).toBe('a')
  })

  it('offers further members in rank when asked for more than it has replicas', () => {
    const table = shardTable({ members: ['a', 'b', 'c', 'd'], shards: 8, replicas: 2 })
    const list = table.owners(3, 4)
    expect(list.slice(0, 2)).toEqual(table.owners(3))
    expect([...list].sort()).toEqual(['a', 'b', 'c', 'd'])
  })

  it('survives JSON', () => {
    const table = shardTable({ members: ['a', 'b', 'c', 'd'], shards: 32 }).with({ remove: ['b'] })
    const restored = shardTableFrom(JSON.parse(JSON.stringify(table)))
    expect(restored.fingerprint).toBe(table.fingerprint)
    expect(restored.version).toBe(2)
    expect(restored.owners(7)).toEqual(table.owners(7))
  })
})
