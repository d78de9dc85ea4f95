// Every step of a plan, and every host crashed just before it is durable, just after, and once others
// know of it: the durable events of a plan are counted in a run without crashes, and then each is
// visited again.
import type { NodeId } from '@quorate/core'
import { createRandom, isQuorateError } from '@quorate/core'
import type { KvClient, Placement } from '@quorate/kv'
import type { DurableEvent } from '@quorate/sim'
import { SimKvClients } from './sim-kv-clients.ts'
import { judgeHistory, kvHistory } from './sim-kv-history.ts'
import type { AlgorithmName } from './sim-kv-plan.ts'
import { drawAlgorithm } from './sim-kv-plan.ts'
import { settled } from './sim-kv-rest.ts'
import type { SimKv } from './sim-kv-store.ts'
import { MAP_GROUP, groupOf, simKv } from './sim-kv-store.ts'

const MEMBERS = ['h1', 'h2', 'h3'] as const
const SPARE = 'h4'
const DOWN_MS = 250
const UNTIL_MS = 30_000

/** What is done to the store. */
export interface PlanScenario {
  readonly name: string
  readonly shards: number
  /** Gives the orders; resolves with the host that is to end up without a replica of shard 0, if any. */
  order(store: SimKv, client: KvClient): Promise<NodeId | undefined>
  /** Whether a host is gone for good afterwards. */
  readonly loses: boolean
  /** Where ranges begin at first; absent where shards are hash slots. */
  readonly splits?: readonly string[]
  /** Where ranges begin once the plan is carried out, in hexadecimal digits. */
  readonly ends?: readonly string[]
}

/** When a host is crashed: before an event is durable, before anybody knows that it is, or after. */
export type Moment = 'reaching' | 'reached' | 'told'

/** A crash of one host at one event. */
export interface CrashPoint {
  /** Which durable event of the plan, from 0. */
  readonly event: number
  readonly moment: Moment
  readonly host: NodeId
}

/** How a plan ended. */
export interface PlanResult {
  /** The durable events of the plan: what became durable where. */
  readonly events: readonly string[]
  /** Whether the crash of the point has happened. */
  readonly crashed: boolean
  /** What went wrong. */
  readonly wrong: string | undefined
}

const follower = (store: SimKv): NodeId => {
  const leader = store.cluster.leaderOf(groupOf(0))
  return MEMBERS.find((id) => id !== leader) as NodeId
}

/** Asked again where the answer got lost, it is answered as it would have been. */
async function move(client: KvClient, from: NodeId): Promise<NodeId> {
  await client.admin.move(0, from, SPARE)
  return from
}

/** The plans. */
export const scenarios: readonly PlanScenario[] = [
  {
    name: 'a follower moves',
    shards: 1,
    loses: false,
    order: (store, client) => move(client, follower(store)),
  },
  {
    name: 'the leader moves',
    shards: 1,
    loses: false,
    order: (store, client) => move(client, store.cluster.leaderOf(groupOf(0)) as NodeId),
  },
  {
    name: 'a host is drained',
    shards: 1,
    loses: false,
    async order(store, client) {
      const from = follower(store)
      await client.admin.drain(from)
      await client.admin.resume()
      return from
    },
  },
  {
    name: 'a host joins and gets its share',
    shards: 2,
    loses: false,
    async order(_store, client) {
      await client.admin.resume()
      return undefined
    },
  },
  {
    name: 'a host is replaced',
    shards: 1,
    loses: true,
    async order(store, client) {
      await client.admin.resume()
      const from = follower(store)
      store.cluster.destroy(from)
      return from
    },
  },
  {
    name: 'a range is split',
    shards: 1,
    loses: false,
    splits: [],
    ends: ['', '7b647d'],
    order: (_store, client) => client.admin.split('{d}').then(() => undefined),
  },
  {
    name: 'two ranges are merged',
    shards: 2,
    loses: false,
    splits: ['{d}'],
    ends: [''],
    order: (_store, client) => client.admin.merge('{a}').then(() => undefined),
  },
]

/** Carries a plan out, with a crash where one is given. */
export async function runPlan(
  name: AlgorithmName,
  scenario: PlanScenario,
  point: CrashPoint | undefined,
): Promise<PlanResult> {
  return new PlanRun(scenario, point).run(name)
}

class PlanRun {
  readonly #scenario: PlanScenario
  readonly #point: CrashPoint | undefined
  readonly #events: string[] = []
  #store: SimKv | undefined
  #armed = false
  #crashed = false

  constructor(scenario: PlanScenario, point: CrashPoint | undefined) {
    this.#scenario = scenario
    this.#point = point
  }

  async run(name: AlgorithmName): Promise<PlanResult> {
    const { splits } = this.#scenario
    const store = await simKv({
      seed: 1,
      algorithm: drawAlgorithm(name, createRandom(1)),
      members: MEMBERS,
      spares: [SPARE],
      mapHosts: MEMBERS,
      shards: this.#scenario.shards,
      replicas: 3,
      snapshots: { everyEntries: 25, keepEntries: 5 },
      intervalMs: 40,
      // Whoever is back in time is not replaced; in the plan that replaces one, nobody else is away for so long.
      replaceAfterMs: 1_000,
      lagEntriesMax: 8,
      balanceLeaders: true,
      ...(splits && { ranges: { splits, tagsStay: true, automatic: false } }),
      onDurable: (event) => this.#durable(event),
    })
    this.#store = store
    const { cluster, hosts } = store
    const clients = new SimKvClients(store, kvHistory(), {
      thinkMs: 60,
      embedded: 0.5,
      vanishing: 0,
    })
    for (const id of hosts) cluster.start(id)
    clients.start(2)
    let wrong: string | undefined
    let over = false
    this.#carryOut(store, clients).then(
      (result) => {
        wrong = result
        over = true
      },
      (error: unknown) => cluster.fail(error),
    )
    await cluster.run(UNTIL_MS * 2, () => over)
    const { failure } = cluster
    cluster.close()
    if (failure !== undefined) {
      const { error } = failure
      wrong = String(error instanceof Error ? error.stack : error)
    } else if (!over) wrong = 'the run did not end'
    return { events: this.#events, crashed: this.#crashed, wrong }
  }

  async #carryOut(store: SimKv, clients: SimKvClients): Promise<string | undefined> {
    const { cluster } = store
    const client = await clients.connect('operator')
    await this.#insist(() => client.admin.pause())
    // With nothing to spare, what a split makes stays where it is.
    if (this.#scenario.ends === undefined) await this.#insist(() => client.admin.join(SPARE))
    while (cluster.leaderOf(groupOf(0)) === undefined || cluster.committed(groupOf(0)) < 12)
      await this.#sleep(20)
    this.#armed = true
    const gone = await this.#scenario.order(store, client)
    const destroyed = new Set(this.#scenario.loses && gone !== undefined ? [gone] : [])
    const fromMs = cluster.nowMs
    for (;;) {
      const { placement, why } = await settled(store, client, destroyed)
      if (this.#scenario.ends !== undefined) {
        const wrong = why ?? unlikePlan(this.#scenario.ends, placement)
        if (wrong === undefined) break
        if (cluster.nowMs - fromMs > UNTIL_MS) return `the plan did not end: ${wrong}`
        await this.#sleep(50)
        continue
      }
      const epochs = placement?.shards.map(({ epoch }) => epoch - 1) ?? []
      const moves = epochs.reduce((sum, each) => sum + each, 0)
      // Whatever crashed, the plan is carried out once.
      if (moves > 1) return `there were ${moves} moves: ${JSON.stringify(placement)}`
      if (why === undefined && moves === 1) {
        const first = placement?.shards.find(({ epoch }) => epoch === 2)
        if (first?.voters.includes(SPARE) !== true) return `${SPARE} has got nothing`
        if (gone !== undefined && first.voters.includes(gone)) return `${gone} has lost nothing`
        break
      }
      if (cluster.nowMs - fromMs > UNTIL_MS)
        return `the plan did not end: ${why ?? 'no move'}; ${JSON.stringify(placement)}`
      await this.#sleep(50)
    }
    this.#armed = false
    clients.stop()
    await clients.readBack(client)
    clients.abandon()
    await cluster.compareStates()
    return judgeHistory(clients.history).wrong
  }

  #durable(event: DurableEvent): void {
    if (!this.#armed || this.#store === undefined) return
    const groups = event.writes.filter(
      ({ group, entries, snapshot }) =>
        (group === MAP_GROUP || group.startsWith('kv-')) &&
        (entries.length > 0 || snapshot || event.what === 'drop'),
    )
    if (groups.length === 0) return
    if (event.when === 'reaching') {
      const what = groups.map(({ group, entries, snapshot }) =>
        [event.what, group, ...entries, ...(snapshot ? ['snapshot'] : [])].join(' '),
      )
      this.#events.push(`${event.host}: ${what.join(', ')}`)
    }
    const { host, moment, event: at } = this.#point ?? {}
    if (host === undefined || at !== this.#events.length - 1 || this.#crashed) return
    const { cluster } = this.#store
    const crash = (): void => {
      this.#crashed = true
      if (!cluster.isOn(host)) return
      cluster.crash(host, true)
      cluster.after(DOWN_MS, () => cluster.start(host))
    }
    if (moment === event.when) crash()
    else if (moment === 'told' && event.when === 'reached') cluster.after(0, crash)
  }

  async #insist(work: () => Promise<unknown>): Promise<void> {
    for (;;) {
      try {
        await work()
        return
      } catch (error) {
        if (!isQuorateError(error)) throw error
        await this.#sleep(50)
      }
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#store?.cluster.after(ms, () => resolve()))
  }
}

/** How ranges differ from what a plan ends with, each of two shards changed once. */
function unlikePlan(ends: readonly string[], placement: Placement | undefined): string | undefined {
  const shards = placement?.shards ?? []
  const starts = shards.flatMap(({ range }) => (range === undefined ? [] : [range.start]))
  const once = shards.length === 2 && shards.every(({ epoch }) => epoch === 2)
  if (once && starts.toSorted().join() === ends.join()) return undefined
  return `the shards are ${JSON.stringify(shards)}`
}

/** Every crash point of a plan that has these events. */
export function pointsOf(events: number, hosts: readonly NodeId[]): readonly CrashPoint[] {
  const points: CrashPoint[] = []
  for (let event = 0; event < events; event++) {
    for (const host of hosts) {
      for (const moment of ['reaching', 'reached', 'told'] as const) {
        points.push({ event, moment, host })
      }
    }
  }
  return points
}
