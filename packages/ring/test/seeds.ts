// How random tests are seeded: fresh on every run, printed where a test fails, and set again by
// an environment variable to replay it. RING_RUNS multiplies how many cases are tried.
import fc from 'fast-check'

const given = process.env['RING_SEED']
const scale = Number(process.env['RING_RUNS'] ?? '1')

/** Options for a property that tries `runs` cases. */
export function cases(runs: number): fc.Parameters<unknown> {
  return {
    numRuns: Math.ceil(runs * scale),
    ...(given === undefined ? {} : { seed: Number(given) }),
  }
}

/** Member ids, distinct. */
export const ids = (max: number): fc.Arbitrary<string[]> =>
  fc.uniqueArray(fc.stringMatching(/^[a-z0-9:.-]{1,12}$/), { minLength: 1, maxLength: max })
