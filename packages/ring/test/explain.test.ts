// Why a key is where it is: an explanation that agrees with the answer it explains.
import { describe, expect, it } from 'vitest'
import { boundedLoads, hashRing, maglev, rendezvous, shardTable } from '../src/index.ts'
import type { Placement } from '../src/index.ts'

const members = ['a', 'b', 'c', 'd', 'e', 'f'].map((id, i) => ({ id, zone: `z${i % 3}` }))

const subjects: readonly (readonly [string, Placement])[] = [
  ['ring', hashRing({ members })],
  ['ring with tags', hashRing({ members, hashTags: true })],
  ['table', shardTable({ members, shards: 64 })],
  ['rendezvous', rendezvous({ members })],
  ['maglev', maglev({ members })],
  ['bounded loads', boundedLoads(rendezvous({ members }), { epsilon: 0.05 })],
]

describe.each(subjects)('%s explains', (_name, placement) => {
  it('the owner and the replicas that it gives', () => {
    for (let i = 0; i < 300; i++) {
      const key = `{tag-${i % 40}}key-${i}`
      const explanation = placement.explain(key, 3)
      expect(explanation.owner).toBe(placement.locate(key))
      const taken = explanation.candidates.filter((candidate) => candidate.taken)
      expect(taken.map(({ id }) => id).sort()).toEqual([...placement.preferenceList(key, 3)].sort())
      expect(explanation.candidates.every(({ because }) => because.length > 0)).toBe(true)
      const [start, end] = explanation.hashed
      expect(end).toBeGreaterThan(start)
      expect(end).toBeLessThanOrEqual(key.length)
    }
  })
})

describe('an explanation', () => {
  it('says which members were passed over for their zone', () => {
    const ring = hashRing({ members, virtualNodes: 40 })
    const passed = Array.from({ length: 50 }, (_, i) => ring.explain(`key-${i}`, 3).candidates)
      .flat()
      .filter((candidate) => !candidate.taken)
    expect(passed.length).toBeGreaterThan(0)
    expect(passed.every(({ because }) => because.startsWith('shares a zone'))).toBe(true)
  })

  it('says which part of the key was hashed, and the shard', () => {
    const table = shardTable({ members, shards: 64 })
    const { hashed, shard, hash } = table.explain('{user}.name')
    expect(hashed).toEqual([1, 5])
    expect(shard).toBe(table.shardOf('user'))
    expect(hash).toBe(table.explain('user').hash)
  })

  it('has nobody to name without members', () => {
    for (const placement of [
      hashRing({ members: [] }),
      shardTable({ members: [], shards: 4 }),
      rendezvous({ members: [] }),
    ]) {
      const { owner, candidates } = placement.explain('key')
      expect(owner).toBeUndefined()
      expect(candidates).toEqual([])
    }
  })
})
