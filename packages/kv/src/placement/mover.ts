// Carries out and plans moves, on the leader of the map's group. Each look goes by what is there:
// whoever leads next goes on where the last one stopped, whatever had been done or not.
import { QuorateError, decodeUtf8 } from '@quorate/core'
import type { CallOptions, Counter, Gauge, NodeId, Replica, ShardId, Timer } from '@quorate/core'
import type { Store } from '../store/store.ts'
import type { AdminRequest, GroupView } from './admin.ts'
import { encodeAdmin } from './admin.ts'
import type { Keeper } from './keeper.ts'
import { planLeaders, planMoves } from './planner.ts'
import { decodeChangeResult, encodeChange } from './state.ts'
import { forgetGiven, runHandover } from './handover-run.ts'
import { isBusy } from './handovers.ts'
import { lookAfterMap } from './map-mover.ts'
import { pace } from './pace.ts'
import type { Pace } from './pace.ts'
import type { RangeOptions } from './range-planner.ts'
import { Ranges } from './ranges.ts'
import type {
  Placement,
  PlacementCommand,
  PlacementMachine,
  ShardMove,
  ShardPlacement,
} from './state.ts'

const STEP_TIMEOUT_MS = 5_000
const HANDOVERS_MAX = 2

/** What moves go by. */
export interface MoverOptions {
  /** How often the placement is looked at, in milliseconds. Default 1,000. */
  readonly intervalMs?: number | undefined
  /**
   * A host that has not been reached for so many milliseconds is suspect: status and metrics say so,
   * it gets no replicas, and while more than a third of the hosts are suspect none is replaced.
   * Default 500.
   */
  readonly suspectAfterMs?: number | undefined
  /** A host that has not been reached for so many milliseconds is replaced. Default 300,000 (5 min). */
  readonly replaceAfterMs?: number | undefined
  /** Most moves under way. Default 4. */
  readonly movesMax?: number | undefined
  /** Most moves under way that bring a replica to one host, or take one from it. Default 2. */
  readonly movesPerHostMax?: number | undefined
  /** A new replica becomes a voter once it is at most so many entries behind. Default 64. */
  readonly lagEntriesMax?: number | undefined
  /** Whether leadership is spread evenly. Default `true`. */
  readonly balanceLeaders?: boolean | undefined
  /**
   * Most bytes a second that moves, splits and merges copy in all, on average: the bytes of a shard
   * count when a new replica of it begins to learn. Default: no bound.
   */
  readonly moveBytesPerSecond?: number | undefined
  /** When ranges are split and merged by themselves; `false`: never. Default: by their size and load. */
  readonly ranges?: RangeOptions | false | undefined
}

/** What a mover is made of. */
export interface MoverContext {
  /** The store. */
  readonly store: Store
  /** This host's view of the map. */
  readonly keeper: Keeper
  /** This host's replica of the map's group. */
  readonly map: { readonly replica: Replica; readonly machine: PlacementMachine }
  /** How many replicas each shard should have. */
  readonly replicas: number
  /** How many hosts should hold the map. */
  readonly mapHostsAsked: number
  /** What it goes by. */
  readonly options: MoverOptions
}

/** Looks after the placement while this host leads the map's group. */
export class Mover {
  readonly #context: MoverContext
  /** When each host was last reached, on the monotonic clock. */
  readonly #seen = new Map<NodeId, number>()
  readonly #moving: Gauge
  readonly #copied: Counter
  readonly #pace: Pace
  readonly #ranges: Ranges | undefined
  #timer: Timer | undefined
  #looking: Promise<void> | undefined
  #leading = false
  /** No shard below this one is the next without a replica here to be looked into. */
  #asked = 0
  #closed = false
  readonly #stop = new AbortController()
  /** Handovers that are being carried out, by the shard that gives; they take longer than a look. */
  readonly #handovers = new Map<ShardId, Promise<void>>()

  constructor(context: MoverContext) {
    this.#context = context
    const { metrics } = context.store.host
    const labels = { store: context.store.name }
    this.#moving = metrics.gauge('kv_moves_pending_count', 'moves of replicas under way', labels)
    this.#copied = metrics.counter(
      'kv_move_copied_bytes_total',
      'bytes that moves, splits and merges have begun to copy',
      labels,
    )
    const { options, store } = context
    const { moveBytesPerSecond = Number.POSITIVE_INFINITY, ranges } = options
    this.#pace = pace(store.host.clock, moveBytesPerSecond)
    const change = (command: PlacementCommand): Promise<void> => this.#change(command)
    this.#ranges =
      ranges === false ? undefined : new Ranges({ store, options: ranges ?? {}, change })
    this.#schedule()
  }

  /** Stops looking and waits for what is under way, which ends soon. */
  async close(): Promise<void> {
    this.#closed = true
    this.#stop.abort()
    this.#timer?.cancel()
    await this.#looking
    await Promise.all(this.#handovers.values())
  }

  #schedule(): void {
    if (this.#closed) return
    const { options, store } = this.#context
    this.#timer = store.host.clock.setTimer(options.intervalMs ?? 1_000, () => {
      this.#looking = this.#look().then(() => this.#schedule())
    })
  }

  async #look(): Promise<void> {
    const { map, store } = this.#context
    const leads = map.replica.consensus().role === 'leader'
    // A new leader has seen nobody yet: everybody gets the whole time anew.
    if (leads && !this.#leading) {
      this.#seen.clear()
      this.#ranges?.reset()
    }
    this.#leading = leads
    // Only the one that leads counts: what it counted before is no longer so.
    if (!leads) return this.#moving.set(0)
    try {
      await map.replica.readBarrier('quorum', this.#options())
      const dead = this.#dead(map.machine.placement)
      this.#measure(map.machine.placement)
      await this.#lookAfterMap(map.machine.placement, dead)
      this.#handOver(map.machine.placement)
      await this.#carryOut(map.machine.placement, dead)
      if (!map.machine.placement.paused) await this.#plan(map.machine.placement, dead)
      await this.#lookAtGroups(map.machine.placement)
      await this.#spreadLeaders(map.machine.placement)
      if (!map.machine.placement.paused) await this.#ranges?.look(map.machine.placement)
    } catch (error) {
      store.host.logger.debug({ error }, 'the placement could not be looked after this time')
    }
  }

  /** The hosts that have not been reached for too long. */
  #dead(placement: Placement): ReadonlySet<NodeId> {
    const { store, options } = this.#context
    const now = store.host.clock.now()
    const dead = new Set<NodeId>()
    for (const id of Object.keys(placement.hosts)) {
      const seen = this.#seen.get(id)
      if (seen === undefined || store.host.reachable(id)) this.#seen.set(id, now)
      else if (now - seen >= (options.replaceAfterMs ?? 300_000)) dead.add(id)
    }
    return dead
  }

  #measure({ shards }: Placement): void {
    this.#moving.set(shards.filter(({ move }) => move !== undefined).length)
  }

  async #carryOut(placement: Placement, dead: ReadonlySet<NodeId>): Promise<void> {
    await Promise.all(
      placement.shards.map(async ({ move }, shard) => {
        if (move === undefined) return
        try {
          await this.#step(shard, move, dead)
        } catch (error) {
          this.#context.store.host.logger.debug({ shard, error }, 'a move waits')
        }
      }),
    )
  }

  async #lookAfterMap(placement: Placement, dead: ReadonlySet<NodeId>): Promise<void> {
    const { keeper, map, options, store } = this.#context
    try {
      await lookAfterMap(
        {
          keeper,
          replica: map.replica,
          lagEntriesMax: options.lagEntriesMax ?? 64,
          asked: this.#context.mapHostsAsked,
          signal: this.#stop.signal,
          reachable: (id) => this.#reachable(id),
          change: (command) => this.#change(command),
        },
        placement,
        dead,
        store.suspects(),
      )
    } catch (error) {
      store.host.logger.debug({ error }, 'the hosts of the map stay as they are for now')
    }
  }

  /** Goes on with handovers that nobody here is at. */
  #handOver({ shards }: Placement): void {
    const { store } = this.#context
    const context = {
      router: store.router,
      pace: async (bytes: number) => {
        await this.#pace.wait(bytes)
        this.#copied.add(bytes)
      },
      change: (command: PlacementCommand) => this.#change(command),
      isStopped: () => this.#closed,
    }
    for (const [shard, held] of shards.entries()) {
      const { handover, forgetting } = held
      if (this.#handovers.has(shard) || this.#handovers.size >= HANDOVERS_MAX) continue
      if (handover === undefined && forgetting === undefined) continue
      const receiver = shards[handover?.to ?? shard] as ShardPlacement
      const run =
        forgetting === undefined
          ? runHandover(context, shard, held, receiver)
          : forgetGiven(context, shard, forgetting)
      const ended = run
        .catch((error: unknown) => {
          store.host.logger.debug({ shard, error }, 'a handover waits')
        })
        .finally(() => this.#handovers.delete(shard))
      this.#handovers.set(shard, ended)
    }
  }

  /** Takes a move as far as it goes now: learner, caught up, swapped, completed. */
  async #step(shard: ShardId, move: ShardMove, dead: ReadonlySet<NodeId>): Promise<void> {
    const { keeper, options } = this.#context
    const group = await this.#group(shard)
    const { membership, behind } = group
    if (!group.settled || !(await this.#isStill(shard, move))) return
    const { voters, learners, version } = membership
    const missing = move.to.filter((id) => !voters.includes(id))
    if (missing.length > 0 && (await this.#givenUp(shard, move, group, dead))) return
    await Promise.all(
      missing.map((id) => keeper.ask(id, { op: 'prepare', shard }, STEP_TIMEOUT_MS)),
    )
    if (missing.some((id) => !learners.includes(id))) {
      const bytes = group.bytes * missing.filter((id) => !learners.includes(id)).length
      if (!this.#pace.take(bytes)) return
      this.#copied.add(bytes)
      const all = [...new Set([...learners, ...missing])]
      await this.#onShard(shard, { op: 'membership', shard, voters, learners: all, version })
      return
    }
    const lagMax = options.lagEntriesMax ?? 64
    if (missing.some((id) => (behind[id] ?? Number.POSITIVE_INFINITY) > lagMax)) return
    if (!move.to.includes(group.leader)) {
      // The leader goes first, so that nobody waits for an election.
      const stays = voters.find((id) => move.to.includes(id) && this.#reachable(id))
      if (stays !== undefined) {
        await this.#onShard(shard, { op: 'transfer', shard, to: stays })
        return
      }
    }
    const same = missing.length === 0 && voters.length === move.to.length && learners.length === 0
    if (!same) {
      const target = { voters: move.to, learners: [] }
      await this.#onShard(shard, { op: 'membership', shard, ...target, version })
    }
    const held = this.#context.map.machine.placement.shards[shard]
    // Whoever leads the map by now may have completed it: the next epoch is not this move's any more.
    if (held?.move?.id !== move.id) return
    await this.#onShard(shard, { op: 'fence', shard, epoch: held.epoch + 1 })
    await this.#change({ type: 'complete', shard, move: move.id })
  }

  /**
   * Whether a move is under way still, later than its group was looked at: who led the map once and
   * has not heard of the end of a move would take its steps in a group that has moved on.
   */
  async #isStill(shard: ShardId, move: ShardMove): Promise<boolean> {
    const { replica, machine } = this.#context.map
    await replica.readBarrier('quorum', this.#options())
    return machine.placement.shards[shard]?.move?.id === move.id
  }

  /**
   * Gives a move up before anything was swapped: a repair where the host that had failed is back, and
   * any move whose new host has failed.
   */
  async #givenUp(
    shard: ShardId,
    move: ShardMove,
    group: GroupView,
    dead: ReadonlySet<NodeId>,
  ): Promise<boolean> {
    const { voters, learners, version } = group.membership
    const back = move.dead !== undefined && voters.includes(move.dead) && this.#reachable(move.dead)
    if (!back && !move.to.some((id) => !voters.includes(id) && dead.has(id))) return false
    const kept = learners.filter((id) => !move.to.includes(id))
    if (kept.length < learners.length) {
      await this.#onShard(shard, { op: 'membership', shard, voters, learners: kept, version })
    }
    await this.#change({ type: 'cancel', shard, move: move.id })
    return true
  }

  async #plan(placement: Placement, dead: ReadonlySet<NodeId>): Promise<void> {
    const { options, replicas, store } = this.#context
    const underWay = placement.shards.filter(({ move }) => move !== undefined).length
    const room = (options.movesMax ?? 4) - underWay
    if (room <= 0) return
    const movesPerHostMax = options.movesPerHostMax ?? 2
    const suspects = store.suspects()
    const planned = planMoves(placement, { dead, suspects, replicas, movesPerHostMax })
    for (const { shard, epoch, to, reason, dead: failed } of planned.slice(0, room)) {
      await this.#change({ type: 'plan', shard, epoch, to, reason, dead: failed })
    }
  }

  async #spreadLeaders(placement: Placement): Promise<void> {
    const { options } = this.#context
    const busy = placement.shards.some(isBusy)
    if (options.balanceLeaders === false || placement.paused || busy) return
    const leaders = placement.shards.map((_, shard) => this.#leaderOf(shard))
    const transfer = planLeaders(placement, leaders, (id) => this.#reachable(id))
    if (transfer === undefined) return
    const { shard, to } = transfer
    const { leader } = await this.#group(shard)
    if (leader === transfer.from) await this.#onShard(shard, { op: 'transfer', shard, to })
  }

  /** A replica here knows its leader; elsewhere it is whoever was met as such last. */
  #leaderOf(shard: ShardId): NodeId | undefined {
    const { store } = this.#context
    return store.replica(shard)?.replica.consensus().leader ?? store.routes.route(shard).leader
  }

  /**
   * Looks into shards that nothing is under way for: all whose replica here has learners, and one of
   * those that have none here, whose leader is only known by hearsay.
   */
  async #lookAtGroups({ shards }: Placement): Promise<void> {
    const { store } = this.#context
    const resting = [...shards.keys()].filter((shard) => {
      const held = shards[shard] as ShardPlacement
      return held.voters.length > 0 && !isBusy(held)
    })
    const away = resting.filter((shard) => store.replica(shard) === undefined)
    const next = away.find((shard) => shard >= this.#asked) ?? away[0]
    if (next !== undefined) this.#asked = next + 1
    for (const shard of resting) {
      const here = store.replica(shard)?.replica.consensus()
      if (shard !== next && !here?.membership.learners.length) continue
      try {
        const group = await this.#group(shard)
        if (here === undefined) store.routes.route(shard).leader = group.leader
        await this.#removeStrays(shard, group)
      } catch (error) {
        store.host.logger.debug({ shard, error }, 'a shard was not looked into this time')
      }
    }
  }

  /** A learner that came late, after its move had been given up, belongs to no move any more. */
  async #removeStrays(shard: ShardId, { membership, settled }: GroupView): Promise<void> {
    const { voters, learners, version } = membership
    if (!settled || learners.length === 0) return
    await this.#onShard(shard, { op: 'membership', shard, voters, learners: [], version })
  }

  /** Nothing that is asked for outlives this: without a quorum it would keep a host from closing. */
  #options(): CallOptions {
    return { timeoutMs: STEP_TIMEOUT_MS, signal: this.#stop.signal }
  }

  #reachable(id: NodeId): boolean {
    return this.#context.store.host.reachable(id)
  }

  async #group(shard: ShardId): Promise<GroupView> {
    const bytes = await this.#onShard(shard, { op: 'group', shard })
    return JSON.parse(decodeUtf8(bytes)) as GroupView
  }

  #onShard(shard: ShardId, request: AdminRequest): Promise<Uint8Array> {
    const { router, routes } = this.#context.store
    const what = `${request.op} of shard ${shard}`
    return router.admin(routes.route(shard), encodeAdmin(request), this.#options(), what)
  }

  async #change(command: PlacementCommand): Promise<void> {
    const { replica } = this.#context.map
    const bytes = await replica.propose(encodeChange(command), this.#options())
    const result = decodeChangeResult(bytes)
    if (!result.ok) throw new QuorateError('CONFLICT', result.message)
  }
}
