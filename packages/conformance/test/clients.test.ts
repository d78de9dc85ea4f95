// The suite for clients proves itself: sound ends pass every check, and broken ones fail the check
// that names their fault.
import { describe, expect, test } from 'vitest'
import {
  brokenClients,
  clientChecks,
  clientConformance,
  loopbackClients,
} from '../src/transport/index.ts'

clientConformance({ name: 'sound clients', test: { describe, it: test }, ...loopbackClients })

describe('clients whose listener or dialer', () => {
  test.each(brokenClients.map((each) => [each.name, each] as const))('%s', async (_name, each) => {
    const failed: string[] = []
    for (const check of clientChecks) {
      await check.run(each.harness).catch(() => failed.push(check.name))
    }
    expect(failed).toContain(each.fails)
    // What breaks the order of frames, or the end of a connection, shows in few other places.
    expect(failed.length).toBeLessThanOrEqual(5)
  })

  test('is broken in one way is found by each check', () => {
    const found = new Set(brokenClients.map((each) => each.fails))
    expect(clientChecks.map((each) => each.name).filter((name) => !found.has(name))).toEqual([])
  })
})
