// Exhaustive exploration: every order of every event within bounds, breadth first, so that the first
// way found to break a promise is a shortest one.
import type { ConsensusFactory, Limits, MembershipTarget } from '@quorate/core'
import { CoreCluster } from '../model/core-cluster.ts'
import type { Promises } from '../model/history.ts'
import { steadyRandom } from '../model/steady-random.ts'
import { StateTable } from './state-table.ts'
import type { Action, Budget, World, WorldContext } from './world.ts'
import { firstWorld } from './world.ts'

/** What is explored, and how far. A message that is never delivered stands for one that was lost. */
export interface ExploreOptions<M> extends Partial<Budget> {
  /** The algorithm. Its cores must be {@link ExplorableCore}s. */
  readonly consensus: ConsensusFactory<M>
  /** The members at the start. */
  readonly members: MembershipTarget
  /** What the algorithm promises. Default: everything. */
  readonly promises?: Promises | undefined
  /** Limits to replace. */
  readonly limits?: Partial<Limits> | undefined
  /** Brings the group to where the exploration begins. Default: all have just started. */
  readonly prepare?: ((cluster: CoreCluster<M>) => void) | undefined
  /** The memberships that changes ask for, in order. */
  readonly targets?: readonly MembershipTarget[] | undefined
  /** Whether writes complete at once instead of at any later time. Default false. */
  readonly persistAtOnce?: boolean | undefined
  /** States with a larger epoch are not followed. Default 3. */
  readonly epochMax?: number | undefined
  /** States with more messages under way are not followed. Default 6. */
  readonly messagesMax?: number | undefined
  /** Stop after so many states. Default 1,000,000. */
  readonly statesMax?: number | undefined
  /** How a message is shown in a counterexample. Default: as JSON. */
  readonly formatMessage?: ((message: M) => string) | undefined
}

/** What an exploration found. */
export interface ExploreResult {
  /** Distinct states seen. */
  readonly states: number
  /** Steps taken between them. */
  readonly transitions: number
  /** The longest of the shortest ways to a state. */
  readonly depth: number
  /** Whether every state within the bounds was seen. */
  readonly complete: boolean
  /** The longest committed log in any state: 0 says that the bounds are too tight to mean anything. */
  readonly committedMax: number
  /** The largest epoch in any state. */
  readonly epochMax: number
  /** The shortest way to a broken promise, where there is one. */
  readonly counterexample: Counterexample | undefined
}

/** How a promise can be broken. */
export interface Counterexample {
  /** What was thrown: an `InvariantViolation`, or a core's own assertion. */
  readonly error: unknown
  /** The events that lead to it, one line each. */
  readonly trace: readonly string[]
}

/** Explores every order of events within bounds, and stops at the first broken promise. */
export function explore<M>(options: ExploreOptions<M>): ExploreResult {
  return new Exploration(options).run()
}

class Exploration<M> {
  readonly #options: ExploreOptions<M>
  readonly #table = new StateTable()
  #transitions = 0
  #committedMax = 0
  #epochMax = 0
  #complete = true

  constructor(options: ExploreOptions<M>) {
    this.#options = options
  }

  run(): ExploreResult {
    const statesMax = this.#options.statesMax ?? 1_000_000
    const first = this.#first()
    let frontier = [{ world: first, state: this.#table.add(first.fingerprint(), -1, 0) }]
    let depth = 0
    for (; frontier.length > 0; depth++) {
      const next: typeof frontier = []
      for (const { world, state } of frontier) {
        for (const [ordinal, action] of world.actions().entries()) {
          let after: World<M>
          try {
            after = world.after(action)
          } catch (error) {
            return this.#result(depth, this.#counterexample(state, ordinal, error))
          }
          this.#transitions++
          if (!this.#within(after)) continue
          const found = this.#table.add(after.fingerprint(), state, ordinal)
          if (found >= 0) next.push({ world: after, state: found })
        }
        if (this.#table.size >= statesMax) {
          this.#complete = false
          return this.#result(depth, undefined)
        }
      }
      frontier = next
    }
    return this.#result(depth - 1, undefined)
  }

  #first(): World<M> {
    const { consensus, members, promises, limits, prepare, targets = [] } = this.#options
    const persistAtOnce = this.#options.persistAtOnce ?? false
    const randomOf = (): typeof steadyRandom => steadyRandom
    const cluster = new CoreCluster({ consensus, members, promises, limits, randomOf })
    prepare?.(cluster)
    const context: WorldContext<M> = { codec: consensus.codec, targets, persistAtOnce }
    const replicas = cluster.ids.map((id) => cluster.replica(id))
    if (replicas.some(({ core }) => core !== undefined && !('clone' in core))) {
      throw new TypeError(`cores of ${consensus.name} cannot be explored: they do not clone`)
    }
    return firstWorld(context, replicas, cluster.messages, cluster.history, this.#budget())
  }

  #budget(): Budget {
    const given = this.#options
    return {
      timeouts: given.timeouts ?? 2,
      proposals: given.proposals ?? 1,
      reads: given.reads ?? 0,
      duplicates: given.duplicates ?? 0,
      crashes: given.crashes ?? 0,
      snapshots: given.snapshots ?? 0,
      transfers: given.transfers ?? 0,
      changes: given.changes ?? given.targets?.length ?? 0,
    }
  }

  #within(world: World<M>): boolean {
    const { epochMax = 3, messagesMax = 6 } = this.#options
    let epoch = 0
    for (const { seen } of world.replicas) epoch = Math.max(epoch, seen.epoch)
    this.#committedMax = Math.max(this.#committedMax, world.history.length)
    if (epoch > epochMax || world.flights.length > messagesMax) return false
    this.#epochMax = Math.max(this.#epochMax, epoch)
    return true
  }

  #counterexample(state: number, last: number, error: unknown): Counterexample {
    let world = this.#first()
    const trace: string[] = []
    for (const ordinal of [...this.#table.pathTo(state), last]) {
      const action = world.actions()[ordinal] as Action
      trace.push(this.#text(world, action))
      if (trace.length <= this.#table.pathTo(state).length) world = world.after(action)
    }
    return { error, trace }
  }

  #text(world: World<M>, action: Action): string {
    if ('replica' in action) return `${action.type} ${world.replicas[action.replica]?.id ?? ''}`
    const flight = world.flights[action.flight]
    if (flight === undefined) return action.type
    const format = this.#options.formatMessage ?? ((message: M) => JSON.stringify(message))
    return `${action.type} ${flight.from} -> ${flight.to} ${format(flight.message)}`
  }

  #result(depth: number, counterexample: Counterexample | undefined): ExploreResult {
    return {
      states: this.#table.size,
      transitions: this.#transitions,
      depth,
      complete: this.#complete && counterexample === undefined,
      committedMax: this.#committedMax,
      epochMax: this.#epochMax,
      counterexample,
    }
  }
}
