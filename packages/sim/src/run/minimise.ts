// Makes a failing run smaller: fewer hosts and groups, less network trouble, fewer faults, a shorter time, until nothing can
// be taken away without losing the failure (delta debugging, Zeller and Hildebrandt, 2002).
import type { NodeId } from '@quorate/core'
import { InvariantViolation } from '../model/violation.ts'
import type { Fault } from './faults.ts'
import type { NetworkFaults } from './network.ts'
import type { SimulateOptions } from './options.ts'
import type { SimulationResult } from './simulate.ts'
import { simulate } from './simulate.ts'

/** What remained of a failing run. */
export interface MinimisedRun {
  /** Options that fail in the same way, the plan included. */
  readonly options: SimulateOptions
  /** How they end. */
  readonly result: SimulationResult
  /** How many runs it took. */
  readonly runs: number
}

/** What names a failure: the invariant, or the kind of error. */
export function failureKind(result: SimulationResult): string | undefined {
  if (result.failure === undefined) return undefined
  const { error } = result.failure
  if (error instanceof InvariantViolation) return error.invariant
  return error instanceof Error ? error.name : typeof error
}

/**
 * Takes away whatever a failing run does not need to fail in the same way.
 *
 * @param failed - how the options end; its failure is what is kept
 * @param runsMax - give up after so many runs; default 200
 */
export async function minimise(
  options: SimulateOptions,
  failed: SimulationResult,
  runsMax = 200,
): Promise<MinimisedRun> {
  const kind = failureKind(failed)
  if (kind === undefined) throw new TypeError(`seed ${failed.seed} did not fail`)
  const search = new Search(kind, options, failed, runsMax)
  await search.shorten()
  await search.shrink()
  await search.calm()
  await search.thin()
  await search.shorten()
  return search.result()
}

class Search {
  readonly #kind: string
  readonly #runsMax: number
  #options: SimulateOptions
  #result: SimulationResult
  #runs = 0

  constructor(kind: string, options: SimulateOptions, failed: SimulationResult, runsMax: number) {
    this.#kind = kind
    this.#runsMax = runsMax
    this.#result = failed
    this.#options = {
      ...options,
      plan: failed.setup.plan,
      network: failed.setup.network,
      durationMs: failed.setup.durationMs,
    }
  }

  result(): MinimisedRun {
    return { options: this.#options, result: this.#result, runs: this.#runs }
  }

  /** Ends the safety phase right after the failure, where it failed there. */
  async shorten(): Promise<void> {
    const { failure } = this.#result
    if (failure?.phase !== 'safety') return
    const durationMs = Math.ceil(failure.atMs) + 1
    const plan = this.#plan().filter(({ atMs }) => atMs <= durationMs)
    await this.#try({ ...this.#options, durationMs, plan })
  }

  /** Takes groups away, then the hosts that are no members, then members. */
  async shrink(): Promise<void> {
    const { groups, members, hosts } = this.#result.setup
    if (groups.length > 1) await this.#try({ ...this.#options, groups: 1 })
    const spares = hosts.length - members.length
    const sizes = [3, 5].filter((size) => size < members.length)
    if (spares > 0) await this.#within(members.length, 0)
    for (const size of sizes) if (await this.#within(size, 0)) return
  }

  /** The same with fewer hosts, and without the faults that name another. */
  #within(members: number, spares: number): Promise<boolean> {
    const hosts = new Set(this.#result.setup.hosts.slice(0, members + spares))
    const plan = this.#plan().flatMap((fault): readonly Fault[] => {
      if (fault.kind === 'partition') {
        return [{ ...fault, order: fault.order.filter((id) => hosts.has(id)) }]
      }
      return namesOnly(fault, hosts) ? [fault] : []
    })
    return this.#try({ ...this.#options, members, spares, plan })
  }

  /** Takes the network's own troubles away, one after the other, and all but one of the clients. */
  async calm(): Promise<void> {
    const steps: readonly Partial<NetworkFaults>[] = [
      { loss: 0 },
      { duplication: 0 },
      { tail: 0 },
      { reorder: false },
      { delayMeanMs: 0.5 },
    ]
    for (const step of steps) {
      await this.#try({ ...this.#options, network: { ...this.#options.network, ...step } })
    }
    for (const clients of [1, 2, 4]) {
      const fewer = clients < this.#result.setup.clients
      if (fewer && (await this.#try({ ...this.#options, clients }))) break
    }
  }

  /** Takes faults away, in ever smaller parts. */
  async thin(): Promise<void> {
    let parts = 2
    while (this.#plan().length > 0 && this.#runs < this.#runsMax) {
      const plan = this.#plan()
      const size = Math.ceil(plan.length / parts)
      let smaller = false
      for (let from = 0; from < plan.length && !smaller; from += size) {
        const rest = [...plan.slice(0, from), ...plan.slice(from + size)]
        smaller = await this.#try({ ...this.#options, plan: rest })
      }
      if (smaller) parts = Math.max(2, parts - 1)
      else if (size === 1) return
      else parts = Math.min(plan.length, parts * 2)
    }
  }

  #plan(): readonly Fault[] {
    return this.#options.plan ?? []
  }

  async #try(options: SimulateOptions): Promise<boolean> {
    if (this.#runs >= this.#runsMax) return false
    this.#runs++
    const result = await simulate(options)
    if (failureKind(result) !== this.#kind) return false
    this.#options = options
    this.#result = result
    return true
  }
}

/** Whether a fault names no host but these. */
function namesOnly(fault: Fault, hosts: ReadonlySet<NodeId>): boolean {
  switch (fault.kind) {
    case 'clog':
    case 'reset':
      return hosts.has(fault.from) && hosts.has(fault.to)
    case 'membership':
      return [...fault.voters, ...fault.learners].every((id) => hosts.has(id))
    case 'transfer':
      return fault.to === undefined || hosts.has(fault.to)
    case 'blackout':
      return true
    default:
      return !('host' in fault) || fault.host === 'leader' || hosts.has(fault.host)
  }
}
