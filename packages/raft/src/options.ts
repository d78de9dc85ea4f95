// What a user may set, checked once: a timing that cannot work is refused when the factory is
// made and not discovered in an outage.
import type { NodeId } from '@quorate/core'
import { QuorateError, isId, rejectUnknownOptions } from '@quorate/core'

/** Options of {@link raft}. All members of a group must agree on those marked "group". */
export interface RaftOptions {
  /**
   * How long a follower waits for a leader before it campaigns; the wait is drawn anew each time
   * between one and two of these, in milliseconds. Group. Default 1,000.
   */
  readonly electionTimeoutMs?: number | undefined
  /** How often a leader is heard, in milliseconds; at most a third of the election timeout. Default 100. */
  readonly heartbeatIntervalMs?: number | undefined
  /** Whether a candidate asks before it raises the term (Ongaro, section 9.6). Default `true`. */
  readonly preVote?: boolean | undefined
  /**
   * Whether a leader steps down when no quorum was heard for an election timeout, and followers that
   * hear a leader refuse votes. Needed for leases. Group. Default `true`.
   */
  readonly checkQuorum?: boolean | undefined
  /**
   * By which share of the time that passes two members' clocks may differ, 0 to 0.5. A lease lasts
   * shorter by as much. Group. Default 0.1.
   */
  readonly clockDriftMax?: number | undefined
  /**
   * How much this replica is wished as a leader, 0 to 100. Leadership moves to a voter of higher
   * priority once its log is complete; 0 never campaigns by itself. Default 1.
   */
  readonly priority?: number | undefined
  /**
   * Stop heartbeats after so many milliseconds without work; 0 never. The driver must then report
   * `peerUnreachable`: that, or a call at any follower, wakes a group whose leader has died. Group.
   * Default 10,000.
   */
  readonly hibernateAfterMs?: number | undefined
  /**
   * A learner that becomes a voter must first come within so many entries of the leader's log.
   * Default 1,024.
   */
  readonly promoteLagEntries?: number | undefined
  /**
   * How many votes fewer than a majority commit an entry; an election then needs as many more than
   * the smallest majority that still meets every commit (Howard, Flexible Paxos, 2016). Group.
   * Default 0.
   */
  readonly commitSlack?: number | undefined
  /** Where members are, for {@link RaftOptions.commitZones}. A member without a zone is one of its own. Group. */
  readonly zones?: Readonly<Record<NodeId, string>> | undefined
  /** An entry commits only once members of so many zones hold it, or of all there are. Group. Default 1. */
  readonly commitZones?: number | undefined
  /** A read that could not be confirmed for so many milliseconds is rejected with `NO_QUORUM`. Default 10,000. */
  readonly readTimeoutMs?: number | undefined
}

/** The options with every default in its place. */
export interface ResolvedOptions {
  /** See {@link RaftOptions.electionTimeoutMs}. */
  readonly electionTimeoutMs: number
  /** See {@link RaftOptions.heartbeatIntervalMs}. */
  readonly heartbeatIntervalMs: number
  /** See {@link RaftOptions.preVote}. */
  readonly preVote: boolean
  /** See {@link RaftOptions.checkQuorum}. */
  readonly checkQuorum: boolean
  /** See {@link RaftOptions.clockDriftMax}. */
  readonly clockDriftMax: number
  /** See {@link RaftOptions.priority}. */
  readonly priority: number
  /** See {@link RaftOptions.hibernateAfterMs}. */
  readonly hibernateAfterMs: number
  /** See {@link RaftOptions.promoteLagEntries}. */
  readonly promoteLagEntries: number
  /** See {@link RaftOptions.commitSlack}. */
  readonly commitSlack: number
  /** See {@link RaftOptions.zones}. */
  readonly zones: Readonly<Record<NodeId, string>>
  /** See {@link RaftOptions.commitZones}. */
  readonly commitZones: number
  /** See {@link RaftOptions.readTimeoutMs}. */
  readonly readTimeoutMs: number
}

const DEFAULTS: ResolvedOptions = {
  electionTimeoutMs: 1_000,
  heartbeatIntervalMs: 100,
  preVote: true,
  checkQuorum: true,
  clockDriftMax: 0.1,
  priority: 1,
  hibernateAfterMs: 10_000,
  promoteLagEntries: 1_024,
  commitSlack: 0,
  zones: {},
  commitZones: 1,
  readTimeoutMs: 10_000,
}

const DAY_MS = 86_400_000

// The least and the most that each may be; all but the drift are integers.
const RANGES: Readonly<Partial<Record<keyof ResolvedOptions, readonly [number, number]>>> = {
  electionTimeoutMs: [3, DAY_MS],
  heartbeatIntervalMs: [1, DAY_MS],
  clockDriftMax: [0, 0.5],
  priority: [0, 100],
  hibernateAfterMs: [0, DAY_MS],
  promoteLagEntries: [0, Number.MAX_SAFE_INTEGER],
  commitSlack: [0, 15],
  commitZones: [1, 31],
  readTimeoutMs: [1, DAY_MS],
}

/**
 * The options with defaults.
 *
 * @throws QuorateError `INVALID_OPTIONS` where one is unknown or out of its range
 */
export function resolveOptions(given: RaftOptions): ResolvedOptions {
  rejectUnknownOptions(given, Object.keys(DEFAULTS), 'raft')
  const options: Record<string, unknown> = { ...DEFAULTS }
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue
    checkOption(name as keyof ResolvedOptions, value)
    options[name] = value
  }
  const resolved = options as unknown as ResolvedOptions
  if (3 * resolved.heartbeatIntervalMs > resolved.electionTimeoutMs) {
    throw invalid('heartbeatIntervalMs must be at most a third of electionTimeoutMs')
  }
  return Object.freeze(resolved)
}

function checkOption(name: keyof ResolvedOptions, value: unknown): void {
  const range = RANGES[name]
  if (range !== undefined) {
    const [least, most] = range
    const fits = typeof value === 'number' && value >= least && value <= most
    if (fits && (name === 'clockDriftMax' || Number.isInteger(value))) return
    throw invalid(`${name} must be from ${least} to ${most}, got ${JSON.stringify(value)}`)
  }
  if (name === 'zones' ? isZones(value) : typeof value === 'boolean') return
  throw invalid(`${name} must be ${name === 'zones' ? 'names by member' : 'true or false'}`)
}

function isZones(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return Object.entries(value).every(([id, zone]) => isId(id) && typeof zone === 'string')
}

function invalid(what: string): QuorateError {
  return new QuorateError('INVALID_OPTIONS', `raft(): ${what}`)
}
