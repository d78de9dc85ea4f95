// Lets every promise that can settle do so before simulated time goes on. Where the platform has a
// task queue one turn of it is enough; elsewhere a long chain of microtasks has to do.
import { systemClock } from '@quorate/core'

const HOPS = 64

/** Waits until no promise is left that could settle by itself. */
export type Turn = () => Promise<void>

/** Finds out how this platform ends a turn. */
export async function createTurn(): Promise<Turn> {
  const { defer } = systemClock()
  let ended = false
  const whole = new Promise<boolean>((resolve) => defer(() => resolve(ended)))
  for (let hop = 0; hop < HOPS; hop++) await Promise.resolve()
  ended = true
  if (await whole) return () => new Promise((resolve) => defer(resolve))
  return async () => {
    for (let hop = 0; hop < HOPS; hop++) await Promise.resolve()
  }
}
