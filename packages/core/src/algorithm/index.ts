// What algorithms that replicate a log share, whatever they agree by. For authors of cores; whoever
// uses a core needs none of it.
/**
 * What cores that replicate a log share: the log in memory and as it travels, the memberships in it, what
 * is under way, the reads that wait, what is proposed, and the effects of a step.
 *
 * @packageDocumentation
 */
export { configHistory, membershipPayload } from './config-history.ts'
export type { Config, ConfigHistory } from './config-history.ts'
export { readEntries, writeEntries } from './entries.ts'
export { handOutRead, handOutUpTo, noteApplied } from './hand-out.ts'
export type { Applying } from './hand-out.ts'
export { inflight } from './inflight.ts'
export type { Inflight } from './inflight.ts'
export { outbox } from './outbox.ts'
export type { Outbox } from './outbox.ts'
export { pendingReads } from './pending-reads.ts'
export type { ForwardedRead, LeaderRead, PendingReads } from './pending-reads.ts'
export { commandEntries, hasRoom, proposedBytes } from './proposals.ts'
export { replicaLog } from './replica-log.ts'
export type { ReplicaLog } from './replica-log.ts'
