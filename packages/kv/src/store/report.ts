// How the replicas of one host stand, and how the reports of all hosts become one picture. Reports
// are read by people and dashboards, so they travel as JSON.
import { QuorateError, decodeUtf8, encodeUtf8 } from '@quorate/core'
import type { NodeId, ShardId } from '@quorate/core'
import { rangeJson } from '../machine/key-range.ts'
import type { Route } from '../routing/routes.ts'
import type { HostStatus, KvStatus, ShardReplicaStatus, ShardStatus } from '../kv.ts'

/** How one replica stands, as its host reports it. */
export interface ReplicaReport extends ShardReplicaStatus {
  /** The shard. */
  readonly shard: ShardId
  /** The name of its group. */
  readonly group: string
  /** The shard's epoch, as far as it has applied. */
  readonly epoch: number
  /** The leader that it knows of. */
  readonly leader: NodeId | undefined
  /** The epoch of that leader's reign. */
  readonly term: number
  /** The voters that it knows of. */
  readonly voters: readonly NodeId[]
  /** The learners that it knows of. */
  readonly learners: readonly NodeId[]
  /** How many keys it has. */
  readonly keys: number
  /** Bytes of keys and values. */
  readonly bytes: number
  /** How many commands and reads have come to it since it started. */
  readonly requests: number
}

/** How one host stands. */
export interface HostReport {
  /** The host. */
  readonly host: NodeId
  /** Where clients connect to it. */
  readonly address: string | undefined
  /** Its replicas, by shard. */
  readonly replicas: readonly ReplicaReport[]
}

/** What a status is put together from. */
export interface StatusParts {
  /** The name of the store. */
  readonly name: string
  /** The cluster. */
  readonly cluster: string
  /** The version of the map. */
  readonly mapVersion: number
  /** The hosts that should answer. */
  readonly hosts: readonly NodeId[]
  /** Those of them that cannot be reached by whoever was asked. */
  readonly suspects: ReadonlySet<NodeId>
  /** The reports that came. */
  readonly reports: readonly HostReport[]
  /** How many replicas each shard should have. */
  readonly replicas: number
  /** The shards, and the hosts that should hold them. */
  readonly shards: readonly Route[]
  /** Whether shards are sorted ranges of keys. */
  readonly ranged: boolean
  /** The name of a shard's group. */
  group(shard: ShardId): string
}

/** One picture of all reports. */
export function statusOf(parts: StatusParts): KvStatus {
  const byShard = new Map<ShardId, ReplicaReport[]>()
  for (const report of parts.reports) {
    for (const replica of report.replicas) {
      const list = byShard.get(replica.shard)
      if (list === undefined) byShard.set(replica.shard, [replica])
      else list.push(replica)
    }
  }
  const shards = parts.shards
    // A range that was merged into another is remembered for its sessions alone.
    .filter(({ range }) => !parts.ranged || range !== undefined)
    .map((route) => shardStatus(route, parts, byShard.get(route.shard) ?? []))
  const { name, cluster, mapVersion } = parts
  const hosts = parts.hosts.map((id): HostStatus => {
    const report = parts.reports.find(({ host }) => host === id)
    return {
      id,
      reachable: report !== undefined,
      suspect: parts.suspects.has(id),
      address: report?.address,
      leads: shards.filter(({ leader }) => leader === id).length,
      replicas: report?.replicas.length ?? 0,
    }
  })
  return { name, cluster, mapVersion, hosts, shards }
}

function shardStatus(
  { shard, members: owners, range }: Route,
  parts: StatusParts,
  replicas: readonly ReplicaReport[],
): ShardStatus {
  const sorted = replicas.toSorted((a, b) => (a.host < b.host ? -1 : 1))
  // A leader that was cut off may not know it yet: the greatest term says who leads.
  const leading = sorted
    .filter(({ role }) => role === 'leader')
    .toSorted((a, b) => b.term - a.term)[0]
  const furthest = sorted.toSorted((a, b) => b.appliedIndex - a.appliedIndex)[0]
  const best = leading ?? furthest
  return {
    shard,
    group: parts.group(shard),
    epoch: best?.epoch ?? 0,
    leader: leading?.host,
    term: best?.term ?? 0,
    voters: best?.voters ?? [],
    learners: best?.learners ?? [],
    owners,
    underReplicated: present(best, sorted) < parts.replicas,
    replicas: sorted.map(({ host, role, appliedIndex, commitIndex, lastIndex, sessions }) => ({
      host,
      role,
      appliedIndex,
      commitIndex,
      lastIndex,
      sessions,
    })),
    keys: best?.keys ?? 0,
    bytes: best?.bytes ?? 0,
    requests: sorted.reduce((sum, { requests }) => sum + requests, 0),
    ...(range === undefined ? {} : { range: rangeJson(range) }),
  }
}

/** How many of a shard's voters answered. */
function present(best: ReplicaReport | undefined, all: readonly ReplicaReport[]): number {
  return all.filter(({ host }) => best?.voters.includes(host) === true).length
}

/** A report or status as bytes. */
export function encodeJson(value: HostReport | KvStatus): Uint8Array {
  return encodeUtf8(JSON.stringify(value))
}

/**
 * Reads a report.
 *
 * @throws QuorateError `MALFORMED`
 */
export function decodeReport(bytes: Uint8Array): HostReport {
  const report = parse(bytes) as Partial<HostReport>
  if (typeof report.host !== 'string' || !Array.isArray(report.replicas)) throw malformed()
  return report as HostReport
}

/**
 * Reads a status.
 *
 * @throws QuorateError `MALFORMED`
 */
export function decodeStatus(bytes: Uint8Array): KvStatus {
  const status = parse(bytes) as Partial<KvStatus>
  if (typeof status.name !== 'string' || !Array.isArray(status.shards)) throw malformed()
  return status as KvStatus
}

function parse(bytes: Uint8Array): object {
  let value: unknown
  try {
    value = JSON.parse(decodeUtf8(bytes))
  } catch (cause) {
    throw malformed(cause)
  }
  if (typeof value !== 'object' || value === null) throw malformed()
  return value
}

function malformed(cause?: unknown): QuorateError {
  return new QuorateError('MALFORMED', 'a status that cannot be read', { cause })
}
