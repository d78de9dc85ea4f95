// Carries out a plan: makes each fault happen when its time comes and ends it again. It never decides
// anything by chance, so that a plan with an item less is the same run with a fault less.
import type { NodeId } from '@quorate/core'
import { isQuorateError } from '@quorate/core'
import type { Fault, FaultKind, FaultTarget } from './faults.ts'
import type { DiskFaults } from './disk.ts'
import type { SimNetwork } from './network.ts'
import type { SimHost } from './sim-host.ts'
import type { Timeline } from './timeline.ts'

/** What a nemesis works on. */
export interface NemesisContext {
  /** Time. */
  readonly timeline: Timeline
  /** The hosts. */
  readonly hosts: readonly SimHost[]
  /** The network. */
  readonly network: SimNetwork
  /** How disks are while nothing is wrong with them. */
  readonly disk: DiskFaults
  /** The groups. */
  readonly groups: readonly string[]
  /** Whoever leads a group with the largest epoch. */
  leaderOf(group: string): SimHost | undefined
  /** Stops a host. */
  crash(host: SimHost, power: boolean): void
  /** Takes everything from a host's disk. */
  wipe(host: SimHost): void
  /** A fault happened, for whoever watches. */
  happened(fault: Fault, host: NodeId | undefined): void
}

/** Makes things go wrong. */
export class Nemesis {
  /** How many faults of each kind took effect. */
  readonly counts: Partial<Record<FaultKind, number>> = {}
  readonly #context: NemesisContext
  #over = false

  /** A nemesis that has not begun. */
  constructor(context: NemesisContext) {
    this.#context = context
  }

  /** Schedules every fault of a plan. */
  start(plan: readonly Fault[]): void {
    for (const fault of plan) {
      this.#context.timeline.after(fault.atMs, () => {
        if (this.#over) return
        const done = this.#perform(fault)
        if (done === false) return
        this.counts[fault.kind] = (this.counts[fault.kind] ?? 0) + 1
        this.#context.happened(fault, 'host' in fault ? this.#target(fault.host)?.id : undefined)
      })
    }
  }

  /** Ends every fault, and starts every host that is down. */
  stop(): void {
    this.#over = true
    const { hosts, network, disk } = this.#context
    network.mend()
    for (const host of hosts) {
      host.oscillator.setRate(1)
      host.disk.faults = disk
      host.disk.slowness = 1
      host.disk.full = false
      host.disk.failing = false
      host.start()
    }
  }

  /** Does what the fault says; `false` where it found nothing to do. */
  #perform(fault: Fault): boolean {
    const { network, groups } = this.#context
    switch (fault.kind) {
      case 'crash':
        return this.#crash(fault)
      case 'partition':
        return this.#partition(fault)
      case 'clog':
        network.clog(fault.from, fault.to, fault.forMs)
        return fault.from !== fault.to
      case 'reset':
        network.reset(fault.from, fault.to)
        return fault.from !== fault.to
      case 'blackout':
        return this.#blackout(fault)
      case 'transfer':
      case 'membership':
      case 'snapshot':
        return groups.includes(fault.group) && this.#order(fault)
      default:
        return this.#onHost(fault)
    }
  }

  #onHost(
    fault: Exclude<
      Fault,
      {
        readonly kind:
          | 'crash'
          | 'partition'
          | 'clog'
          | 'reset'
          | 'blackout'
          | 'transfer'
          | 'membership'
          | 'snapshot'
      }
    >,
  ): boolean {
    const { timeline } = this.#context
    const host = this.#target(fault.host)
    if (host === undefined) return false
    const until = (forMs: number, undo: () => void): void =>
      void timeline.after(forMs, () => {
        if (!this.#over) undo()
      })
    switch (fault.kind) {
      case 'pause':
        host.pause(fault.forMs)
        break
      case 'drift':
        host.oscillator.setRate(fault.rate)
        break
      case 'jump':
        host.oscillator.jump(fault.byMs)
        break
      case 'slow-disk':
        host.disk.slowness = fault.factor
        until(fault.forMs, () => (host.disk.slowness = 1))
        break
      case 'full-disk':
        host.disk.full = true
        until(fault.forMs, () => (host.disk.full = false))
        break
      case 'failed-sync':
        host.disk.failing = true
        break
      case 'rot':
        // Found out at the next start, as damage on a real disk is.
        if (!this.#rot(host, fault)) return false
        this.#restart(host, 100)
        return true
      case 'wipe':
        this.#context.crash(host, true)
        this.#context.wipe(host)
        this.#restart(host, 100)
        return true
      default:
    }
    return host.on
  }

  #crash(fault: Fault & { readonly kind: 'crash' }): boolean {
    const host = this.#target(fault.host)
    if (host?.on !== true) return false
    this.#context.crash(host, fault.power)
    this.#restart(host, fault.downMs)
    return true
  }

  /** The power fails everywhere at once: only what is durable is left of anything. */
  #blackout(fault: Fault & { readonly kind: 'blackout' }): boolean {
    const { hosts, crash } = this.#context
    const lit = hosts.filter(({ on }) => on)
    for (const host of lit) crash(host, true)
    for (const [at, host] of hosts.entries()) {
      if (lit.includes(host)) this.#restart(host, fault.downMs[at] ?? 100)
    }
    return lit.length > 0
  }

  #restart(host: SimHost, downMs: number): void {
    if (host.on) this.#context.crash(host, false)
    this.#context.timeline.after(downMs, () => host.start())
  }

  #rot(host: SimHost, { atMs, group, entries, how }: Fault & { readonly kind: 'rot' }): boolean {
    if (host.disk.usesFiles) return host.disk.rotFile(how, `rot/${atMs}`)
    if (how === 'lost-write') return host.disk.rot(group, entries, true) > 0
    const done = host.disk.rot(group, entries)
    if (how === 'bits') return done > 0
    // Where a misdirected write ends up, something of some group is overwritten.
    const { groups } = this.#context
    const victim = groups[(groups.indexOf(group) + 1) % groups.length] as string
    return host.disk.rot(victim, 1) + done > 0
  }

  #partition(fault: Fault & { readonly kind: 'partition' }): boolean {
    const { network, timeline } = this.#context
    const one = this.#target(fault.host)?.id
    if (one === undefined) return false
    const { order } = fault
    for (const [a, from] of order.entries()) {
      for (const [b, to] of order.entries()) {
        if (a !== b && separates(fault, a, b, order.length, one)) network.setCut(from, to, true)
      }
    }
    timeline.after(fault.forMs, () => {
      if (!this.#over) network.mend()
    })
    return true
  }

  #order(fault: Fault & { readonly kind: 'transfer' | 'membership' | 'snapshot' }): boolean {
    const host =
      fault.kind === 'snapshot' ? this.#target(fault.host) : this.#context.leaderOf(fault.group)
    const replica = host?.replica(fault.group)
    if (host === undefined || replica === undefined) return false
    host.enter(() => {
      const options = { timeoutMs: 5_000 }
      const done =
        fault.kind === 'transfer'
          ? replica.transferLeadership(fault.to, options)
          : fault.kind === 'membership'
            ? replica.changeMembership({ voters: fault.voters, learners: fault.learners }, options)
            : replica.takeSnapshot()
      done.then(
        () => {},
        (error: unknown) => {
          // An operator's order may be refused in many ways; only a bug is no QuorateError.
          if (!isQuorateError(error)) this.#context.timeline.fail(error)
        },
      )
    })
    return true
  }

  #target(target: FaultTarget): SimHost | undefined {
    const { hosts, groups, leaderOf } = this.#context
    if (target === 'leader') return leaderOf(groups[0] as string)
    return hosts.find(({ id }) => id === target)
  }
}

/** Whether the link from the host at place `a` of the order to the one at `b` is cut. */
function separates(
  fault: Fault & { readonly kind: 'partition' },
  a: number,
  b: number,
  size: number,
  one: NodeId,
): boolean {
  const { mode, order } = fault
  const half = Math.floor(size / 2)
  const side = (at: number): boolean => at < half
  switch (mode) {
    case 'halves':
      return side(a) !== side(b)
    case 'isolate':
      return (order[a] === one) !== (order[b] === one)
    case 'one-way':
      return order[a] === one
    case 'bridge':
      return a !== half && b !== half && side(a) !== side(b)
    case 'ring':
      return Math.abs(a - b) > 1 && Math.abs(a - b) !== size - 1
    default:
      return false
  }
}
