// The search against the definition, on thousands of small histories from seeds: honest ones, which
// must be Ok, and ones that lie, on which both must agree. QUORATE_LIN_HISTORIES enlarges it.
import { describe, expect, it } from 'vitest'
import { check } from '../src/index.ts'
import { linearizableByBruteForce } from './brute-force.ts'
import { corrupt, honestHistory } from './generate.ts'
import { models } from './models.ts'
import { objects } from './objects.ts'
import { Random } from './random.ts'

const perModel = Number(process.env['QUORATE_LIN_HISTORIES'] ?? 2000)
const firstSeed = Number(process.env['QUORATE_LIN_SEED'] ?? 1)

describe.each(Object.keys(models))('%s', (name) => {
  const model = models[name]!()

  it(`agrees with brute force on ${perModel} histories`, () => {
    const verdicts = { Ok: 0, Illegal: 0, Unknown: 0 }
    const wrong: string[] = []
    let honest = 0
    for (let seed = firstSeed; seed < firstSeed + perModel; seed++) {
      const random = new Random(seed)
      const object = objects[name]!()
      const isHonest = random.chance(0.3)
      const truth = honestHistory(object, random, {
        operations: 2 + random.below(7),
        clients: 2 + random.below(3),
        unknown: random.pick([0, 0.05, 0.2]),
        failed: random.pick([0, 0.1]),
      })
      const history = isHonest ? truth : corrupt(truth, object, random)
      const { verdict } = check(model, history)
      const expected = isHonest || linearizableByBruteForce(model, history) ? 'Ok' : 'Illegal'
      if (verdict !== expected) {
        wrong.push(`seed ${seed}: ${verdict}, not ${expected}: ${JSON.stringify(history)}`)
      }
      if (isHonest && !linearizableByBruteForce(model, history)) {
        wrong.push(`seed ${seed}: the definition refuses an honest history`)
      }
      honest += isHonest ? 1 : 0
      verdicts[verdict] += 1
    }
    expect(wrong).toEqual([])
    expect(verdicts.Unknown).toBe(0)
    expect(honest).toBeGreaterThan(perModel / 5)
    expect(verdicts.Ok).toBeGreaterThan(perModel / 5)
    expect(verdicts.Illegal).toBeGreaterThan(perModel / 10)
  })
})
