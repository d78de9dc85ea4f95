// Snapshots as JSON and as bytes: equal after a passage, small, and never read wrongly.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  allocatedTokens,
  decodeRing,
  decodeTable,
  encodeRing,
  encodeTable,
  fnv1a,
  hashRing,
  hashRingFrom,
  jump,
  jumpFrom,
  memento,
  mementoFrom,
  shardTable,
  shardTableFrom,
  xxh32,
} from '../src/index.ts'
import { cases, ids } from './seeds.ts'

const malformed: unknown = expect.objectContaining({ code: 'MALFORMED' })
const members = ['a', 'b', { id: 'c', weight: 2.5 }].map((each) =>
  typeof each === 'string' ? { id: each, zone: ['eu', 'r1'] } : { ...each, zone: ['us', 'r2'] },
)

describe('a ring as bytes', () => {
  it('is the same ring afterwards', () => {
    fc.assert(
      fc.property(ids(9), fc.integer({ min: 1, max: 40 }), fc.boolean(), (names, v, hashTags) => {
        const ring = hashRing({ members: names, virtualNodes: v, hashTags, hash: xxh32 })
        const back = decodeRing(encodeRing(ring), { hash: xxh32 })
        expect(back.toJSON()).toEqual(ring.toJSON())
        expect(back.ranges()).toEqual(ring.ranges())
        expect(back.with({ add: ['~x'] }).ranges()).toEqual(ring.with({ add: ['~x'] }).ranges())
      }),
      cases(60),
    )
    const tokens = allocatedTokens()
    const ring = hashRing({ members, tokens, virtualNodes: 8, zones: ['soft', 'hard'] })
    const back = decodeRing(encodeRing(ring), { tokens })
    expect(back.fingerprint).toBe(ring.fingerprint)
    expect(back.preferenceList('k', 3)).toEqual(ring.preferenceList('k', 3))
  })

  it('takes at most eight bytes a point', () => {
    const ring = hashRing({ members: Array.from({ length: 100 }, (_, i) => `10.0.0.${i}:7000`) })
    expect(encodeRing(ring).length).toBeLessThanOrEqual(16_000 * 8)
  })

  it('is refused where any bit of it is wrong', () => {
    const bytes = encodeRing(hashRing({ members, virtualNodes: 4 }))
    for (let i = 0; i < bytes.length; i++) {
      const damaged = bytes.slice()
      damaged[i]! ^= 1 << (i % 8)
      expect(() => decodeRing(damaged)).toThrow(malformed)
    }
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeRing(bytes.subarray(0, length))).toThrow(malformed)
    }
    expect(() => decodeRing(bytes, { hash: fnv1a })).toThrow(malformed)
    expect(() => decodeRing(bytes, { tokens: allocatedTokens() })).toThrow(malformed)
    expect(() => decodeTable(bytes)).toThrow(malformed)
    expect(() => decodeRing('text' as never)).toThrow(TypeError)
  })
})

describe('a table as bytes', () => {
  it('is the same table afterwards, at one byte a replica for up to 128 members', () => {
    const table = shardTable({ members, shards: 300, replicas: 2 }).with({
      add: [{ id: 'd', zone: ['us', 'r1'] }],
    })
    const bytes = encodeTable(table)
    const back = decodeTable(bytes)
    expect(back.toJSON()).toEqual(table.toJSON())
    expect(back.with({ remove: ['a'] }).toJSON()).toEqual(table.with({ remove: ['a'] }).toJSON())
    expect(bytes.length).toBeLessThan(600 + 120)
    for (let i = 0; i < bytes.length; i += 7) {
      const damaged = bytes.slice()
      damaged[i]! ^= 0x10
      expect(() => decodeTable(damaged)).toThrow(malformed)
    }
    expect(() => decodeTable(bytes, { hashTags: false })).toThrow(malformed)
  })
})

describe('JSON of another kind', () => {
  it('is refused', () => {
    const ring = hashRing({ members }).toJSON()
    expect(() => hashRingFrom({ ...ring, kind: 'table' as never })).toThrow(malformed)
    expect(() => hashRingFrom({ ...ring, format: 2 as never })).toThrow(malformed)
    expect(() => hashRingFrom(ring, { hash: fnv1a })).toThrow(malformed)
    expect(() => hashRingFrom(ring, { tokens: allocatedTokens() })).toThrow(malformed)
    expect(() => hashRingFrom(null as never)).toThrow(malformed)
    const table = shardTable({ members, shards: 4 }).toJSON()
    expect(() => shardTableFrom({ ...table, owners: table.owners.slice(1) })).toThrow(malformed)
    expect(() => shardTableFrom({ ...table, owners: table.owners.map(() => [0, 0, 1]) })).toThrow(
      malformed,
    )
    expect(() => shardTableFrom({ ...table, owners: table.owners.map(() => [0, 1, 9]) })).toThrow(
      malformed,
    )
    const line = jump({ members: ['a', 'b'] }).toJSON()
    expect(() => jumpFrom({ ...line, buckets: ['a', 'x'] })).toThrow(malformed)
    const holes = memento({ members: ['a', 'b', 'c'] })
      .with({ remove: ['b'] })
      .toJSON()
    expect(() => mementoFrom({ ...holes, left: [] })).toThrow(malformed)
    expect(() => mementoFrom({ ...holes, buckets: ['a', 'b', 'c'] })).toThrow(malformed)
  })
})
