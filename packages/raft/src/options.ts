// What a user may set, checked once: a timing that cannot work is refused when the factory is
// made and not discovered in an outage.
import type { NodeId } from '@quorate/core'
import { QuorateError, isId } from '@quorate/core'

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
   * `peerUnreachable`, which is what wakes a group whose leader has died. Group. Default 0.
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
  hibernateAfterMs: 0,
  promoteLagEntries: 1_024,
  commitSlack: 0,
  zones: {},
  commitZones: 1,
  readTimeoutMs: 10_000,
}

/**
 * The options with defaults.
 *
 * @throws QuorateError `INVALID_OPTIONS` where one is unknown or out of its range
 */
export function resolveOptions(given: RaftOptions): ResolvedOptions {
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(DEFAULTS, name)) throw invalid(`unknown option "${name}" of raft()`)
  }
  const set = Object.entries(given).filter(([, value]) => value !== undefined)
  const options: ResolvedOptions = { ...DEFAULTS, ...Object.fromEntries(set) }
  checkNumbers(options)
  for (const name of ['preVote', 'checkQuorum'] as const) {
    if (typeof options[name] !== 'boolean') throw invalid(`${name} must be true or false`)
  }
  if (typeof options.zones !== 'object' || options.zones === null) {
    throw invalid('zones must map members to zones')
  }
  for (const [id, zone] of Object.entries(options.zones)) {
    if (!isId(id) || typeof zone !== 'string') throw invalid('zones must map members to zones')
  }
  return Object.freeze(options)
}

function checkNumbers(options: ResolvedOptions): void {
  const whole = (name: keyof ResolvedOptions, least: number, most: number): void => {
    const value = options[name]
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) {
      return
    }
    throw invalid(
      `${name} must be an integer from ${least} to ${most}, got ${JSON.stringify(value)}`,
    )
  }
  whole('electionTimeoutMs', 3, 3_600_000)
  whole('heartbeatIntervalMs', 1, Math.floor(options.electionTimeoutMs / 3))
  whole('priority', 0, 100)
  whole('hibernateAfterMs', 0, 86_400_000)
  whole('promoteLagEntries', 0, Number.MAX_SAFE_INTEGER)
  whole('commitSlack', 0, 15)
  whole('commitZones', 1, 31)
  whole('readTimeoutMs', 1, 86_400_000)
  const drift = options.clockDriftMax
  if (typeof drift !== 'number' || !(drift >= 0 && drift <= 0.5)) {
    throw invalid(`clockDriftMax must be a number from 0 to 0.5, got ${String(drift)}`)
  }
}

function invalid(message: string): QuorateError {
  return new QuorateError('INVALID_OPTIONS', message)
}
