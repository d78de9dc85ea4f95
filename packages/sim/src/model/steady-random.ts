// Randomness that always gives the middle: an exploration takes every order of events anyway, and
// cores that branch must not disturb each other's draws.
import type { Random } from '@quorate/core'

const HALF = 0x80000000

/** A source without state: each draw is the middle of its range. */
export const steadyRandom: Random = Object.freeze({
  seed: 0,
  uint32: () => HALF,
  below: (bound: number) => Math.floor(bound / 2),
  fraction: () => 0.5,
  fork: () => steadyRandom,
})
