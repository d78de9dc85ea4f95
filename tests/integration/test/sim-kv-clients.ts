// Clients of a simulated store: the production client over a network that breaks, or the store on a
// host that dies with it. Each does one thing after the other, gives up on it after a while, and
// sometimes is never heard of again.
import type { NodeId, Random } from '@quorate/core'
import { isQuorateError } from '@quorate/core'
import type { Consistency, KvClient, KvOperations } from '@quorate/kv'
import { connect } from '@quorate/kv'
import type { SimClient } from '@quorate/sim'
import type { KvHistory } from './sim-kv-history.ts'
import type { SimKv } from './sim-kv-store.ts'

/** Keys of one tag share a shard; few keys, so that clients meet. */
const TAGS = ['{a}', '{b}', '{c}', '{d}', '{e}', '{f}']
/** All keys that hold values. */
const KEYS: readonly string[] = TAGS.flatMap((tag) => [`${tag}1`, `${tag}2`])
/** All keys that count. */
const COUNTERS: readonly string[] = ['n1', 'n2', 'n3']

const LEVELS: readonly Consistency[] = ['linearizable', 'linearizable', 'follower', 'lease']
/** What says that a write may have happened; with any other code it has not. */
const UNCERTAIN = ['OUTCOME_UNKNOWN', 'SESSION_EXPIRED'] as const
/** After so long a host that has died is known not to answer. */
const PATIENCE_MS = 200

/** How the clients of a run behave. */
export interface ClientsOptions {
  readonly thinkMs: number
  /** The share of clients that live in a host. */
  readonly embedded: number
  /** The probability that a client vanishes during an operation. */
  readonly vanishing: number
  /** Whether keys of one tag are always in one shard. Default `true`. */
  readonly tagsStay?: boolean | undefined
}

/** What happened to operations. */
export interface OperationCounts {
  ok: number
  failed: number
  unknown: number
}

/** The clients of a run. */
export class SimKvClients {
  readonly history: KvHistory
  readonly counts: OperationCounts = { ok: 0, failed: 0, unknown: 0 }
  readonly tagsStay: boolean
  readonly #store: SimKv
  readonly #options: ClientsOptions
  readonly #values = new Map<string, string | null>()
  #made = 0
  /** How many there are, and how many there should be. */
  #count = 0
  #wanted = 0
  /** Until when nothing is begun. */
  #restUntilMs = 0
  /** Ends operations under way, as unknown. */
  readonly #open = new Set<() => void>()

  constructor(store: SimKv, history: KvHistory, options: ClientsOptions) {
    this.#store = store
    this.history = history
    this.#options = options
    this.tagsStay = options.tagsStay ?? true
  }

  start(count: number): void {
    this.scale(count)
  }

  /** Begins nothing any more. */
  stop(): void {
    this.scale(0)
  }

  /** Changes how many there are. */
  scale(count: number): void {
    this.#wanted = count
    while (this.#count < count) this.#begin()
  }

  /** Nobody begins anything for so long. */
  rest(forMs: number): void {
    this.#restUntilMs = Math.max(this.#restUntilMs, this.#store.cluster.nowMs + forMs)
  }

  /** Gives up whatever is under way: it may have happened, and it may yet. */
  abandon(): void {
    for (const giveUp of this.#open) giveUp()
  }

  /** A client that takes no part, for whoever drives the run. */
  async connect(name: string): Promise<KvClient> {
    return dial(this.#store.cluster.client(name), this.#store.hosts)
  }

  /** Reads everything back as a client of its own; resolves with the version of each key. */
  async readBack(client: KvOperations): Promise<ReadonlyMap<string, number>> {
    const versions = new Map<string, number>()
    const own = new Recorder(this, this.#store, 'last', this.#values)
    for (const key of KEYS) versions.set(key, await own.read(client, key))
    for (const key of COUNTERS) await own.count(client, key, undefined, 20_000)
    return versions
  }

  /** Writes one key of each tag and adds to each counter, as a client of its own. */
  async writeAll(client: KvOperations): Promise<void> {
    const own = new Recorder(this, this.#store, 'writer', this.#values)
    for (const tag of TAGS) await own.write(client, `${tag}1`)
    for (const key of COUNTERS) await own.count(client, key, 1, 20_000)
  }

  begun(giveUp: () => void): void {
    this.#open.add(giveUp)
  }

  ended(outcome: keyof OperationCounts, giveUp: () => void): void {
    this.#open.delete(giveUp)
    this.counts[outcome]++
  }

  #begin(): void {
    const name = `c${++this.#made}`
    this.#count++
    const client = this.#store.cluster.client(name)
    const embedded = client.random.fraction() < this.#options.embedded
    const recorder = new Recorder(this, this.#store, name, this.#values)
    const life = embedded
      ? this.#live(client, recorder, () => this.#anyHost(client.random))
      : dial(client, this.#store.hosts).then((kv) => this.#live(client, recorder, () => kv))
    life.catch((error: unknown) => this.#store.cluster.fail(error))
  }

  #anyHost(random: Random): KvOperations | undefined {
    const { hosts } = this.#store
    return this.#store.kv(hosts[random.below(hosts.length)] as NodeId)
  }

  async #live(
    client: SimClient,
    recorder: Recorder,
    find: () => KvOperations | undefined,
  ): Promise<void> {
    const { thinkMs, vanishing } = this.#options
    const { random, clock } = client
    for (;;) {
      await new Promise<void>((resolve) => {
        clock.setTimer(thinkMs * 2 * random.fraction(), () => resolve())
      })
      while (this.#store.cluster.nowMs < this.#restUntilMs && this.#count <= this.#wanted)
        await new Promise<void>((resolve) => clock.setTimer(thinkMs, () => resolve()))
      if (this.#count > this.#wanted) {
        this.#count--
        return
      }
      const kv = find()
      if (kv === undefined) continue
      const done = recorder.act(kv, random)
      if (random.fraction() < vanishing) {
        this.#store.cluster.after(random.below(50), () => client.vanish())
        this.#count--
        return this.#begin()
      }
      await done
    }
  }
}

/** Connects however long it takes. */
async function dial(client: SimClient, hosts: readonly NodeId[]): Promise<KvClient> {
  const { clock, random, dialer } = client
  for (;;) {
    try {
      return await connect({ addresses: hosts, dialer, clock, random, timeoutMs: 3_000 })
    } catch (error) {
      if (!isQuorateError(error, 'UNAVAILABLE')) throw error
    }
  }
}

type Value = string | null

/** Does operations and writes down what came of them. */
class Recorder {
  readonly #clients: SimKvClients
  readonly #store: SimKv
  readonly #name: string
  /** What any client last saw a key to hold, for comparisons that often succeed. */
  readonly #values: Map<string, Value>
  #sequence = 0

  constructor(clients: SimKvClients, store: SimKv, name: string, values: Map<string, Value>) {
    this.#clients = clients
    this.#store = store
    this.#name = name
    this.#values = values
  }

  /** One operation of any kind. */
  act(kv: KvOperations, random: Random): Promise<unknown> {
    const timeoutMs = 200 + random.below(2_500)
    const dice = random.below(100)
    const key = KEYS[random.below(KEYS.length)] as string
    const consistency = LEVELS[random.below(LEVELS.length)] as Consistency
    const value = `${this.#name}.${++this.#sequence}`
    if (dice < 24) return this.#put(kv, key, value, timeoutMs)
    if (dice < 42) return this.#get(kv, key, consistency, timeoutMs)
    if (dice < 49) return this.#delete(kv, key, timeoutMs)
    if (dice < 62) return this.#compareAndSet(kv, key, value, timeoutMs)
    if (dice < 75) return this.#transact(kv, key, value, random, timeoutMs)
    if (dice < 80) return this.#scanTag(kv, key.slice(0, 3), consistency, timeoutMs)
    if (dice < 83) return this.#scanKeys(kv, '{', random.fraction() < 0.5, consistency, timeoutMs)
    if (dice < 87) return this.#batch(kv, random, value, timeoutMs)
    const counter = COUNTERS[random.below(COUNTERS.length)] as string
    return this.count(kv, counter, dice < 97 ? 1 + random.below(5) : undefined, timeoutMs)
  }

  /** Reads a key until it is answered; resolves with its version. */
  async read(kv: KvOperations, key: string): Promise<number> {
    let version = 0
    await this.#perform(
      { op: 'get', key },
      async (options) => {
        const entry = await kv.get(key, options)
        version = entry?.version ?? 0
        return entry?.text() ?? null
      },
      20_000,
    )
    return version
  }

  /** Writes a key, however long it takes. */
  write(kv: KvOperations, key: string): Promise<void> {
    return this.#put(kv, key, `${this.#name}.${++this.#sequence}`, 20_000)
  }

  /** Adds to a counter, or reads it. */
  count(
    kv: KvOperations,
    key: string,
    delta: number | undefined,
    timeoutMs: number,
  ): Promise<void> {
    const input =
      delta === undefined ? { op: 'read' as const, key } : { op: 'add' as const, key, delta }
    return this.#record(
      delta !== undefined,
      timeoutMs,
      (options) =>
        delta === undefined
          ? kv.get(key, options).then((entry) => Number(entry?.text() ?? 0))
          : kv.increment(key, delta, options),
      (rest, output) => {
        const { counters } = this.#clients.history
        const operations = counters.get(key) ?? []
        counters.set(key, [...operations, { ...rest, input, output }])
      },
    )
  }

  #put(kv: KvOperations, key: string, value: string, timeoutMs: number): Promise<void> {
    const call = this.#store.cluster.nowMs
    return this.#perform(
      { op: 'put', key, value },
      async (options) => {
        const { version } = await kv.put(key, value, options)
        this.#wrote(key, version, value, call)
        return null
      },
      timeoutMs,
    )
  }

  #get(kv: KvOperations, key: string, consistency: Consistency, timeoutMs: number): Promise<void> {
    return this.#perform(
      { op: 'get', key },
      async (options) => {
        const value = (await kv.get(key, { ...options, consistency }))?.text() ?? null
        this.#values.set(key, value)
        return value
      },
      timeoutMs,
    )
  }

  #delete(kv: KvOperations, key: string, timeoutMs: number): Promise<void> {
    return this.#perform({ op: 'delete', key }, (options) => kv.delete(key, options), timeoutMs)
  }

  #compareAndSet(kv: KvOperations, key: string, to: string, timeoutMs: number): Promise<void> {
    const from = this.#values.get(key) ?? null
    const expected = from === null ? ({ absent: true } as const) : { value: from }
    const call = this.#store.cluster.nowMs
    return this.#perform(
      { op: 'cas', key, from, to },
      async (options) => {
        const result = await kv.compareAndSet(key, expected, to, options)
        this.#values.set(key, result.swapped ? to : (result.current?.text() ?? null))
        if (result.swapped) this.#wrote(key, result.version, to, call)
        return result.swapped
      },
      timeoutMs,
    )
  }

  /** Writes one key of a tag where the other holds what is expected, and reads both. */
  #transact(
    kv: KvOperations,
    key: string,
    value: string,
    random: Random,
    timeoutMs: number,
  ): Promise<void> {
    const other = key.endsWith('1') ? `${key.slice(0, -1)}2` : `${key.slice(0, -1)}1`
    const expected = random.fraction() < 0.6 ? this.#values.get(other) : undefined
    const condition = typeof expected === 'string' ? [{ key: other, value: expected }] : []
    const expects =
      typeof expected === 'string' ? [{ op: 'expect', key: other, value: expected } as const] : []
    const steps = [
      ...expects,
      { op: 'get', key: other } as const,
      { op: 'put', key, value } as const,
      { op: 'get', key } as const,
    ]
    return this.#perform(
      { op: 'txn', steps },
      async (options) => {
        const result = await kv.transact(
          {
            if: condition,
            do: [
              { type: 'get', key: other },
              { type: 'put', key, value },
              { type: 'get', key },
            ],
          },
          options,
        )
        if (!result.succeeded) return { committed: false }
        const reads = result.results.flatMap((step) =>
          step.type === 'get' ? [step.entry?.text() ?? null] : [],
        )
        this.#values.set(other, reads[0] ?? null)
        return { committed: true, reads }
      },
      timeoutMs,
    )
  }

  /** All keys of a tag at once, which is a transaction that reads. */
  #scanTag(
    kv: KvOperations,
    tag: string,
    consistency: Consistency,
    timeoutMs: number,
  ): Promise<void> {
    // Over several shards a scan is not one point in time.
    if (!this.#clients.tagsStay) return this.#scanKeys(kv, tag, false, consistency, timeoutMs)
    const keys = KEYS.filter((key) => key.startsWith(tag))
    const steps = keys.map((key) => ({ op: 'get', key }) as const)
    return this.#perform(
      { op: 'txn', steps },
      async (options) => {
        const found = new Map<string, string>()
        for await (const entry of kv.scan({ prefix: tag, consistency, ...options }))
          found.set(entry.keyText(), entry.text())
        return { committed: true, reads: keys.map((key) => found.get(key) ?? null) }
      },
      timeoutMs,
    )
  }

  /** What begins so, page by page: each key was so at some time while it went on. */
  #scanKeys(
    kv: KvOperations,
    prefix: string,
    reverse: boolean,
    consistency: Consistency,
    timeoutMs: number,
  ): Promise<void> {
    return this.#record(
      false,
      timeoutMs,
      async (options) => {
        const found = new Map<string, string>()
        const pages = { pageEntries: 2, reverse, consistency, prefix }
        for await (const entry of kv.scan({ ...pages, ...options }))
          found.set(entry.keyText(), entry.text())
        return found
      },
      (rest, found) => {
        if (found === undefined) return
        for (const key of KEYS.filter((one) => one.startsWith(prefix))) {
          const output = found.get(key) ?? null
          this.#clients.history.keys.push({ ...rest, input: { op: 'get', key }, output })
        }
      },
    )
  }

  /** Puts over several shards, each of which stands for itself. */
  #batch(kv: KvOperations, random: Random, value: string, timeoutMs: number): Promise<void> {
    const keys = KEYS.filter(() => random.fraction() < 0.3)
    return this.#record(
      true,
      timeoutMs,
      (options) =>
        kv.batch(
          keys.map((key) => ({ type: 'put', key, value: `${value}/${key}` })),
          options,
        ),
      (rest, results, error) => {
        const { client, call } = rest
        // Each write has its own outcome where some shards did theirs and others did not.
        const details = isQuorateError(error) ? error.details['results'] : undefined
        const each = (results ?? details ?? []) as readonly unknown[]
        for (const [at, key] of keys.entries()) {
          const result = each[at] ?? error
          const failed = isQuorateError(result) && !UNCERTAIN.some((code) => result.code === code)
          const done = typeof result === 'object' && result !== null && 'version' in result
          const outcome = failed ? 'failed' : done ? 'ok' : 'unknown'
          const end = outcome === 'unknown' ? {} : { return: this.#store.cluster.nowMs }
          const input = { op: 'put', key, value: `${value}/${key}` } as const
          this.#clients.history.keys.push({ client, call, ...end, outcome, input, output: null })
          if (outcome === 'ok' && results !== undefined) {
            this.#wrote(key, (result as { version: number }).version, input.value, call)
          }
        }
      },
    )
  }

  #wrote(key: string, version: number, value: string, call: number): void {
    this.#values.set(key, value)
    this.#clients.history.written.push({ key, version, value, call })
  }

  #perform(
    input: KeyOperationInput,
    run: (options: { readonly timeoutMs: number }) => Promise<KeyOperationOutput>,
    timeoutMs: number,
  ): Promise<void> {
    const reads =
      input.op === 'get' || (input.op === 'txn' && input.steps.every(({ op }) => op === 'get'))
    return this.#record(!reads, timeoutMs, run, (rest, output) =>
      this.#clients.history.keys.push({ ...rest, input, output }),
    )
  }

  /** Runs an operation to its end, or as long as a client waits. */
  #record<T>(
    writes: boolean,
    timeoutMs: number,
    run: (options: { readonly timeoutMs: number }) => Promise<T>,
    write: (
      rest: {
        readonly client: string
        readonly call: number
        readonly return?: number
        readonly outcome: keyof OperationCounts
      },
      output: T | undefined,
      error: unknown,
    ) => void,
  ): Promise<void> {
    const { cluster } = this.#store
    const client = this.#name
    const call = cluster.nowMs
    return new Promise((resolve) => {
      let over = false
      const end = (outcome: keyof OperationCounts, output?: T, error?: unknown): void => {
        if (over) return
        over = true
        const times = outcome === 'unknown' ? {} : { return: cluster.nowMs }
        write({ client, call, ...times, outcome }, output, error)
        cluster.trace(['ok', 'failed', 'unknown'].indexOf(outcome))
        this.#clients.ended(outcome, giveUp)
        resolve()
      }
      const giveUp = (): void => end('unknown')
      this.#clients.begun(giveUp)
      cluster.after(timeoutMs + PATIENCE_MS, giveUp)
      run({ timeoutMs }).then(
        (output) => end('ok', output),
        (error: unknown) => {
          if (!isQuorateError(error)) return cluster.fail(error)
          const uncertain = writes && UNCERTAIN.some((code) => error.code === code)
          end(uncertain ? 'unknown' : 'failed', undefined, error)
        },
      )
    })
  }
}

type KeyOperationInput = KvHistory['keys'][number]['input']
type KeyOperationOutput = NonNullable<KvHistory['keys'][number]['output']> | null
