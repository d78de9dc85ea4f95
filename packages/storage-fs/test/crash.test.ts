// Every crash state of many short lives: what was acknowledged is there, nothing else ever was,
// and a recovery that is interrupted itself ends the same way.
import { createRandom } from '@quorate/core'
import { expect, it } from 'vitest'
import { CrashRun } from './fs/crash-run.ts'

/** States that differ in a name or a byte: the same one made twice counts once. */
const STATES = Number(process.env['QUORATE_CRASH_STATES'] ?? 200_000)
const SEED = Number(process.env['QUORATE_SEED'] ?? 1)

it(`recovers from ${STATES.toLocaleString('en')} crash states`, { timeout: 600_000 }, async () => {
  let [made, distinct, nested, refused] = [0, 0, 0, 0]
  let seed = SEED
  for (; distinct + nested < STATES; seed++) {
    const run = new CrashRun({
      random: createRandom(seed),
      exhaustiveMax: 12,
      nestedEvery: 1000,
      steps: 12,
    })
    try {
      for (let life = 0; life < 4; life++) await run.life()
    } catch (error) {
      throw new Error(`QUORATE_SEED=${seed}`, { cause: error })
    }
    made += run.states
    distinct += run.distinct
    nested += run.nested
    refused += run.refused
  }
  console.log(
    `${distinct + nested} different crash states of ${made} made, ${nested} of them left by crashes during recoveries, ${refused} refusals by a full disk, seeds ${SEED} to ${seed - 1}`,
  )
  expect(distinct + nested).toBeGreaterThanOrEqual(STATES)
  // Both kinds are there in earnest.
  expect(nested).toBeGreaterThan(STATES / 20)
  expect(refused).toBeGreaterThan(0)
})
