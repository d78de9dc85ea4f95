// Clients: each does one operation after the other at the host that it believes to lead, over a
// network that loses requests and answers, waits only so long, and sometimes is never heard of again.
import type { ErrorCode, NodeId, QuorateError, Random, ReadMode } from '@quorate/core'
import { isQuorateError } from '@quorate/core'
import { nameCommand, readPlaced } from './machine.ts'
import { exponential } from './network.ts'
import type { Operation, Workload } from './options.ts'
import type { OperationRecord } from './oracle.ts'
import { pick } from './faults.ts'
import type { SimHost } from './sim-host.ts'
import type { Timeline } from './timeline.ts'

/** The codes that say that a command was certainly not applied. */
const CERTAIN: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'INVALID_ARGUMENT',
  'LIMIT_EXCEEDED',
  'NOT_LEADER',
  'NO_SPACE',
  'PROPOSAL_DROPPED',
])

/** By when a host has said that a call has run out of time. */
const HOST_TELLS_MS = 300

/** What the clients of a run share. */
export interface ClientsContext {
  /** Time. */
  readonly timeline: Timeline
  /** The hosts. */
  readonly hosts: readonly SimHost[]
  /** The groups. */
  readonly groups: readonly string[]
  /** What they do. */
  readonly workload: Workload
  /** How they read. */
  readonly reads: readonly ReadMode[]
  /** The mean pause between operations. */
  readonly thinkMs: number
  /** The probability that a request or an answer is lost. */
  lossOf(): number
  /** The randomness of one client. */
  randomOf(client: number): Random
}

/** All clients of a run. */
export class Clients {
  /** Everything that they did. */
  readonly records: OperationRecord[] = []
  readonly #context: ClientsContext
  #active = false
  #open = 0

  /** Clients that do nothing yet. */
  constructor(context: ClientsContext) {
    this.#context = context
  }

  /** How many operations have no outcome yet. */
  get open(): number {
    return this.#open
  }

  /** Lets so many clients begin. */
  start(count: number): void {
    this.#active = true
    for (let client = 0; client < count; client++) {
      const random = this.#context.randomOf(client)
      this.#think(new Client(client, random, this.#context.hosts), random)
    }
  }

  /** Lets no client begin another operation. */
  stop(): void {
    this.#active = false
  }

  /** One command at a host, outside of what clients do, to see whether the group serves. */
  probe(host: SimHost, group: string, operation: Operation, sequence: number): OperationRecord {
    return this.#perform(PROBE, sequence, group, operation, host, 'quorum', 5_000, 0, () => {})
  }

  #think(client: Client, random: Random): void {
    this.#context.timeline.after(exponential(random, this.#context.thinkMs), () => {
      if (this.#active) this.#act(client, random)
    })
  }

  #act(client: Client, random: Random): void {
    const { workload, groups, reads, hosts } = this.#context
    const sequence = ++client.sequence
    const operation = workload.next(random, client.id, sequence)
    const group = pick(random, groups)
    const led = hosts.find(({ id }) => id === client.leaderOf(group))
    // Now and then a host that does not lead, or no longer, or does not know it yet, is asked too.
    const host = led === undefined || random.fraction() < 0.25 ? pick(random, hosts) : led
    const timeoutMs = 200 + random.below(2_000)
    const loss = this.#context.lossOf()
    const lost = random.fraction() < loss ? 1 : random.fraction() < loss ? 2 : 0
    const vanishes = random.fraction() < 0.01
    const mode = pick(random, reads)
    this.#perform(client.id, sequence, group, operation, host, mode, timeoutMs, lost, (record) => {
      client.learn(group, record, random)
      if (!vanishes) return this.#think(client, random)
      // Nobody hears of it again; somebody new comes instead.
      this.#think(new Client(client.id + 1_000, random, hosts), random)
    })
  }

  /** @param lost - 1: the request is lost; 2: the answer is */
  #perform(
    client: number,
    sequence: number,
    group: string,
    operation: Operation,
    host: SimHost,
    mode: ReadMode,
    timeoutMs: number,
    lost: 0 | 1 | 2,
    then: (record: OperationRecord) => void,
  ): OperationRecord {
    const { timeline } = this.#context
    const record: OperationRecord = {
      client,
      sequence,
      group,
      kind: operation.kind,
      input: operation.bytes,
      mode: operation.kind === 'query' ? mode : undefined,
      host: host.id,
      invokedMs: timeline.nowMs,
      returnedMs: undefined,
      outcome: 'unknown',
      result: undefined,
      index: undefined,
      code: undefined,
    }
    this.records.push(record)
    this.#open++
    let over = false
    const end = (settle: () => void): void => {
      if (over) return
      over = true
      this.#open--
      settle()
      timeline.trace(3, client * 1_000 + sequence)
      then(record)
    }
    // Every other one waits long enough to be told by the host that its time is up.
    const patienceMs = timeoutMs + (sequence % 2) * HOST_TELLS_MS
    timeline.after(patienceMs, () => end(() => {}))
    if (lost === 1) return record
    timeline.after(0.1, () => {
      if (!host.on) return end(() => refuse(record, 'UNAVAILABLE', timeline.nowMs))
      host.enter(() => {
        this.#call(host, group, record, mode, timeoutMs).then(
          (bytes) => {
            if (lost === 2) return
            timeline.after(0.1, () => end(() => succeed(record, bytes, timeline.nowMs)))
          },
          (error: unknown) => {
            if (!isQuorateError(error)) return timeline.fail(error)
            if (lost === 2) return
            timeline.after(0.1, () => end(() => reject(record, error, timeline.nowMs)))
          },
        )
      })
    })
    return record
  }

  async #call(
    host: SimHost,
    group: string,
    record: OperationRecord,
    mode: ReadMode,
    timeoutMs: number,
  ): Promise<Uint8Array | undefined> {
    const replica = host.replica(group)
    if (replica === undefined) return undefined
    return record.kind === 'command'
      ? replica.propose(nameCommand(record, record.input), { timeoutMs })
      : replica.query(record.input, { timeoutMs, mode })
  }
}

/** The number of the client that stands for the run itself. */
export const PROBE = 900

class Client {
  readonly id: number
  sequence = 0
  readonly #hosts: readonly SimHost[]
  readonly #leaders = new Map<string, NodeId>()

  constructor(id: number, _random: Random, hosts: readonly SimHost[]) {
    this.id = id
    this.#hosts = hosts
  }

  leaderOf(group: string): NodeId | undefined {
    return this.#leaders.get(group)
  }

  /** Goes where it is sent, and elsewhere where it gets no answer. */
  learn(group: string, record: OperationRecord, random: Random): void {
    if (record.outcome === 'ok') this.#leaders.set(group, record.host)
    else if (record.code === 'NOT_LEADER' && leaders.has(record)) {
      this.#leaders.set(group, leaders.get(record) as NodeId)
    } else this.#leaders.set(group, pick(random, this.#hosts).id)
  }
}

/** The leader that a refusal named. */
const leaders = new WeakMap<OperationRecord, NodeId>()

function refuse(record: OperationRecord, code: ErrorCode, nowMs: number): void {
  record.outcome = 'failed'
  record.code = code
  record.returnedMs = nowMs
}

function succeed(record: OperationRecord, bytes: Uint8Array | undefined, nowMs: number): void {
  if (bytes === undefined) return refuse(record, 'UNAVAILABLE', nowMs)
  const { index, result } = readPlaced(bytes)
  record.outcome = 'ok'
  record.index = index
  record.result = result
  record.returnedMs = nowMs
}

function reject(record: OperationRecord, error: QuorateError, nowMs: number): void {
  record.code = error.code
  record.returnedMs = nowMs
  record.outcome = record.kind === 'query' || CERTAIN.has(error.code) ? 'failed' : 'unknown'
  const leader = error.details['leader']
  if (typeof leader === 'string') leaders.set(record, leader)
}
