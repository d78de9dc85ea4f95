// What a ring promises, tried on random members and changes and measured on the exact arcs, so
// that no result is a matter of which keys were looked at.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { allocatedTokens, diff, diffKeys, hashRing, rendezvous } from '../src/index.ts'
import type { HashRing } from '../src/index.ts'
import { cases, ids } from './seeds.ts'

const keys = Array.from({ length: 200 }, (_, i) => `key-${i}`)
const weight = fc.double({ min: 0.1, max: 8, noNaN: true })
const weighted = fc
  .tuple(ids(12), fc.array(weight, { minLength: 12, maxLength: 12 }))
  .map(([names, weights]) => names.map((id, i) => ({ id, weight: weights[i]! })))

describe('a ring of virtual nodes', () => {
  it('moves arcs only to a member that joins, only from one that leaves, as much as it must', () => {
    fc.assert(
      fc.property(weighted, weight, fc.nat(), (members, joining, pick) => {
        const ring = hashRing({ members, virtualNodes: 20 })
        const add = { id: '~joins', weight: joining }
        const grown = ring.with({ add: [add] })
        const plan = diff(ring, grown)
        expect(plan.certificate.needless).toBe(0)
        expect(plan.certificate.moved).toBe(plan.certificate.lowerBound)
        expect(plan.certificate.moved).toBeCloseTo(grown.ownership().get('~joins')!, 12)
        expect(plan.moves.every((move) => move.to === '~joins')).toBe(true)
        const leaver = members[pick % members.length]!.id
        const back = diff(grown, grown.with({ remove: [leaver] }))
        expect(back.certificate.needless).toBe(0)
        expect(back.moves.every((move) => move.from === leaver)).toBe(true)
        expect(back.certificate.moved).toBeCloseTo(grown.ownership().get(leaver)!, 12)
      }),
      cases(200),
    )
  })

  it('moves arcs only to or from a member whose weight changes', () => {
    fc.assert(
      fc.property(weighted, weight, fc.nat(), (members, next, pick) => {
        const ring = hashRing({ members, virtualNodes: 20 })
        const { id } = members[pick % members.length]!
        const plan = diff(ring, ring.with({ reweight: { [id]: next } }))
        expect(plan.certificate.needless).toBe(0)
        expect(plan.moves.every((move) => move.from === id || move.to === id)).toBe(true)
      }),
      cases(200),
    )
  })

  it('is what its members make it, whatever changes led there', () => {
    fc.assert(
      fc.property(ids(12), fc.array(fc.nat(), { maxLength: 30 }), (names, steps) => {
        let ring: HashRing = hashRing({ members: [], virtualNodes: 8 })
        const present = new Set<string>()
        for (const step of steps) {
          const id = names[step % names.length]!
          const change = present.has(id) ? { remove: [id] } : { add: [id] }
          if (!present.delete(id)) present.add(id)
          ring = ring.with(change)
        }
        const fresh = hashRing({ members: [...present], virtualNodes: 8 })
        expect(ring.fingerprint).toBe(fresh.fingerprint)
        expect(ring.ranges()).toEqual(fresh.ranges())
        expect(ring.version).toBe(steps.length + 1)
        for (const key of keys.slice(0, 20)) expect(ring.locate(key)).toBe(fresh.locate(key))
      }),
      cases(100),
    )
  })

  it('finds for every key the first point at or after it, as a search of all points does', () => {
    fc.assert(
      fc.property(ids(9), fc.integer({ min: 1, max: 40 }), (members, virtualNodes) => {
        const ring = hashRing({ members, virtualNodes })
        const arcs = ring.ranges()
        expect(arcs.reduce((sum, arc) => sum + arc.length, 0)).toBe(2 ** 32)
        for (const key of keys) {
          const at = ring.position(key)
          const arc = arcs.find(({ start, end }) =>
            start <= end ? at >= start && at <= end : at >= start || at <= end,
          )
          expect(ring.locate(key)).toBe(arc!.owner)
        }
      }),
      cases(60),
    )
  })

  it('keeps the order of replicas when a member joins', () => {
    fc.assert(
      fc.property(ids(9), (members) => {
        const ring = hashRing({ members, virtualNodes: 10 })
        const grown = ring.with({ add: ['~joins'] })
        for (const key of keys.slice(0, 50)) {
          const before = ring.preferenceList(key, 4)
          const after = grown.preferenceList(key, 4).filter((id) => id !== '~joins')
          expect(after).toEqual(before.slice(0, after.length))
        }
      }),
      cases(100),
    )
  })

  it('never puts two replicas into one zone where there are enough, and says the shares of lists', () => {
    const zoned = fc.tuple(ids(9), fc.array(fc.nat({ max: 3 }), { minLength: 9, maxLength: 9 }))
    fc.assert(
      fc.property(zoned, fc.integer({ min: 1, max: 5 }), ([names, zones], n) => {
        const members = names.map((id, i) => ({ id, zone: `z${zones[i]}` }))
        const zoneOf = new Map(members.map(({ id, zone }) => [id, zone]))
        const all = new Set(zoneOf.values()).size
        const ring = hashRing({ members, virtualNodes: 6 })
        const hard = hashRing({ members, virtualNodes: 6, zones: 'hard' })
        for (const key of keys.slice(0, 30)) {
          const list = ring.preferenceList(key, n)
          expect(new Set(list).size).toBe(Math.min(n, names.length))
          const used = list.map((id) => zoneOf.get(id))
          expect(new Set(used).size).toBe(Math.min(list.length, all))
          expect(list[0]).toBe(ring.locate(key))
          expect(hard.preferenceList(key, n)).toHaveLength(Math.min(n, all))
        }
        const shares = [...ring.ownership(n).values()].reduce((sum, share) => sum + share, 0)
        expect(shares).toBeCloseTo(Math.min(n, names.length), 9)
      }),
      cases(80),
    )
  })
})

describe('points that collide', () => {
  const narrow = (bits: number) => ({
    name: `narrow${bits}`,
    bits: 32 as const,
    hash: (key: string | Uint8Array) => {
      const text = typeof key === 'string' ? key : new TextDecoder().decode(key)
      let h = 0
      for (const unit of text) h = (Math.imul(h, 31) + unit.charCodeAt(0)) >>> 0
      return bits === 0 ? 7 : ((h >>> 0) % 2 ** bits) * 2 ** (32 - bits)
    },
  })

  it.each([0, 1, 3, 6])('in a hash of %i bits never lead to a wrong owner', (bits) => {
    fc.assert(
      fc.property(ids(9), fc.nat(), (members, pick) => {
        const hash = narrow(bits)
        const ring = hashRing({ members, hash, virtualNodes: 8 })
        const leaver = members[pick % members.length]!
        const left = members.filter((id) => id !== leaver)
        const shrunk = ring.with({ remove: [leaver] })
        const fresh = hashRing({ members: left, hash, virtualNodes: 8 })
        expect(shrunk.ranges()).toEqual(fresh.ranges())
        expect(shrunk.with({ add: [leaver] }).ranges()).toEqual(ring.ranges())
        for (const key of keys.slice(0, 40)) {
          expect(members).toContain(ring.locate(key))
          expect(ring.preferenceList(key, 9)).toHaveLength(members.length)
          const owner = shrunk.locate(key)
          expect(left.length === 0 ? [undefined] : left).toContain(owner)
          const before = ring.locate(key)
          expect(owner).toBe(before === leaver ? owner : before)
        }
      }),
      cases(50),
    )
  })

  it('are given to the first member by id, and to the next when it leaves', () => {
    const ring = hashRing({ members: ['c', 'a', 'b'], hash: narrow(0) })
    expect(ring.locate('k')).toBe('a')
    expect(ring.with({ remove: ['a'] }).locate('k')).toBe('b')
    expect(ring.preferenceList('k', 3)).toEqual(['a', 'b', 'c'])
  })

  it('do not starve a member in rendezvous', () => {
    const hash = { ...narrow(3), name: 'narrow-first' }
    const placement = rendezvous({ members: ['aa', 'bb', 'cc', 'dd', 'ee'], hash })
    for (const key of keys) expect(placement.preferenceList(key, 5)).toHaveLength(5)
  })
})

describe('allocated tokens', () => {
  it('move only to a member that joins and only from one that leaves', () => {
    fc.assert(
      fc.property(ids(10), fc.integer({ min: 1, max: 3 }), fc.nat(), (names, replicas, pick) => {
        const tokens = allocatedTokens({ replicas })
        let ring = hashRing({ members: [], tokens, virtualNodes: 8 })
        for (const id of names) {
          const next = ring.with({ add: [id] })
          const plan = diff(ring, next)
          expect(plan.moves.every((move) => move.to === id)).toBe(true)
          ring = next
        }
        const leaver = names[pick % names.length]!
        const plan = diff(ring, ring.with({ remove: [leaver] }))
        expect(plan.moves.every((move) => move.from === leaver)).toBe(true)
      }),
      cases(40),
    )
  })
})

describe('diffKeys', () => {
  it('counts what moves between any two placements', () => {
    const before = rendezvous({ members: ['a', 'b', 'c'] })
    const after = before.with({ add: ['d'] })
    const result = diffKeys(before, after, keys)
    expect(result.keys).toBe(200)
    expect(result.needless).toBe(0)
    expect(result.flows.every((flow) => flow.to === 'd')).toBe(true)
    expect(result.flows.reduce((sum, flow) => sum + flow.keys, 0)).toBe(result.moved)
    const other = diffKeys(before, hashRing({ members: ['a', 'b', 'c'] }), keys)
    expect(other.needless).toBe(other.moved)
    expect(other.moved).toBeGreaterThan(50)
  })
})
