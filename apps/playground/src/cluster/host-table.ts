// Where each host of a cluster is reached, as one host knows it: begun from its options, grown by
// the hosts that join later, and kept in a file, since a restart finds them nowhere else.
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { QuorateError, compareIds, isId } from '@quorate/core'
import { CommandEnd } from '../output/exit-codes.ts'

/** Where one host is reached by others. */
export interface HostEntry {
  /** Its name. */
  readonly id: string
  /** Its address for hosts; empty where only its own options know. */
  readonly peer: string
  /** When it joined or left, in milliseconds since 1970; 0 for a host that was there at the beginning. */
  readonly stamp: number
  /** Whether it has left for good. */
  readonly gone?: boolean | undefined
}

/** What a host must know to take part, besides its own options. */
export interface ClusterPlan {
  /** The cluster's name. */
  readonly cluster: string
  /** The algorithm. */
  readonly consensus: string
  /** How many shards there are. */
  readonly shards: number
  /** How many replicas each has. */
  readonly replicas: number
  /** The hosts that the cluster began with: they say where each shard was at first. */
  readonly members: readonly string[]
}

/** What somebody takes a cluster for: any of the options that are the same for all hosts. */
export type ExpectedPlan = Partial<Omit<ClusterPlan, 'members'>>

/**
 * Checks that a cluster is what somebody takes it for.
 *
 * @throws QuorateError `INVALID_OPTIONS`, naming the first option that is not so
 */
export function checkExpected(expected: ExpectedPlan, plan: ClusterPlan): void {
  for (const name of ['cluster', 'consensus', 'shards', 'replicas'] as const) {
    if (expected[name] === undefined || expected[name] === plan[name]) continue
    throw new QuorateError(
      'INVALID_OPTIONS',
      `the cluster has --${name} ${plan[name]}, not ${expected[name]}; with --join it need not be said`,
    )
  }
}

/** What the file says. */
export interface HostFile {
  /** What the cluster is. */
  readonly plan: ClusterPlan
  /** The port for other hosts, of a host that has joined. */
  readonly peerPort: number
  /** The port for clients, likewise. */
  readonly clientPort: number
  /** The hosts. */
  readonly hosts: readonly HostEntry[]
}

/** Takes over what is newer in `news`; returns the new table and what changed. */
export function mergeHosts(
  known: readonly HostEntry[],
  news: readonly HostEntry[],
): { readonly hosts: readonly HostEntry[]; readonly changed: readonly HostEntry[] } {
  const byId = new Map(known.map((entry) => [entry.id, entry]))
  const changed = news.filter(({ id, stamp }) => {
    const before = byId.get(id)
    return before === undefined || stamp > before.stamp
  })
  for (const entry of changed) byId.set(entry.id, entry)
  return { hosts: [...byId.values()].sort((a, b) => compareIds(a.id, b.id)), changed }
}

/** Whether something that came from elsewhere is an entry. */
export function isHostEntry(value: unknown): value is HostEntry {
  if (typeof value !== 'object' || value === null) return false
  const { id, peer, stamp, gone } = value as Partial<Record<keyof HostEntry, unknown>>
  return (
    isId(id) &&
    typeof peer === 'string' &&
    (peer === '' || (/^wss?:\/\/./.test(peer) && URL.canParse(peer))) &&
    Number.isSafeInteger(stamp) &&
    (gone === undefined || typeof gone === 'boolean')
  )
}

/** Whether something that came from elsewhere is a plan. */
export function isClusterPlan(value: unknown): value is ClusterPlan {
  if (typeof value !== 'object' || value === null) return false
  const { cluster, consensus, shards, replicas, members } = value as Partial<
    Record<keyof ClusterPlan, unknown>
  >
  return (
    isId(cluster) &&
    typeof consensus === 'string' &&
    Number.isSafeInteger(shards) &&
    Number.isSafeInteger(replicas) &&
    Array.isArray(members) &&
    members.every(isId)
  )
}

/** Reads a host's file; `undefined` where there is none. */
export async function readHostFile(path: string): Promise<HostFile | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  try {
    const { plan, peerPort, clientPort, hosts } = JSON.parse(text) as Partial<HostFile>
    const ports = [peerPort, clientPort].every(Number.isSafeInteger)
    if (ports && isClusterPlan(plan) && Array.isArray(hosts) && hosts.every(isHostEntry)) {
      return { plan, peerPort: Number(peerPort), clientPort: Number(clientPort), hosts }
    }
  } catch {
    // Told below, as for JSON of another shape.
  }
  throw new CommandEnd(
    'config',
    `${path} is damaged: remove it; the host learns again from the others what it said`,
  )
}

/** Writes a host's file, all of it or nothing. */
export async function writeHostFile(path: string, file: HostFile): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await writeFile(`${path}.tmp`, `${JSON.stringify(file, null, 2)}\n`, { mode: 0o600 })
  await rename(`${path}.tmp`, path)
}
