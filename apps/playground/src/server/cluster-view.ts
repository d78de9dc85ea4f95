// The state of a whole cluster as the dashboard shows it: what the store knows of its shards, and
// what each host says of its process.
import type { CallOptions, NodeId } from '@quorate/core'
import { decodeUtf8, encodeUtf8 } from '@quorate/core'
import type { Kv } from '@quorate/kv'
import type { Host } from '@quorate/runtime'
import { readOverview } from '../cluster/overview.ts'
import type { ClusterView, HostView, ProcessView } from './view.ts'

const SERVICE = 'playground-process'
const TIMEOUT_MS = 1_000
const SILENT: ProcessView = { pid: 0, upSeconds: 0, memoryBytes: 0 }

function ownProcess(): ProcessView {
  return {
    pid: process.pid,
    upSeconds: Math.round(process.uptime()),
    memoryBytes: process.memoryUsage.rss(),
  }
}

/** Lets other hosts ask for this process; returns how to gather the view of all. */
export function createClusterView(
  host: Host,
  kv: Kv,
  choice: { readonly consensus: string; readonly storage: string },
): (options?: CallOptions) => Promise<ClusterView> {
  host.serve(SERVICE, () => encodeUtf8(JSON.stringify(ownProcess())))

  const processOf = async (id: NodeId, reachable: boolean): Promise<ProcessView> => {
    if (!reachable) return SILENT
    try {
      const answer = await host.call(id, SERVICE, new Uint8Array(0), { timeoutMs: TIMEOUT_MS })
      return JSON.parse(decodeUtf8(answer)) as ProcessView
    } catch {
      // It went away between the two questions: the next view says so.
      return SILENT
    }
  }

  return async (options) => {
    const timeoutMs = options?.timeoutMs ?? TIMEOUT_MS
    const { status, overview } = await readOverview(kv, timeoutMs)
    const processes = await Promise.all(
      overview.hosts.map(({ id, reachable }) => processOf(id, reachable)),
    )
    const hosts = overview.hosts.map((member, at): HostView => {
      const { id, state, reachable, address, shards: holds } = member
      const shards = status.shards.flatMap(({ shard, term, keys, replicas }) =>
        replicas
          .filter((replica) => replica.host === id)
          .map(({ role, commitIndex, appliedIndex }) => ({
            shard,
            role,
            epoch: term,
            commitIndex,
            appliedIndex,
            keys,
          })),
      )
      return { id, state, reachable, address, shards, holds, ...(processes[at] ?? SILENT) }
    })
    const { underReplicated, leaderless, moves, paused, mapError } = overview
    const { cluster } = status
    return { cluster, ...choice, hosts, underReplicated, leaderless, moves, paused, mapError }
  }
}
