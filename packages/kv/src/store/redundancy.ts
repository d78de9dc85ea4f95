// Whether every shard with a replica here has the replicas that it should have, told as a metric at
// once: when a connection is lost or made, and otherwise twice a second.
import type { Gauge, Replica, Timer, Unsubscribe } from '@quorate/core'
import type { Host } from '@quorate/runtime'

const LOOK_EVERY_MS = 500

/** What redundancy is watched with. */
export interface RedundancyContext {
  /** The host. */
  readonly host: Host
  /** The store's name. */
  readonly store: string
  /** How many replicas each shard should have. */
  readonly replicas: number
  /** This host's replicas. */
  held(): Iterable<Replica>
}

/** Keeps the metric; ends with what is returned. */
export function watchRedundancy(context: RedundancyContext): Unsubscribe {
  const { host, store, replicas, held } = context
  const gauge: Gauge = host.metrics.gauge(
    'kv_shards_under_replicated_count',
    'shards with a replica on this host that fewer voters answer for than there should be',
    { store },
  )
  const look = (): void => {
    let short = 0
    for (const replica of held()) if (answering(host, replica) < replicas) short++
    gauge.set(short)
  }
  let timer: Timer
  const again = (): void => {
    timer = host.clock.setTimer(LOOK_EVERY_MS, () => {
      look()
      again()
    })
  }
  const stop = host.on('peer', look)
  again()
  return () => {
    stop()
    timer.cancel()
  }
}

/** How many voters of a group answer, as far as this host can know. */
function answering(host: Host, replica: Replica): number {
  const { membership, peers, role } = replica.consensus()
  let count = 0
  for (const id of membership.voters) {
    if (id !== replica.id && !host.reachable(id)) continue
    // A host can be there without its replica: a leader notices that nothing answers.
    const silent = role === 'leader' && peers.some((peer) => peer.id === id && !peer.active)
    if (!silent) count++
  }
  return count
}
