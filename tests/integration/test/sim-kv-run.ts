// Runs one schedule: faults and orders for a while, then everything is mended and the store has to
// come to rest as its map says, and then what clients saw is judged.
import type { ConsensusFactory, NodeId } from '@quorate/core'
import { isQuorateError } from '@quorate/core'
import type { Kv, KvClient, Placement } from '@quorate/kv'
import { SimKvClients } from './sim-kv-clients.ts'
import type { OperationCounts } from './sim-kv-clients.ts'
import type { Seen } from './sim-kv-history.ts'
import { judgeHistory, judgeWatch, kvHistory } from './sim-kv-history.ts'
import type { Order, Schedule } from './sim-kv-plan.ts'
import { settled } from './sim-kv-rest.ts'
import type { SimKv, SimKvOptions } from './sim-kv-store.ts'
import { groupOf, simKv } from './sim-kv-store.ts'

const RECOVERY_MS = 60_000
/** The last reads may take so long. */
const READ_BACK_MS = 20_000
/** A watch that lags behind may take so long. */
const WATCH_MS = 20_000
/** So long a host stays away whose groups slept. */
const AWAY_MS = 5_000
/** A leader is gone for so long at most before a sleeping group answers again. */
const AWOKEN_MS = 4_000

/** How a schedule ended. */
export interface ScheduleResult {
  readonly schedule: Schedule
  /** What went wrong, and when; `undefined` where nothing did. */
  readonly failure: { readonly error: unknown; readonly atMs: number } | undefined
  readonly traceHash: string
  readonly events: number
  readonly simulatedMs: number
  /** How long after the last fault the store had come to rest. */
  readonly restMs: number
  readonly operations: Readonly<OperationCounts>
  /** Whether the whole history was decided. */
  readonly decided: boolean
  /** What happened, by kind: faults, orders that were taken, completed moves. */
  readonly happened: Readonly<Record<string, number>>
}

/** Runs a schedule, on a storage that is handed in where there is one. */
export async function runSchedule(
  schedule: Schedule,
  storage?: SimKvOptions['storage'],
): Promise<ScheduleResult> {
  const marks = new Map<string, number>()
  const { consensus, ...rest } = schedule.algorithm
  const algorithm = { ...rest, consensus: marked(consensus, marks) }
  const store = await simKv({ ...schedule, algorithm, storage, balanceLeaders: true })
  return new Run(store, schedule, marks).run()
}

/** An algorithm whose coverage marks are counted. */
function marked(consensus: ConsensusFactory, marks: Map<string, number>): ConsensusFactory {
  const mark = (name: string): void => void marks.set(name, (marks.get(name) ?? 0) + 1)
  return {
    ...consensus,
    create: (init) => consensus.create({ ...init, tracer: { ...init.tracer, mark } }),
  }
}

class Run {
  readonly #store: SimKv
  readonly #schedule: Schedule
  readonly #marks: ReadonlyMap<string, number>
  readonly #clients: SimKvClients
  readonly #happened: Record<string, number> = {}
  readonly #destroyed = new Set<NodeId>()
  #watching: { readonly seen: Seen[]; from: number } | undefined
  #decided = true
  #restMs = 0

  constructor(store: SimKv, schedule: Schedule, marks: ReadonlyMap<string, number>) {
    this.#store = store
    this.#schedule = schedule
    this.#marks = marks
    this.#clients = new SimKvClients(store, kvHistory(), {
      thinkMs: schedule.thinkMs,
      embedded: 0.35,
      vanishing: 0.01,
      tagsStay: schedule.ranges?.tagsStay ?? true,
    })
  }

  async run(): Promise<ScheduleResult> {
    const { cluster, hosts } = this.#store
    const { durationMs, faults, orders, clients, sleep } = this.#schedule
    for (const id of hosts) cluster.start(id)
    cluster.plan(faults)
    for (const order of orders) cluster.after(order.atMs, () => this.#order(order))
    for (const { atMs, forMs } of sleep.lulls) {
      cluster.after(atMs, () => this.#clients.rest(forMs))
    }
    this.#clients.start(clients)
    this.#inBackground(this.#watch())
    await cluster.run(durationMs)
    let atMs = cluster.nowMs
    if (cluster.failure === undefined) {
      atMs = await this.#recover().catch((error: unknown) => {
        cluster.fail(error)
        return cluster.nowMs
      })
    }
    cluster.close()
    return this.#result(atMs)
  }

  #result(atMs: number): ScheduleResult {
    const { cluster } = this.#store
    const { failure } = cluster
    return {
      schedule: this.#schedule,
      failure: failure && { error: failure.error, atMs },
      traceHash: cluster.traceHash,
      events: cluster.events,
      simulatedMs: cluster.nowMs,
      restMs: this.#restMs,
      operations: this.#clients.counts,
      decided: this.#decided,
      happened: { ...cluster.faults, ...this.#happened, ...this.#slept() },
    }
  }

  /** Everything is mended; what is not gone for good must be as the map wants it, and serve. */
  async #recover(): Promise<number> {
    const { cluster } = this.#store
    const mendedMs = cluster.nowMs
    cluster.mend()
    const rest = this.#rest()
    let restedMs: number | undefined
    rest.then(
      () => (restedMs = cluster.nowMs),
      (error: unknown) => cluster.fail(error),
    )
    await cluster.run(mendedMs + RECOVERY_MS + READ_BACK_MS, () => restedMs !== undefined)
    if (cluster.failure !== undefined) return cluster.nowMs
    if (restedMs === undefined) throw new Error('the last reads were not answered')
    const last = await rest
    // A watch tells of everything soon: a poll whose answer was lost is made again.
    const toldMs = cluster.nowMs + WATCH_MS
    while (this.#missed(last) !== undefined && cluster.nowMs < toldMs)
      await cluster.run(cluster.nowMs + 250)
    if (cluster.failure !== undefined) return cluster.nowMs
    this.#judge(last)
    await cluster.compareStates()
    return cluster.nowMs
  }

  async #rest(): Promise<ReadonlyMap<string, number>> {
    const { cluster } = this.#store
    const client = await this.#clients.connect('last')
    const fromMs = cluster.nowMs
    await this.#makeRoom(client)
    let placement: Placement | undefined
    let why: string | undefined = 'nothing was looked at'
    let restedMs = 0
    for (;;) {
      ;({ placement, why } = await settled(this.#store, client, this.#destroyed))
      const { nowMs } = cluster
      if (why !== undefined) restedMs = 0
      else if (restedMs === 0) restedMs = nowMs
      // It has come to rest where it also stays as it is for a while.
      else if (nowMs - restedMs >= 300) break
      if (why === undefined) this.#clients.stop()
      // An order to pause can be on its way for long.
      if (placement?.paused === true) await this.#insist(() => client.admin.resume())
      if (nowMs - fromMs > RECOVERY_MS) {
        throw new Error(
          `the store did not come to rest in ${RECOVERY_MS} ms: ${why}; ${JSON.stringify(placement)}`,
        )
      }
      await this.#sleep(100)
    }
    this.#restMs = restedMs - fromMs
    this.#countChanges(placement?.shards ?? [])
    if (this.#schedule.sleep.hibernateAfterMs > 0) await this.#disturb(client)
    return this.#clients.readBack(client)
  }

  /** Groups that sleep answer soon, though a host is lost meanwhile that leads some of them. */
  async #disturb(client: KvClient): Promise<void> {
    const { cluster, hosts } = this.#store
    await this.#sleep(2 * this.#schedule.sleep.hibernateAfterMs + 1_000)
    const shard = this.#schedule.seed % this.#schedule.shards
    const leader = cluster.leaderOf(groupOf(shard))
    if (leader === undefined) return
    if (this.#schedule.seed % 2 === 0) {
      cluster.crash(leader, true)
      cluster.after(AWAY_MS, () => cluster.start(leader))
    } else {
      // Nobody is told at first: it is only silent.
      const order = [leader, ...hosts.filter((id) => id !== leader)]
      const lost = { atMs: 0, kind: 'partition', mode: 'isolate', host: leader, order } as const
      cluster.plan([{ ...lost, forMs: AWAY_MS }])
    }
    const fromMs = cluster.nowMs
    await this.#clients.writeAll(client)
    const tookMs = cluster.nowMs - fromMs
    this.#count('leaders lost asleep', 1)
    if (tookMs > AWOKEN_MS)
      throw new Error(`${leader} was lost asleep, and writes took ${tookMs.toFixed(0)} ms`)
  }

  /** How often groups fell asleep, and how often a follower doubted its leader. */
  #slept(): Readonly<Record<string, number>> {
    const { name } = this.#schedule.algorithm
    const asleep = this.#marks.get(`${name}/hibernation/asleep`) ?? 0
    const doubts = this.#marks.get(`${name}/hibernation/follower-woken`) ?? 0
    return { asleep, doubts }
  }

  /** What the map has come to, in changes. */
  #countChanges(shards: Placement['shards']): void {
    const { ranges } = this.#schedule
    const epochs = shards.reduce((sum, { epoch }) => sum + epoch - 1, 0)
    if (ranges === undefined) return this.#count('moved', epochs)
    const splits = shards.length - ranges.splits.length - 1
    const merges = shards.filter(({ range }) => range === undefined).length
    this.#count('ranges split', splits)
    this.#count('ranges merged', merges)
    // Each split and each merge gives two shards a new epoch.
    this.#count('moved', epochs - 2 * (splits + merges))
  }

  /** An operator sees to it that there are enough hosts to move to. */
  async #makeRoom(client: KvClient): Promise<void> {
    const { hosts } = this.#store
    await this.#insist(() => client.admin.resume())
    const { hosts: states } = await this.#insist(() => client.admin.placement())
    const live = hosts.filter((id) => !this.#destroyed.has(id))
    const active = live.filter((id) => states[id] === 'active')
    const others = live.filter((id) => states[id] !== 'active')
    for (const id of others.slice(0, Math.max(0, 3 - active.length))) {
      await this.#insist(() => client.admin.join(id))
    }
  }

  async #insist<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work()
      } catch (error) {
        if (!isQuorateError(error)) throw error
        await this.#sleep(100)
      }
    }
  }

  #judge(last: ReadonlyMap<string, number>): void {
    const { history } = this.#clients
    this.#clients.abandon()
    const { wrong, decided } = judgeHistory(history)
    this.#decided = decided
    if (wrong !== undefined) throw new Error(wrong)
    const missed = this.#missed(last)
    if (missed !== undefined) throw new Error(missed)
    if (this.#watching !== undefined) this.#count('watched to the end', 1)
  }

  /** What the watch should have shown by now and has not, in words. */
  #missed(last: ReadonlyMap<string, number>): string | undefined {
    if (this.#watching === undefined) return undefined
    const { seen, from } = this.#watching
    return judgeWatch(seen, this.#clients.history.written, from, last)
  }

  /** Follows every change from a client of its own, until changes are no longer held. */
  async #watch(): Promise<void> {
    const { cluster } = this.#store
    const client = await this.#clients.connect('watch')
    const seen: Seen[] = []
    try {
      const onStart = (): void => void (this.#watching = { seen, from: cluster.nowMs })
      for await (const { key, version, value } of client.watch({ prefix: '{', onStart })) {
        const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
        seen.push({ key: text(key), version, value: value && text(value) })
      }
    } catch (error) {
      if (!isQuorateError(error)) throw error
      this.#watching = undefined
      this.#count(`watch ended with ${error.code}`, 1)
    }
  }

  #order(order: Order): void {
    const { cluster, hosts } = this.#store
    if (order.kind === 'destroy') {
      this.#destroyed.add(order.host)
      cluster.destroy(order.host)
      return this.#count('destroy', 1)
    }
    if (order.kind === 'reset') {
      cluster.resetClients(order.host)
      return this.#count('reset', 1)
    }
    // Any host that is up passes an order on.
    const asked = hosts.map((id) => ({ id, kv: this.#store.kv(id) })).find(({ kv }) => kv)
    if (asked?.kv === undefined) return
    const { id, kv } = asked
    cluster.enter(id, () => this.#inBackground(this.#ask(kv, order)))
  }

  async #ask(kv: Kv, order: Order): Promise<void> {
    const options = { timeoutMs: 2_000 }
    const { admin } = kv
    try {
      switch (order.kind) {
        case 'move': {
          const { shard, voter } = await this.#voter(kv, order.shard, order.from)
          await admin.move(shard, voter, order.to, options)
          break
        }
        case 'lead': {
          const { shard, voter } = await this.#voter(kv, order.shard, order.to)
          await admin.transferLeader(shard, voter, options)
          break
        }
        case 'split':
        case 'merge':
          await admin[order.kind](order.key, options)
          break
        case 'pause':
        case 'resume':
          await admin[order.kind](options)
          break
        case 'join':
        case 'drain':
        case 'cordon':
        case 'leave':
          await admin[order.kind](order.host, options)
          break
        default:
      }
      this.#count(order.kind, 1)
    } catch (error) {
      // An operator's order may be refused in many ways; only a bug is no QuorateError.
      if (!isQuorateError(error)) throw error
    }
  }

  /** A shard and one of its voters; of ranges, those count that have come to be meanwhile. */
  async #voter(
    kv: Kv,
    nth: number,
    at: number,
  ): Promise<{ readonly shard: number; readonly voter: NodeId }> {
    const { shards } = await kv.admin.placement({ timeoutMs: 2_000 })
    const shard = this.#schedule.ranges === undefined ? nth : (nth * 7 + at) % shards.length
    const voters = shards[shard]?.voters ?? []
    return { shard, voter: voters[at % voters.length] as NodeId }
  }

  #inBackground(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.#store.cluster.fail(error))
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#store.cluster.after(ms, () => resolve()))
  }

  #count(what: string, by: number): void {
    this.#happened[what] = (this.#happened[what] ?? 0) + by
  }
}
