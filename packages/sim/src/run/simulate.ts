// One simulated run: hosts with the production runtime on a virtual clock, network and disk; faults
// for a while, then a while to recover; and a verdict that names the seed.
import type { Entry, NodeId, Tracer } from '@quorate/core'
import {
  createRandom,
  decode,
  isQuorateError,
  membersOf,
  membershipCodec,
  membershipOf,
  silentLogger,
} from '@quorate/core'
import { defaultPromises } from '../model/history.ts'
import { InvariantViolation } from '../model/violation.ts'
import { Clients, PROBE } from './clients.ts'
import type { DiskWatcher } from './disk.ts'
import { SimDisk } from './disk.ts'
import type { FaultKind } from './faults.ts'
import { GroupWatch } from './group-watch.ts'
import { HostOscillator } from './host-clock.ts'
import { WatchedMachine } from './machine.ts'
import type { NetworkCounts } from './network.ts'
import { SimNetwork } from './network.ts'
import { Nemesis } from './nemesis.ts'
import type { RunSetup, SimulateOptions } from './options.ts'
import { calmDisk, calmNetwork, drawSetup } from './options.ts'
import type { AppliedCommand, OperationRecord } from './oracle.ts'
import { judgeGroup } from './oracle.ts'
import type { Recording } from './recording.ts'
import { Recorder } from './recording.ts'
import { SimHost } from './sim-host.ts'
import { Timeline } from './timeline.ts'
import { createTurn } from './turn.ts'
import { watchedConsensus } from './watched-core.ts'

/** How long it takes until somebody replaces a disk that a host does not start from, in milliseconds. */
const REPLACE_MS = 1_500
/** Counts disks that were replaced since they had rotted. */
const DISK_REPLACED = 'sim/disk-replaced'

/** In which part of a run something happened: faults go on, all is mended, or clients are judged. */
export type Phase = 'safety' | 'liveness' | 'verdict'

/** Why a run failed. */
export interface SimulationFailure {
  /** What was thrown: an {@link InvariantViolation}, or a bug's own error. */
  readonly error: unknown
  /** When, in simulated milliseconds. */
  readonly atMs: number
  /** In which part of the run. */
  readonly phase: Phase
}

/** What a run was and how it ended. */
export interface SimulationResult {
  /** The seed. */
  readonly seed: number
  /** Everything that the seed and the options decided. */
  readonly setup: RunSetup
  /** Why it failed; `undefined` where it did not. */
  readonly failure: SimulationFailure | undefined
  /** The hash of everything that happened: equal for equal seeds and options, on every platform. */
  readonly traceHash: string
  /** Simulated milliseconds. */
  readonly simulatedMs: number
  /** Events that happened. */
  readonly events: number
  /** Committed entries, of all groups. */
  readonly committed: number
  /** What clients did, by outcome. */
  readonly operations: Readonly<Record<OperationRecord['outcome'], number>>
  /** Faults that took effect, by kind. */
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>
  /** What the network did. */
  readonly network: Readonly<NetworkCounts>
  /** The coverage marks that were hit, and how often. */
  readonly marks: ReadonlyMap<string, number>
  /** Every operation of every client. */
  readonly history: readonly OperationRecord[]
  /** Everything that happened, where it was asked for. */
  readonly recording: Recording | undefined
}

/** Runs one simulation. It never rejects for what the code under test does wrong. */
export async function simulate(options: SimulateOptions): Promise<SimulationResult> {
  const turn = await createTurn()
  return new Simulation(options, new Timeline(turn)).run()
}

class Simulation {
  readonly #options: SimulateOptions
  readonly #setup: RunSetup
  readonly #timeline: Timeline
  readonly #network: SimNetwork
  readonly #hosts: SimHost[] = []
  readonly #watches = new Map<string, GroupWatch>()
  readonly #applied = new Map<string, Map<number, AppliedCommand>>()
  readonly #marks = new Map<string, number>()
  readonly #machines = new Map<string, WatchedMachine>()
  readonly #clients: Clients
  readonly #nemesis: Nemesis
  readonly #recorder: Recorder | undefined
  #phase: Phase = 'safety'
  #dead: ReadonlySet<NodeId> = new Set()
  readonly #wiped = new Set<NodeId>()

  constructor(options: SimulateOptions, timeline: Timeline) {
    this.#options = options
    this.#timeline = timeline
    const setup = drawSetup(options)
    this.#setup = setup
    const root = createRandom(options.seed)
    this.#recorder = options.record === true ? new Recorder(timeline) : undefined
    this.#network = new SimNetwork(timeline, root.fork('network'), setup.hosts, setup.network)
    this.#network.watcher = this.#recorder
    this.#makeHosts()
    this.#makeWatches()
    this.#clients = new Clients({
      timeline,
      hosts: this.#hosts,
      groups: setup.groups,
      workload: options.workload,
      reads: setup.reads,
      thinkMs: setup.thinkMs,
      lossOf: () => (this.#phase === 'safety' ? setup.network.loss / 2 : 0),
      randomOf: (client) => root.fork(`client/${client}`),
    })
    this.#nemesis = new Nemesis({
      timeline,
      hosts: this.#hosts,
      network: this.#network,
      disk: calmDisk,
      groups: setup.groups,
      leaderOf: (group) => this.#leaderOf(group),
      crash: (host, power) => this.#crash(host, power),
      wipe: (host) => this.#wipe(host),
      happened: (fault, host) => this.#recorder?.fault(fault, host),
    })
  }

  async run(): Promise<SimulationResult> {
    const { durationMs, clients, network, plan } = this.#setup
    for (const host of this.#hosts) host.start()
    this.#clients.start(clients)
    this.#nemesis.start(plan)
    await this.#timeline.run(durationMs)
    if (this.#timeline.failure === undefined) {
      this.#phase = 'liveness'
      this.#network.setFaults({ ...calmNetwork, reorder: network.reorder })
      this.#nemesis.stop()
      if (this.#options.beyondModel !== true) await this.#recover()
    }
    const atMs = this.#timeline.nowMs
    const phase = this.#phase
    if (this.#timeline.failure === undefined) {
      this.#phase = 'verdict'
      await this.#judge().catch((error: unknown) => this.#timeline.fail(error))
    }
    for (const host of this.#hosts) host.leave()
    const { failure } = this.#timeline
    const failedIn = this.#phase === 'verdict' ? 'verdict' : phase
    return this.#result(
      failure === undefined ? undefined : { error: failure.error, atMs, phase: failedIn },
    )
  }

  #makeHosts(): void {
    const { hosts, groups, members, snapshotEvery, snapshotKeep, disk } = this.#setup
    const root = createRandom(this.#options.seed)
    const watcher: DiskWatcher = {
      persisting: (id, group, image, batch) => this.#watch(group).persisting(id, image, batch),
      persisted: (id, group, image, batch) => {
        this.#watch(group).persisted(id, image, batch)
        this.#recorder?.persisted(id, group, batch.seq)
      },
    }
    for (const id of hosts) {
      const simDisk = new SimDisk(id, root.fork(`disk/${id}`), disk, watcher)
      const clock = root.fork(`clock/${id}`)
      const skew = clock.below(600_000) - 300_000
      const oscillator = new HostOscillator(this.#timeline, clock.below(1_000_000), skew)
      const host: SimHost = new SimHost(id, simDisk, oscillator, {
        timeline: this.#timeline,
        network: this.#network,
        limits: this.#setup.limits,
        // Whoever replaces a disk says so, by naming no members: the host has to be told of its group.
        membersOf: () => (members.includes(id) && !this.#wiped.has(id) ? members : undefined),
        storage: this.#options.storage,
        groups,
        snapshots: { everyEntries: snapshotEvery, keepEntries: snapshotKeep },
        randomOf: (start) => root.fork(`host/${id}/${start}`),
        consensusOf: (group) =>
          watchedConsensus(this.#setup.consensus, (init) => this.#watch(group).watcherOf(init)),
        machineOf: (group) => this.#machine(id, group),
        tracer: this.#tracer(id),
        logger: this.#recorder?.logger(id) ?? silentLogger,
        onUp: () => this.#recorder?.up(id),
        onFailed: (error) => this.#onReplicaFailed(host, error),
        onStartFailed: (error) => this.#onStartFailed(host, error),
      })
      this.#hosts.push(host)
    }
  }

  #makeWatches(): void {
    const disks = new Map(this.#hosts.map(({ id, disk }) => [id, disk]))
    for (const group of this.#setup.groups) {
      const watch = new GroupWatch({
        group,
        promises: { ...defaultPromises, ...this.#options.promises } as typeof defaultPromises,
        bootstrap: membershipOf({ voters: this.#setup.members }),
        disks,
        writtenOf: (id) => this.#hosts.find((host) => host.id === id)?.written(group),
        fail: (error) => this.#timeline.fail(error),
        changed: (id, role, epoch) => this.#recorder?.role(id, group, role, epoch),
      })
      this.#watches.set(group, watch)
      this.#applied.set(group, new Map())
    }
  }

  #watch(group: string): GroupWatch {
    return this.#watches.get(group) as GroupWatch
  }

  #machine(id: NodeId, group: string): WatchedMachine {
    const log = this.#applied.get(group) as Map<number, AppliedCommand>
    const machine = new WatchedMachine(this.#options.stateMachine(), (index, attempt, result) => {
      try {
        this.#watch(group).applied(id, index, result)
      } catch (error) {
        this.#timeline.fail(error)
        throw error
      }
      if (!log.has(index)) log.set(index, { ...attempt, result })
    })
    this.#machines.set(`${id}/${group}`, machine)
    return machine
  }

  #tracer(id: NodeId): Tracer {
    return {
      enabled: this.#recorder !== undefined,
      event: (name, fields) => this.#recorder?.event(id, name, fields),
      mark: (name) => void this.#marks.set(name, (this.#marks.get(name) ?? 0) + 1),
    }
  }

  #crash(host: SimHost, power: boolean): void {
    if (!host.on) return
    host.crash(power)
    for (const watch of this.#watches.values()) watch.down(host.id)
    this.#timeline.trace(4, this.#hosts.indexOf(host))
    this.#recorder?.down(host.id)
  }

  #wipe(host: SimHost): void {
    for (const [group, { image }] of host.disk.groups) this.#watch(group).wiped(host.id, image)
    host.disk.wipe()
    this.#wiped.add(host.id)
  }

  /** A replica that its storage failed is restarted by its operator; anything else is a bug. */
  #onReplicaFailed(host: SimHost, error: unknown): void {
    const damaged = this.#setup.plan.some(({ kind }) => kind === 'rot')
    const codes = [
      'STORAGE_FAILED',
      'NO_SPACE',
      ...(damaged ? (['STORAGE_CORRUPT'] as const) : []),
    ] as const
    if (!codes.some((code) => isQuorateError(error, code))) return this.#timeline.fail(error)
    this.#timeline.after(100, () => {
      this.#crash(host, false)
      this.#timeline.after(400, () => host.start())
    })
  }

  #onStartFailed(host: SimHost, error: unknown): void {
    if (isQuorateError(error, 'STORAGE_CORRUPT') && host.disk.rotten) {
      return void this.#timeline.after(REPLACE_MS, () => this.#replaceDisk(host))
    }
    const refuses = isQuorateError(error, 'STORAGE_CORRUPT') && this.#options.beyondModel === true
    if (refuses) return
    const full = isQuorateError(error, 'NO_SPACE') || isQuorateError(error, 'STORAGE_FAILED')
    if (!full) return this.#timeline.fail(error)
    this.#timeline.after(500, () => host.start())
  }

  /** What its storage refuses to start from is given up, as the guide for operators has it. */
  #replaceDisk(host: SimHost): void {
    if (host.on || !host.disk.rotten || this.#dead.has(host.id)) return
    this.#wipe(host)
    this.#marks.set(DISK_REPLACED, (this.#marks.get(DISK_REPLACED) ?? 0) + 1)
    host.start()
  }

  #leaderOf(group: string): SimHost | undefined {
    let best: { readonly host: SimHost; readonly epoch: number } | undefined
    for (const host of this.#hosts) {
      const status = this.#watch(group).cores().get(host.id)?.status()
      if (status?.role !== 'leader') continue
      if (best === undefined || status.epoch > best.epoch) best = { host, epoch: status.epoch }
    }
    return best?.host
  }

  /** All is mended: the groups must serve again, and every live member must catch up. */
  async #recover(): Promise<void> {
    const { recoveryMs = 60_000 } = this.#options
    const untilMs = this.#timeline.nowMs + recoveryMs
    this.#dead = this.#chooseDead()
    for (const host of this.#hosts) if (this.#dead.has(host.id)) this.#crash(host, false)
    const served = await this.#probeAll(untilMs)
    this.#clients.stop()
    const level = served && (await this.#level(untilMs))
    if (this.#timeline.failure !== undefined || (served && level)) return
    this.#timeline.fail(
      new InvariantViolation(
        'recovery',
        `${served ? 'replicas did not catch up' : 'a group does not serve'} ${recoveryMs} ms after every fault ended: ${this.#standing()}`,
      ),
    )
  }

  /** Sometimes a minority stays down for good: as many as every membership in sight can spare. */
  #chooseDead(): ReadonlySet<NodeId> {
    const random = createRandom(this.#options.seed).fork('dead')
    if (random.fraction() < 0.5) return new Set()
    const rotten = this.#setup.plan.flatMap((fault) => (fault.kind === 'rot' ? [fault.host] : []))
    // What is down for good and what has lost data must be the same minority.
    const candidates = this.#hosts.filter(({ id }) => rotten.length === 0 || rotten.includes(id))
    const candidate = candidates[random.below(Math.max(1, candidates.length))]
    if (candidate === undefined || new Set(rotten).size > 1) return new Set()
    const sets: (readonly NodeId[])[] = []
    for (const [group, watch] of this.#watches) {
      const committed = watch.history.membershipAt(watch.history.length)
      if (committed !== undefined) sets.push(committed.voters, committed.outgoing)
      for (const host of this.#hosts) {
        const image = host.disk.groups.get(group)?.image
        if (image !== undefined) sets.push(...votersOf(image.entries))
      }
      for (const core of watch.cores().values()) {
        const { voters, outgoing } = core.status().membership
        sets.push(voters, outgoing)
      }
    }
    // What rotted on one host may be left on one other only.
    const damaged = this.#hosts.some(({ disk }) =>
      [...disk.groups.values()].some(({ image }) => image.faulty.length > 0),
    )
    const spared = sets.every((voters) => voters.length === 0 || voters.length >= 3)
    return spared && !damaged ? new Set([candidate.id]) : new Set()
  }

  async #probeAll(untilMs: number): Promise<boolean> {
    const random = createRandom(this.#options.seed).fork('probe')
    let sequence = 0
    for (const group of this.#setup.groups) {
      let served = false
      while (!served && this.#timeline.nowMs < untilMs && this.#timeline.failure === undefined) {
        const host = this.#leaderOf(group)
        if (host !== undefined && host.responsive) {
          const operation = this.#command(random)
          const record = this.#clients.probe(host, group, operation, ++sequence)
          const over = (): boolean => record.returnedMs !== undefined
          await this.#timeline.run(Math.min(untilMs, this.#timeline.nowMs + 5_100), over)
          served = record.outcome === 'ok'
        }
        if (!served) await this.#timeline.run(this.#timeline.nowMs + 100)
      }
      if (!served) return false
    }
    return true
  }

  #command(
    random: ReturnType<typeof createRandom>,
  ): ReturnType<SimulateOptions['workload']['next']> {
    for (let count = 1; count < 1_000; count++) {
      const operation = this.#options.workload.next(random, PROBE, count)
      if (operation.kind === 'command') return operation
    }
    throw new TypeError('the workload has no commands')
  }

  /** Waits until every live member has applied everything. */
  async #level(untilMs: number): Promise<boolean> {
    while (this.#timeline.nowMs < untilMs && this.#timeline.failure === undefined) {
      if (this.#clients.open === 0 && this.#setup.groups.every((group) => this.#isLevel(group))) {
        return true
      }
      await this.#timeline.run(this.#timeline.nowMs + 100)
    }
    return false
  }

  #isLevel(group: string): boolean {
    const watch = this.#watch(group)
    const membership = watch.history.membershipAt(watch.history.length)
    if (membership === undefined || membership.outgoing.length > 0) return false
    return membersOf(membership)
      .filter((id) => !this.#dead.has(id))
      .every((id) => watch.cores().get(id)?.status().appliedIndex === watch.history.length)
  }

  #standing(): string {
    const lines: string[] = []
    for (const [group, watch] of this.#watches) {
      for (const host of this.#hosts) {
        const status = watch.cores().get(host.id)?.status()
        lines.push(
          status === undefined
            ? `${group}/${host.id} down`
            : `${group}/${host.id} ${status.role} epoch=${status.epoch} commit=${status.commitIndex} applied=${status.appliedIndex} of ${watch.history.length}`,
        )
      }
    }
    return lines.join('; ')
  }

  async #judge(): Promise<void> {
    const { stateMachine, judge, canonicalSnapshots } = this.#options
    for (const group of this.#setup.groups) {
      const records = this.#clients.records.filter((record) => record.group === group)
      await judgeGroup(records, this.#applied.get(group) ?? new Map(), stateMachine())
      if (canonicalSnapshots === true) await this.#compareStates(group)
    }
    const wrong = await judge?.(this.#clients.records)
    if (wrong !== undefined) throw new InvariantViolation('history', wrong)
  }

  /** Machines that contain equally much must be equal. */
  async #compareStates(group: string): Promise<void> {
    const first = new Map<number, { readonly id: NodeId; readonly text: string }>()
    for (const { id } of this.#hosts) {
      const machine = this.#machines.get(`${id}/${group}`)
      if (machine === undefined) continue
      let text = ''
      for await (const chunk of machine.snapshot()) text += chunk.join()
      const other = first.get(machine.index)
      if (other === undefined) first.set(machine.index, { id, text })
      else if (other.text !== text) {
        const where = `at ${machine.index} of ${group}`
        throw new InvariantViolation(
          'state-machine-safety',
          `${other.id} and ${id} differ ${where}`,
        )
      }
    }
  }

  #result(failure: SimulationFailure | undefined): SimulationResult {
    const operations = { ok: 0, failed: 0, unknown: 0 }
    for (const { outcome } of this.#clients.records) operations[outcome]++
    let committed = 0
    for (const { history } of this.#watches.values()) committed += history.length
    return {
      seed: this.#options.seed,
      setup: this.#setup,
      failure,
      traceHash: this.#timeline.traceHash,
      simulatedMs: this.#timeline.nowMs,
      events: this.#timeline.events,
      committed,
      operations,
      faults: this.#nemesis.counts,
      network: this.#network.counts,
      marks: this.#marks,
      history: this.#clients.records,
      recording: this.#recorder?.finish(this.#setup.hosts, failure),
    }
  }
}

function votersOf(entries: readonly Entry[]): (readonly NodeId[])[] {
  return entries
    .filter(({ kind }) => kind === 'membership')
    .flatMap(({ payload }) => {
      const { voters, outgoing } = decode(membershipCodec, payload)
      return [voters, outgoing]
    })
}
