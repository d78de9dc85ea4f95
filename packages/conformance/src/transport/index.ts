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
import type { TestFunction, TransportCheck, TransportHarness } from './harness.ts'
import { identityChecks } from './identity-checks.ts'
import { lifeChecks } from './life-checks.ts'
import { peerChecks } from './peer-checks.ts'

export type { ClientCheck, ClientEnds, ClientHarness } from './client-harness.ts'
export { clientChecks } from './client-checks.ts'
export { brokenClients, loopbackClients, type BrokenClients } from './client-loopback.ts'
export type { TestFunction, TransportCheck, TransportHarness, TransportHosts } from './harness.ts'
export { brokenTransports, loopbackTransport, type BrokenTransport } from './broken.ts'

/** Every check. */
export const transportChecks: readonly TransportCheck[] = Object.freeze([
  ...lifeChecks,
  ...peerChecks,
  ...identityChecks,
  ...frameChecks,
])

/**
 * Registers every check as a test. Checks of capabilities that the transport does not declare in
 * its `supports` pass without running.
 */
export function transportConformance(test: TestFunction, harness: TransportHarness): void {
  for (const check of transportChecks) {
    test(check.name, async () => {
      if (await applies(check, harness)) await check.run(harness)
    })
  }
}

/** Registers every check of a listener and a dialer for clients as a test. */
export function clientConformance(test: TestFunction, harness: ClientHarness): void {
  for (const check of clientChecks) test(check.name, () => check.run(harness))
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
