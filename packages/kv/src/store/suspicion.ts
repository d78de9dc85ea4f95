// Which hosts cannot be reached at the moment. It is said soon and costs nothing: whoever is suspect
// gets nothing new, and only much later is what it holds made anew elsewhere.
import type { Gauge, NodeId, Timer } from '@quorate/core'
import type { Host } from '@quorate/runtime'

const LOOK_EVERY_MS = 250
const SUSPECT_AFTER_MS = 500

/** What suspicion is made of. */
export interface SuspicionContext {
  /** The host. */
  readonly host: Host
  /** The store's name. */
  readonly store: string
  /** A host that cannot be reached for so many milliseconds is suspect. Default 500. */
  readonly suspectAfterMs?: number | undefined
  /** The hosts of the store. */
  hosts(): readonly NodeId[]
}

/** Keeps an eye on the other hosts. */
export class Suspicion {
  readonly #context: SuspicionContext
  readonly #gauge: Gauge
  readonly #stop: () => void
  /** Since when each host has not been reached, on the monotonic clock. */
  readonly #away = new Map<NodeId, number>()
  #timer: Timer | undefined

  constructor(context: SuspicionContext) {
    this.#context = context
    const { host, store } = context
    this.#gauge = host.metrics.gauge(
      'kv_hosts_suspect_count',
      'hosts of the store that this host has not reached for a while',
      { store },
    )
    this.#stop = host.on('peer', () => void this.suspects())
    this.#again()
  }

  /** The hosts that are suspect now. */
  suspects(): ReadonlySet<NodeId> {
    const { host, hosts, suspectAfterMs = SUSPECT_AFTER_MS } = this.#context
    const now = host.clock.now()
    const suspects = new Set<NodeId>()
    const all = hosts()
    for (const id of this.#away.keys()) if (!all.includes(id)) this.#away.delete(id)
    for (const id of all) {
      if (host.reachable(id)) {
        this.#away.delete(id)
        continue
      }
      const since = this.#away.get(id) ?? now
      this.#away.set(id, since)
      if (now - since >= suspectAfterMs) suspects.add(id)
    }
    this.#gauge.set(suspects.size)
    return suspects
  }

  /** Ends it. */
  close(): void {
    this.#stop()
    this.#timer?.cancel()
  }

  #again(): void {
    this.#timer = this.#context.host.clock.setTimer(LOOK_EVERY_MS, () => {
      this.suspects()
      this.#again()
    })
  }
}
