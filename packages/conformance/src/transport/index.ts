// The suite for transports: every check by itself, and one call that registers them all with a
// test runner.
/**
 * What every transport must do, as checks that any test runner can run, and broken transports that
 * prove that the checks can fail.
 *
 * @packageDocumentation
 */
import { defined } from '@quorate/core'
import { clientChecks } from './client-checks.ts'
import type { ClientHarness } from './client-harness.ts'
import { frameChecks } from './frame-checks.ts'
import type { ConformanceOptions } from '../test-runner.ts'
import type { TransportCheck, TransportHarness } from './harness.ts'
import { identityChecks } from './identity-checks.ts'
import { lifeChecks } from './life-checks.ts'
import { peerChecks } from './peer-checks.ts'

export type { ClientCheck, ClientEnds, ClientHarness } from './client-harness.ts'
export { clientChecks } from './client-checks.ts'
export { brokenClients, loopbackClients, type BrokenClients } from './client-loopback.ts'
export type { ConformanceOptions, TestRunner } from '../test-runner.ts'
export type { TransportCheck, TransportHarness, TransportHosts } from './harness.ts'
export { brokenTransports, loopbackTransport, type BrokenTransport } from './broken.ts'

/** Every check. */
export const transportChecks: readonly TransportCheck[] = Object.freeze([
  ...lifeChecks,
  ...peerChecks,
  ...identityChecks,
  ...frameChecks,
])

/** What {@link transportConformance} is given. */
export interface TransportConformanceOptions extends ConformanceOptions, TransportHarness {}

/** What {@link clientConformance} is given. */
export interface ClientConformanceOptions extends ConformanceOptions, ClientHarness {}

/**
 * Registers every check as a test. Checks of capabilities that the transport does not declare in
 * its `supports` pass without running.
 */
export function transportConformance(options: TransportConformanceOptions): void {
  const { name, test } = options
  test.describe(name, () => {
    for (const check of transportChecks) {
      test.it(check.name, async () => {
        if (await applies(check, options)) await check.run(options)
      })
    }
  })
}

/** Registers every check of a listener and a dialer for clients as a test. */
export function clientConformance(options: ClientConformanceOptions): void {
  const { name, test } = options
  test.describe(name, () => {
    for (const check of clientChecks) test.it(check.name, () => check.run(options))
  })
}

async function applies(check: TransportCheck, harness: TransportHarness): Promise<boolean> {
  if (check.needs === undefined) return true
  const hosts = await harness.create(['a'])
  const transport = hosts.transport('a')
  const supported = transport.supports[defined(check.needs, 'a capability')]
  await transport.close()
  await hosts.close()
  return supported
}
