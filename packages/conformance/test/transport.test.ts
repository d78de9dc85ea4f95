// The suite proves itself: a sound transport passes every check, and each broken one fails the
// check that names its fault and no other.
import { describe, expect, test } from 'vitest'
import {
  brokenTransports,
  loopbackTransport,
  transportConformance,
  transportChecks,
  type TransportHarness,
} from '../src/transport/index.ts'

transportConformance({
  name: 'a sound transport',
  test: { describe, it: test },
  ...loopbackTransport,
})

async function failures(harness: TransportHarness): Promise<string[]> {
  const failed: string[] = []
  for (const check of transportChecks) {
    await check.run(harness).catch(() => failed.push(check.name))
  }
  return failed
}

describe('a transport that', () => {
  test.each(brokenTransports.map((each) => [each.name, each] as const))(
    '%s',
    async (_name, each) => {
      expect(await failures(each.harness)).toEqual([each.fails])
    },
  )

  test('is broken in one way is found by each check', () => {
    const found = new Set(brokenTransports.map((each) => each.fails))
    expect(transportChecks.map((each) => each.name).filter((name) => !found.has(name))).toEqual([])
  })
})
