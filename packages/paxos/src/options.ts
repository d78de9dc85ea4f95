// What a user may set, checked once: quorums that do not meet and timings that cannot work are
// refused when the factory or a replica is made, and not discovered in an outage.
import { QuorateError, rejectUnknownOptions } from '@quorate/core'

/** How many voters decide; see {@link PaxosOptions.quorums}. */
export interface PaxosQuorums {
  /** How many must promise before a proposer leads. */
  readonly prepare: number
  /** How many must accept an entry before it is decided. */
  readonly accept: number
}

/** Options of {@link paxos}. All members of a group must agree on those marked "group". */
export interface PaxosOptions {
  /**
   * How long a follower waits for its leader before it looks for another, and how long a promise to
   * a leader's lease lasts, in milliseconds. Group. Default 1,000.
   */
  readonly electionTimeoutMs?: number | undefined
  /** How often a leader is heard, in milliseconds; at most a third of the election timeout. Default 100. */
  readonly heartbeatIntervalMs?: number | undefined
  /**
   * By which share of the time that passes two members' clocks may differ, 0 to 0.5. A lease lasts
   * shorter by as much. Group. Default 0.1.
   */
  readonly clockDriftMax?: number | undefined
  /**
   * How much this replica is wished as a leader, 0 to 100. Leadership moves to a voter of higher
   * priority once its log is complete; 0 never prepares by itself. Default 1.
   */
  readonly priority?: number | undefined
  /**
   * How many voters promise and how many accept (Howard, Flexible Paxos, 2016): any two such sets
   * must meet, `prepare + accept > voters`. A group whose number of voters they do not fit is
   * refused, and so is a change to one. Group. Default a majority each.
   */
  readonly quorums?: PaxosQuorums | undefined
  /**
   * Whether a follower's `quorum` reads ask a quorum of voters how far their logs go instead of the
   * leader (Charapko, Paxos Quorum Reads, 2019). They then need no leader. Default `false`.
   */
  readonly quorumReads?: boolean | undefined
  /**
   * Stop heartbeats after so many milliseconds without work; 0 never. The driver must then report
   * `peerUnreachable`: that, or a call at any follower, wakes a group whose leader has died. Group.
   * Default 10,000.
   */
  readonly hibernateAfterMs?: number | undefined
  /**
   * New voters must come within so many entries of the log's end before the epoch is sealed.
   * Default 1,024.
   */
  readonly promoteLagEntries?: number | undefined
  /** A read that could not be confirmed for so many milliseconds is rejected with `NO_QUORUM`. Default 10,000. */
  readonly readTimeoutMs?: number | undefined
}

/** The options with every default in its place. */
export interface ResolvedOptions {
  /** See {@link PaxosOptions.electionTimeoutMs}. */
  readonly electionTimeoutMs: number
  /** See {@link PaxosOptions.heartbeatIntervalMs}. */
  readonly heartbeatIntervalMs: number
  /** See {@link PaxosOptions.clockDriftMax}. */
  readonly clockDriftMax: number
  /** See {@link PaxosOptions.priority}. */
  readonly priority: number
  /** See {@link PaxosOptions.quorums}. */
  readonly quorums: PaxosQuorums | undefined
  /** See {@link PaxosOptions.quorumReads}. */
  readonly quorumReads: boolean
  /** See {@link PaxosOptions.hibernateAfterMs}. */
  readonly hibernateAfterMs: number
  /** See {@link PaxosOptions.promoteLagEntries}. */
  readonly promoteLagEntries: number
  /** See {@link PaxosOptions.readTimeoutMs}. */
  readonly readTimeoutMs: number
  /** Whether a replica asks its neighbours before it prepares. Always, but in explorations of Paxos's own phases. */
  readonly asks: boolean
}

const DEFAULTS: Omit<ResolvedOptions, 'asks'> = {
  electionTimeoutMs: 1_000,
  heartbeatIntervalMs: 100,
  clockDriftMax: 0.1,
  priority: 1,
  quorums: undefined,
  quorumReads: false,
  hibernateAfterMs: 10_000,
  promoteLagEntries: 1_024,
  readTimeoutMs: 10_000,
}

/**
 * The options with defaults.
 *
 * @throws QuorateError `INVALID_OPTIONS` where one is unknown or out of its range
 */
export function resolveOptions(given: PaxosOptions): ResolvedOptions {
  rejectUnknownOptions(given, Object.keys(DEFAULTS), 'paxos')
  const set = Object.entries(given).filter(([, value]) => value !== undefined)
  const options: ResolvedOptions = { ...DEFAULTS, ...Object.fromEntries(set), asks: true }
  checkNumbers(options)
  checkQuorums(options.quorums)
  if (typeof options.quorumReads !== 'boolean') throw invalid('quorumReads must be true or false')
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
  whole('readTimeoutMs', 1, 86_400_000)
  const drift = options.clockDriftMax
  if (typeof drift !== 'number' || !(drift >= 0 && drift <= 0.5)) {
    throw invalid(`clockDriftMax must be a number from 0 to 0.5, got ${String(drift)}`)
  }
}

function checkQuorums(quorums: PaxosQuorums | undefined): void {
  if (quorums === undefined) return
  const { prepare, accept } = quorums
  const whole = (n: unknown): boolean =>
    Number.isInteger(n) && (n as number) >= 1 && (n as number) <= 31
  if (whole(prepare) && whole(accept) && Object.keys(quorums).length === 2) return
  throw invalid('quorums must be { prepare, accept }, two integers from 1 to 31')
}

function invalid(message: string): QuorateError {
  return new QuorateError('INVALID_OPTIONS', message)
}
