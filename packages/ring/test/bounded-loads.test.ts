// Bounds on load that hold at every step, not on average.
import { createRandom } from '@quorate/core'
import { describe, expect, it } from 'vitest'
import { boundedLoads, hashRing, loadTracker, rendezvous } from '../src/index.ts'
import type { LoadLease } from '../src/index.ts'

describe('a load tracker', () => {
  const operations = process.env['RING_FULL'] === '1' ? 1_000_000 : 100_000

  it(`keeps every member within its bound over ${operations} random operations`, () => {
    const seed = Number(process.env['RING_SEED'] ?? 20_240_229)
    const random = createRandom(seed)
    const members = Array.from({ length: 8 }, (_, i) => ({ id: `m${i}`, weight: 1 + (i % 3) }))
    const weights = members.reduce((sum, { weight }) => sum + weight, 0)
    const tracker = loadTracker(hashRing({ members }), { epsilon: 0.25 })
    const leases: LoadLease[] = []
    for (let i = 0; i < operations; i++) {
      // Few distinct keys, so that their owners alone would be far over the bound.
      if (leases.length === 0 || random.below(100) < 52) {
        const lease = tracker.acquire(`hot-${random.below(5)}`)!
        leases.push(lease)
        const { weight } = members.find(({ id }) => id === lease.id)!
        const bound = Math.ceil((1.25 * tracker.total * weight) / weights)
        if (tracker.load(lease.id) > bound) throw new Error(`seed ${seed}: over at step ${i}`)
      } else {
        const at = random.below(leases.length)
        const [lease] = leases.splice(at, 1, leases.at(-1)!)
        leases.pop()
        lease!.release()
        lease!.release()
      }
    }
    expect(tracker.total).toBe(leases.length)
    const sum = members.reduce((total, { id }) => total + tracker.load(id), 0)
    expect(sum).toBe(leases.length)
    for (const lease of leases) lease.release()
    expect(tracker.total).toBe(0)
  })

  it('follows the placement while nobody is at the bound', () => {
    const ring = hashRing({ members: ['a', 'b', 'c'] })
    const tracker = loadTracker(ring, { epsilon: 1 })
    expect(tracker.acquire('key')!.id).toBe(ring.locate('key'))
    expect(loadTracker(hashRing({ members: [] })).acquire('key')).toBeUndefined()
  })
})

describe('bounded loads', () => {
  it('never give a member more slots than its bound, for any epsilon', () => {
    for (const epsilon of [0.01, 0.1, 0.25, 1]) {
      for (const n of [1, 2, 5, 20]) {
        const members = Array.from({ length: n }, (_, i) => ({ id: `m${i}`, weight: 1 + (i % 2) }))
        const bounded = boundedLoads(hashRing({ members, virtualNodes: 10 }), { epsilon })
        for (const [id, share] of bounded.ownership()) {
          expect(Math.round(share * 4096)).toBeLessThanOrEqual(bounded.capacity(id))
        }
      }
    }
  })

  it('move little when a member joins', () => {
    const base = rendezvous({ members: Array.from({ length: 20 }, (_, i) => `m${i}`) })
    const before = boundedLoads(base, { epsilon: 0.25 })
    const after = before.with({ add: ['new'] })
    let moved = 0
    for (let i = 0; i < 20_000; i++) {
      if (before.locate(`k${i}`) !== after.locate(`k${i}`)) moved++
    }
    expect(moved / 20_000).toBeLessThan(0.1)
  })

  it('rejects bounds that are none', () => {
    const base = rendezvous({ members: ['a'] })
    for (const epsilon of [0, -1, 1.5, Number.NaN]) {
      const code = expect.objectContaining({ code: 'INVALID_OPTIONS' })
      expect(() => boundedLoads(base, { epsilon })).toThrow(code)
      expect(() => loadTracker(base, { epsilon })).toThrow(code)
    }
  })
})
