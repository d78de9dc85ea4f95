// The ordered map against a sorted array, with captures taken at random that must never change.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { orderedMap } from '../../src/machine/ordered-map.ts'
import type { OrderedView } from '../../src/machine/ordered-map.ts'

type Step =
  | { readonly do: 'set'; readonly key: number; readonly value: number }
  | { readonly do: 'delete'; readonly key: number }
  | { readonly do: 'capture' }
  | { readonly do: 'clear'; readonly from: number; readonly to: number }

const key = (number: number): string => `k${number.toString().padStart(4, '0')}`
const keys = fc.nat({ max: 800 })
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant('set' as const), key: keys, value: fc.nat() }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('delete' as const), key: keys }) },
  { weight: 1, arbitrary: fc.constant({ do: 'capture' as const }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('clear' as const), from: keys, to: keys }) },
)

function contents(view: OrderedView<number>, from = '', to?: string): [string, number][] {
  const found: [string, number][] = []
  view.scan(from, to, (at, value) => found.push([at, value]) > 0)
  return found
}

const sorted = (model: Map<string, number>): [string, number][] =>
  [...model].toSorted(([a], [b]) => (a < b ? -1 : 1))

describe('ordered map', () => {
  test('answers like a sorted map, and captures never change', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 1_200, size: 'max' }), keys, keys, (steps, a, b) => {
        const map = orderedMap<number>()
        const model = new Map<string, number>()
        const before: [number | undefined, number | undefined][] = []
        const captures: [OrderedView<number>, [string, number][]][] = []
        for (const now of steps) {
          if (now.do === 'set') {
            before.push([map.set(key(now.key), now.value), model.get(key(now.key))])
            model.set(key(now.key), now.value)
          } else if (now.do === 'delete') {
            before.push([map.delete(key(now.key)), model.get(key(now.key))])
            model.delete(key(now.key))
          } else if (now.do === 'capture') {
            captures.push([map.capture(), sorted(model)])
          } else {
            for (let at = now.from; at < now.to; at++) {
              map.delete(key(at))
              model.delete(key(at))
            }
          }
          expect(map.size).toBe(model.size)
        }
        for (const [answer, held] of before) expect(answer).toBe(held)
        const all = sorted(model)
        expect(contents(map)).toEqual(all)
        const [from, to] = [key(Math.min(a, b)), key(Math.max(a, b))]
        const within = all.filter(([at]) => at >= from && at < to)
        expect(contents(map, from, to)).toEqual(within)
        const reversed: [string, number][] = []
        map.scanReverse(from, to, (at, value) => reversed.push([at, value]) > 0)
        expect(reversed).toEqual(within.toReversed())
        for (const [at, value] of all) expect(map.get(at)).toBe(value)
        for (const [capture, then] of captures) {
          expect(contents(capture)).toEqual(then)
          expect(capture.size).toBe(then.length)
        }
      }),
      { numRuns: 60 },
    )
  })

  test('a visitor that has enough ends the scan', () => {
    const map = orderedMap(Array.from({ length: 1_000 }, (_, at) => [key(at), at] as const))
    let shown = 0
    map.scan('', undefined, () => ++shown < 10)
    expect(shown).toBe(10)
    map.scanReverse('', undefined, () => ++shown < 30)
    expect(shown).toBe(30)
  })

  test('entries to load must be in order', () => {
    expect(() => orderedMap([['b', 1] as const, ['a', 2] as const])).toThrow(/ascending/)
  })
})
