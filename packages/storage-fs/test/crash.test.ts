// Every crash state of many short lives: what was acknowledged is there, nothing else ever was,
// and a recovery that is interrupted itself ends the same way.
import { createRandom } from '@quorate/core'
import { expect, it } from 'vitest'
import { CrashRun } from './fs/crash-run.ts'

const STATES = Number(process.env['QUORATE_CRASH_STATES'] ?? 200_000)
const SEED = Number(process.env['QUORATE_SEED'] ?? 1)

it(`recovers from ${STATES.toLocaleString('en')} crash states`, { timeout: 600_000 }, async () => {
  let states = 0
  let nested = 0
  let seed = SEED
  for (; states + nested < STATES; seed++) {
    const run = new CrashRun({
      random: createRandom(seed),
      exhaustiveMax: 12,
      nestedEvery: 1500,
      steps: 12,
    })
    try {
      for (let life = 0; life < 4; life++) await run.life()
    } catch (error) {
      throw new Error(`QUORATE_SEED=${seed}`, { cause: error })
    }
    states += run.states
    nested += run.nested
  }
  console.log(
    `${states} crash states and ${nested} during recoveries, seeds ${SEED} to ${seed - 1}`,
  )
  expect(states + nested).toBeGreaterThanOrEqual(STATES)
})
