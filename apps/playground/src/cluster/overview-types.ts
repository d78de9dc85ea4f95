// What an overview of a cluster says: types alone, because the page in the browser shares them.

/** One host. */
export interface MemberOverview {
  /** Its name. */
  readonly id: string
  /**
   * What it is to the placement: `drained` once nothing is left on a host that is being drained,
   * `unknown` where the map cannot be read.
   */
  readonly state: 'active' | 'cordoned' | 'draining' | 'drained' | 'unknown'
  /** Whether it answers. */
  readonly reachable: boolean
  /** Whether it has not been reached for `--suspect-after`. */
  readonly suspect: boolean
  /** Where clients connect to it, where it said so. */
  readonly address?: string | undefined
  /** The shards of which it is a voter. */
  readonly shards: readonly number[]
  /** The shards that it leads. */
  readonly leads: readonly number[]
}

/** A move that is under way. */
export interface MoveOverview {
  /** The shard. */
  readonly shard: number
  /** The hosts that get a replica. */
  readonly to: readonly string[]
  /** The hosts that lose theirs. */
  readonly from: readonly string[]
  /** Why. */
  readonly reason: string
}

/** The whole cluster. */
export interface ClusterOverview {
  /** The hosts, in order. */
  readonly hosts: readonly MemberOverview[]
  /** The shards with fewer replicas that answer than they should have. */
  readonly underReplicated: readonly number[]
  /** The shards without a leader. */
  readonly leaderless: readonly number[]
  /** The moves under way. */
  readonly moves: readonly MoveOverview[]
  /** Whether nothing is planned by itself. */
  readonly paused: boolean
  /** Why the map could not be read; moves and states are unknown then. */
  readonly mapError?: string | undefined
}
