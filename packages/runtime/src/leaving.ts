// A replica that should not lead any longer, because its host is about to leave or because its disk
// has no room: what is pending ends, and somebody else is found to lead.
import type { AbortOptions, CallOptions, ConsensusStatus, GroupId, NodeId } from '@quorate/core'
import { findSuccessor } from './handover.ts'
import type { ReplicaContext } from './hosted-replica.ts'
import { RoomWatch } from './room-watch.ts'
import { within } from './waiting.ts'

/** How long a leader without room looks for another one at a time. */
const YIELD_MS = 2_000

/** What leaving needs of its replica. */
export interface LeavingOwner {
  /** The group. */
  readonly group: GroupId
  /** Whether it leads, and still takes part. */
  readonly leads: boolean
  /** Whether its disk is full, or nearly so. */
  readonly cramped: boolean
  /** How it stands. */
  consensus(): ConsensusStatus
  /** Resolves once no proposal is pending; `undefined` where none is. */
  pending(): Promise<void> | undefined
  /** Hands leadership to a voter. */
  transfer(to: NodeId, options: CallOptions): Promise<void>
}

/** What leaving needs of its host. */
export type LeavingContext = Pick<
  ReplicaContext,
  'clock' | 'calls' | 'reachable' | 'logger' | 'drainTimeoutMs'
>

/** How one replica leaves. */
export class Leaving {
  /** Whether its host is about to leave. */
  draining = false
  readonly #context: LeavingContext
  readonly #owner: LeavingOwner
  readonly #watch: RoomWatch

  /** Nothing happens before it is asked for. */
  constructor(context: LeavingContext, owner: LeavingOwner) {
    this.#context = context
    this.#owner = owner
    this.#watch = new RoomWatch(context.clock, {
      leadsWithoutRoom: () => owner.leads && owner.cramped,
      yieldLeadership: (signal) => this.#handOver(true, context.clock.now() + YIELD_MS, signal),
    })
  }

  /** Room or leadership may have gone: where both come together, others are asked to lead. */
  checkRoom(): void {
    this.#watch.check()
  }

  /** Ends what is pending and hands over, in bounded time. Never rejects. */
  async drain(options: AbortOptions): Promise<void> {
    this.draining = true
    const { clock, drainTimeoutMs, logger } = this.#context
    if (drainTimeoutMs === 0 || options.signal?.aborted) return
    const pending = this.#owner.pending()
    if (pending === undefined && !this.#owner.leads) return
    const stop = new AbortController()
    const until = clock.now() + drainTimeoutMs
    const work = Promise.resolve(pending).then(() => this.#handOver(false, until, stop.signal))
    const how = await within(clock, work, drainTimeoutMs, options)
    stop.abort()
    if (how !== 'late') return
    logger.warn({ group: this.#owner.group }, 'closing without having handed over in time')
  }

  /** Asks nobody any more. */
  close(): void {
    this.#watch.close()
  }

  /** Finds somebody else to lead. Never rejects. */
  async #handOver(needsRoom: boolean, until: number, signal: AbortSignal): Promise<void> {
    const { clock, calls, reachable, logger } = this.#context
    const owner = this.#owner
    const { group } = owner
    const options = (): CallOptions => ({ signal, timeoutMs: Math.max(1, until - clock.now()) })
    if (signal.aborted || !owner.leads) return
    try {
      const ask = calls.call.bind(calls)
      const status = owner.consensus()
      const successor = await findSuccessor({ status, group, reachable, ask, needsRoom }, options())
      if (successor === undefined || signal.aborted || !owner.leads) return
      await owner.transfer(successor, options())
    } catch (error) {
      if (!signal.aborted) logger.info({ group, error }, 'leadership was not handed over')
    }
  }
}
