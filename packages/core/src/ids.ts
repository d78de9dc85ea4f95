// Names of the things that a cluster is made of. They end up in paths, frames and logs, so
// their alphabet is narrow and checked where they enter.
import { QuorateError } from './errors.ts'

/** Names one host of a cluster: 1 to 64 characters of `A-Z a-z 0-9 _ -`. Never reused for another host. */
export type NodeId = string

/** Names one replicated group, of the same alphabet as {@link NodeId}. */
export type GroupId = string

/** A shard of a store: an integer from 0 to the number of shards less one. */
export type ShardId = number

/** Names one cluster, of the same alphabet as {@link NodeId}. Hosts of different clusters refuse each other. */
export type ClusterId = string

/** A position in a group's log. The first entry has index 1; 0 means "before the first". */
export type LogIndex = number

/**
 * A number that grows with each change of leadership: the term in Raft, the round of the ballot
 * in Paxos. Larger is newer; equal values at two hosts need not mean the same leader in Paxos.
 */
export type Epoch = number

const ID = /^[A-Za-z0-9_-]{1,64}$/

/** Whether `value` can be a {@link NodeId}, {@link GroupId} or {@link ClusterId}. */
export function isId(value: unknown): value is string {
  return typeof value === 'string' && ID.test(value)
}

/**
 * Returns `value` where it is a valid id.
 *
 * @throws QuorateError `INVALID_ARGUMENT` otherwise, with `what` in its message
 */
export function checkId(value: unknown, what: string): string {
  if (isId(value)) return value
  const shown = typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : typeof value
  throw new QuorateError(
    'INVALID_ARGUMENT',
    `${what} must be 1 to 64 characters of A-Z, a-z, 0-9, "_" and "-", got ${shown}`,
  )
}

/** Orders ids by code unit, which for their alphabet is byte order; suits `Array.prototype.sort`. */
export function compareIds(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
