// What the dashboard is told of a cluster: shared by the host that tells it and the page that
// shows it, so it holds types only.
import type { ClusterOverview, MemberOverview } from '../cluster/overview-types.ts'

/** One replica. */
export interface ShardView {
  /** The shard. */
  readonly shard: number
  /** What the replica is. */
  readonly role: 'leader' | 'follower' | 'candidate' | 'learner'
  /** The epoch of the leader that it knows. */
  readonly epoch: number
  /** Its commit index. */
  readonly commitIndex: number
  /** Its applied index. */
  readonly appliedIndex: number
  /** The shard's keys. */
  readonly keys: number
}

/** What a host says of its process. */
export interface ProcessView {
  /** Its process. */
  readonly pid: number
  /** How long it has run, in seconds. */
  readonly upSeconds: number
  /** Its resident memory, in bytes. */
  readonly memoryBytes: number
}

/** One host. */
export interface HostView
  extends ProcessView, Pick<MemberOverview, 'id' | 'state' | 'reachable' | 'address'> {
  /** Its replicas; none where it does not answer. */
  readonly shards: readonly ShardView[]
  /** The shards of which it is a voter, whether or not it answers. */
  readonly holds: readonly number[]
}

/** The whole cluster. */
export interface ClusterView extends Pick<
  ClusterOverview,
  'underReplicated' | 'leaderless' | 'moves' | 'paused' | 'mapError'
> {
  /** The cluster's name. */
  readonly cluster: string
  /** The algorithm. */
  readonly consensus: string
  /** The storage. */
  readonly storage: string
  /** The hosts, in order. */
  readonly hosts: readonly HostView[]
}
