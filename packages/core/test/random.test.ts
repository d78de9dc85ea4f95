// The generator: pinned to known values so that a seed means the same for ever.
import { describe, expect, it } from 'vitest'
import { createRandom, randomSeed } from '@quorate/core'

const take = (seed: number, count: number): number[] => {
  const random = createRandom(seed)
  return Array.from({ length: count }, () => random.uint32())
}

describe('createRandom', () => {
  it('repeats a seed, and differs between seeds', () => {
    expect(take(7, 50)).toEqual(take(7, 50))
    expect(take(7, 50)).not.toEqual(take(8, 50))
  })

  it('gives the values that this version has always given', () => {
    expect(take(1, 4)).toMatchInlineSnapshot(`
      [
        393288148,
        2174103013,
        3814759091,
        2092745082,
      ]
    `)
    expect(createRandom(1).fork('net').uint32()).toMatchInlineSnapshot(`1960674179`)
  })

  it('forks by seed and label alone: draws in between change nothing', () => {
    const one = createRandom(3)
    const two = createRandom(3)
    for (let drawn = 0; drawn < 100; drawn++) two.uint32()
    expect(one.fork('disk').uint32()).toBe(two.fork('disk').uint32())
    expect(one.fork('disk').uint32()).not.toBe(one.fork('net').uint32())
  })

  it('is uniform enough in every bound: chi-square over 16 cells', () => {
    const random = createRandom(42)
    const cells = Array.from({ length: 16 }, () => 0)
    for (let drawn = 0; drawn < 160_000; drawn++) {
      const cell = random.below(16)
      cells[cell] = (cells[cell] as number) + 1
    }
    const chiSquare = cells.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0)
    // 15 degrees of freedom: above 44.3 has a probability of 1e-4; the seed is fixed.
    expect(chiSquare).toBeLessThan(44.3)
  })

  it('keeps to its bounds', () => {
    const random = createRandom(9)
    for (const bound of [1, 2, 3, 1000, 2 ** 31 + 1, 2 ** 32]) {
      for (let drawn = 0; drawn < 200; drawn++) {
        const value = random.below(bound)
        expect(value).toBeGreaterThanOrEqual(0)
        expect(value).toBeLessThan(bound)
      }
    }
    expect(() => random.below(0)).toThrow('bound')
    expect(() => createRandom(-1)).toThrow('seed')
    expect(() => createRandom(0.5)).toThrow('seed')
  })

  it('gives fractions from 0 to below 1', () => {
    const random = createRandom(5)
    const drawn = Array.from({ length: 1_000 }, () => random.fraction())
    expect(Math.min(...drawn)).toBeGreaterThanOrEqual(0)
    expect(Math.max(...drawn)).toBeLessThan(1)
  })
})

describe('randomSeed', () => {
  it('is a 32-bit seed', () => {
    const seed = randomSeed()
    expect(() => createRandom(seed)).not.toThrow()
  })
})
