// How a host is, for a probe: one word, and the reasons that an operator would ask for.
import type { Lifecycle } from '@quorate/core'
import type { HealthReason, HostHealth } from './host.ts'
import type { HostedReplica } from './hosted-replica.ts'

const REASONS_MAX = 100

/** Looks at a host's state and at each of its replicas. */
export function healthOf(
  status: Lifecycle,
  draining: boolean,
  spaceLow: boolean,
  replicas: Iterable<HostedReplica>,
): HostHealth {
  if (status !== 'open') {
    return { status: 'failed', reasons: [{ code: 'NOT_OPEN', message: `the host is ${status}` }] }
  }
  const reasons: HealthReason[] = []
  let failed = false
  const add = (reason: HealthReason): void => {
    if (reasons.length < REASONS_MAX) reasons.push(reason)
  }
  if (draining) add({ code: 'DRAINING', message: 'the host is about to leave' })
  if (spaceLow) add({ code: 'SPACE_LOW', message: 'the disk is nearly full' })
  for (const replica of replicas) {
    const { group, failure, full } = replica
    if (failure !== undefined) {
      failed = true
      add({ code: 'REPLICA_FAILED', group, message: `${failure.code}: ${failure.message}` })
    } else if (full) {
      add({ code: 'DISK_FULL', group, message: 'the disk refuses writes for lack of room' })
    } else if (replica.status === 'open' && replica.consensus().leader === undefined) {
      add({ code: 'NO_LEADER', group, message: 'no leader is known' })
    }
  }
  if (failed) return { status: 'failed', reasons }
  return { status: reasons.length === 0 ? 'ok' : 'degraded', reasons }
}
