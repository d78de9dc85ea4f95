// A store from afar: the same operations as embedded, straight to the leaders, over one connection
// to each host.
import {
  QuorateError,
  createRandom,
  decodeUtf8,
  isQuorateError,
  randomSeed,
  silentLogger,
  systemClock,
} from '@quorate/core'
import type {
  AbortOptions,
  CallOptions,
  ClientDialer,
  Clock,
  Lifecycle,
  Logger,
  NodeId,
  Partitioner,
  Random,
  ShardId,
} from '@quorate/core'
import { hashRing } from '@quorate/ring'
import type { KvLifetime, KvOperations, KvStatus } from '../kv.ts'
import { encodeAdmin, kvAdmin, operationNames } from '../placement/admin.ts'
import type { KvAdmin } from '../placement/admin.ts'
import { fingerprint } from '../routing/fingerprint.ts'
import { createRouter } from '../routing/router.ts'
import type { Router } from '../routing/router.ts'
import { decodeMap, routeTable } from '../routing/routes.ts'
import type { ClusterMap, Route, RouteTable } from '../routing/routes.ts'
import { errorOf, errorReply } from '../routing/wire.ts'
import type { KvReply, KvRequest } from '../routing/wire.ts'
import { checkOptionNames } from '../options.ts'
import type { OptionNames } from '../options.ts'
import { plainValues } from '../store/entry.ts'
import { Operations, shownShard } from '../store/operations.ts'
import { decodeStatus } from '../store/report.ts'
import type { Welcome } from './frames.ts'
import { Link } from './link.ts'

const OPTIONS: OptionNames<ConnectOptions> = {
  addresses: true,
  dialer: true,
  name: true,
  partitioner: true,
  clock: true,
  random: true,
  logger: true,
  callsMax: true,
  signal: true,
  timeoutMs: true,
}
const CONNECT_TIMEOUT_MS = 10_000
const REFRESH_TIMEOUT_MS = 2_000
const REFRESH_PAUSE_MS = 50
const MAP_HOSTS_MS = 5_000

/** What a client is made of. */
export interface ConnectOptions extends CallOptions {
  /** Addresses of hosts; one that answers is enough, the others are learnt from it where it knows them. */
  readonly addresses: readonly string[]
  /** Connects: `webSocketDialer()`, or the dialer of a network in memory. */
  readonly dialer: ClientDialer
  /** The name of the store. Default `'kv'`. */
  readonly name?: string | undefined
  /** Keys to shards, as the hosts have it. Default: `hashRing` with as many shards as they have. */
  readonly partitioner?: Pick<Partitioner, 'shards' | 'shardOf'> | undefined
  /** Time. Default: the platform's. */
  readonly clock?: Clock | undefined
  /** Jitter. Default: from the platform's entropy. */
  readonly random?: Random | undefined
  /** Where log lines go. Default: nowhere. */
  readonly logger?: Logger | undefined
  /** Most calls under way; others are refused with `LIMIT_EXCEEDED`. Default 65,536. */
  readonly callsMax?: number | undefined
}

/** A client of a store: the operations of {@link Kv}, over a network. */
export interface KvClient extends KvOperations, KvLifetime {
  /** Hosts, moves and leaders, for operators. */
  readonly admin: KvAdmin
  /** The hosts that it is connected to. */
  readonly hosts: readonly NodeId[]
  /** The shard of a key. */
  shardOf(key: Uint8Array | string): ShardId
}

/**
 * Connects to a store; resolves once a host has answered.
 *
 * @throws QuorateError `UNAVAILABLE` where none did in time (default 10 s), `INVALID_OPTIONS` where
 * it serves another store or partitions it in another way, or for an option that there is not, `UNAUTHORIZED`, `ABORTED`
 */
export async function connect(options: ConnectOptions): Promise<KvClient> {
  checkOptionNames('connect', options, OPTIONS)
  if (options.addresses.length === 0) {
    throw new QuorateError('INVALID_OPTIONS', 'a client needs the address of at least one host')
  }
  const links = new Links(options)
  try {
    const welcome = await links.first(options)
    return new Client(options, links, welcome)
  } catch (error) {
    await links.close()
    throw error
  }
}

/** The connections of a client. */
class Links {
  readonly clock: Clock
  readonly random: Random
  readonly #options: ConnectOptions
  readonly #byAddress = new Map<string, Link>()
  readonly #byHost = new Map<NodeId, Link>()
  #first: { resolve(welcome: Welcome): void; reject(error: unknown): void } | undefined
  #known: { readonly fingerprint: number; readonly cluster: string } | undefined
  /** Why it could not be connected to a host, the last time. */
  #obstacle: unknown
  #turn = 0

  constructor(options: ConnectOptions) {
    this.#options = options
    this.clock = options.clock ?? systemClock()
    this.random = options.random ?? createRandom(randomSeed())
  }

  /** The first welcome. */
  async first({ signal, timeoutMs = CONNECT_TIMEOUT_MS }: CallOptions): Promise<Welcome> {
    signal?.throwIfAborted()
    let onAbort = (): void => {}
    const welcome = new Promise<Welcome>((resolve, reject) => {
      this.#first = { resolve, reject }
      onAbort = () => reject(new QuorateError('ABORTED', 'connecting was aborted'))
    })
    signal?.addEventListener('abort', onAbort, { once: true })
    const timer = this.clock.setTimer(timeoutMs, () => {
      const tried = this.#options.addresses.join(', ')
      const cause = this.#obstacle
      const why = cause instanceof Error ? `: ${cause.message.trim()}` : ''
      const where = why.includes(tried) ? '' : ` at ${tried}`
      const message = `no host answered within ${timeoutMs} ms${where}${why}`
      this.#first?.reject(new QuorateError('UNAVAILABLE', message, { cause }))
    })
    for (const address of this.#options.addresses) this.#link(address).dial()
    try {
      return await welcome
    } finally {
      this.#first = undefined
      timer.cancel()
      signal?.removeEventListener('abort', onAbort)
    }
  }

  /** The hosts with an open connection. */
  get open(): readonly Link[] {
    return [...this.#byAddress.values()].filter((link) => link.open)
  }

  /** Takes over the addresses of hosts. */
  learn(map: ClusterMap): void {
    for (const [host, address] of map.addresses) {
      const link = this.#link(address)
      const before = this.#byHost.get(host)
      if (before === undefined || !before.open) this.#byHost.set(host, link)
    }
  }

  /** The link to a host, where its address is known. */
  to(host: NodeId): Link | undefined {
    return this.#byHost.get(host)
  }

  /** An open link to anybody, another one each time. */
  any(): Link | undefined {
    const { open } = this
    return open[this.#turn++ % Math.max(1, open.length)]
  }

  async close(): Promise<void> {
    await Promise.all([...this.#byAddress.values()].map((link) => link.close()))
  }

  #link(address: string): Link {
    let link = this.#byAddress.get(address)
    if (link !== undefined) return link
    const { name = 'kv', dialer, logger = silentLogger } = this.#options
    const { clock, random } = this
    link = new Link({
      address,
      store: name,
      dialer,
      clock,
      random,
      onOpen: (opened, welcome) => this.#welcome(opened, welcome),
      onRefused: (error) => {
        logger.warn({ address, error }, 'a host refused this client')
        this.#first?.reject(error)
      },
      onFailed: (error) => {
        this.#obstacle = error
        logger.debug({ address, error }, 'a host could not be reached')
      },
    })
    this.#byAddress.set(address, link)
    return link
  }

  #welcome(link: Link, welcome: Welcome): void {
    this.#known ??= welcome
    if (this.#known.cluster !== welcome.cluster) {
      const message = `${link.address} belongs to cluster ${welcome.cluster}, others to ${this.#known.cluster}`
      throw new QuorateError('CLUSTER_MISMATCH', message)
    }
    if (this.#known.fingerprint !== welcome.fingerprint) {
      const message = `${link.address} partitions the store in another way than others`
      throw new QuorateError('INVALID_OPTIONS', message)
    }
    this.#byHost.set(welcome.host, link)
    this.learn(welcome.map)
    this.#first?.resolve(welcome)
  }
}

class Client extends Operations<Uint8Array | string, Uint8Array> implements KvClient {
  readonly admin: KvAdmin
  readonly #links: Links
  #mapRoute: Route | undefined
  #mapUntil = 0
  readonly #routes: RouteTable
  readonly #router: Router
  #refreshing = false
  #lifecycle: Lifecycle = 'open'
  #closing: Promise<void> | undefined

  constructor(options: ConnectOptions, links: Links, welcome: Welcome) {
    const routes = routeTable(welcome.map)
    const partitioner = partitionerOf(options, welcome)
    const router = createRouter({
      clock: links.clock,
      random: links.random,
      routes,
      callsMax: options.callsMax,
      shardOf: (key) => partitioner.shardOf(key),
      learn: (map) => links.learn(map),
      refresh: () => this.#refresh(),
      exchange: {
        send: (to, request, respond) => this.#send(to, request, respond),
        nearest: (hosts) => hosts.find((host) => links.to(host)?.open === true),
      },
    })
    super(
      {
        router,
        status: (callOptions) => this.#status(callOptions),
        commandBytesMax: welcome.commandBytesMax,
      },
      plainValues,
    )
    this.#links = links
    this.#routes = routes
    this.#router = router
    this.admin = kvAdmin({
      router,
      operation: operationNames(links.clock, links.random.fork('orders')),
      shardRoute: (shard) => routes.route(shard),
      // Not the routes: while a shard moves, they name the hosts on both sides.
      replicas: ({ replicas, shards }) =>
        replicas ?? Math.max(...shards.map(({ voters }) => voters.length)),
      mapRoute: (callOptions) => this.#findMap(callOptions),
    })
    // The first host may not know the addresses of all others before it has asked them.
    if (this.#isIncomplete(welcome.map)) this.#refresh()
  }

  get lifecycle(): Lifecycle {
    return this.#lifecycle
  }

  get hosts(): readonly NodeId[] {
    return this.#links.open.map(({ host }) => host as NodeId).sort()
  }

  shardOf(key: Uint8Array | string): ShardId {
    return shownShard(this.#router, key)
  }

  close(_options?: AbortOptions): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#lifecycle = 'closing'
    this.#router.close()
    await this.#links.close()
    this.#lifecycle = 'closed'
  }

  #send(to: NodeId, request: KvRequest, respond: (reply: KvReply) => void): void {
    const direct = this.#links.to(to)
    if (direct?.open === true) return direct.send(request, '', respond)
    direct?.dial()
    // A host whose address nobody knows, or that this client cannot reach, is reached by another.
    const other = this.#links.any()
    if (other !== undefined) return other.send(request, to, respond)
    if (direct !== undefined) return direct.send(request, '', respond)
    respond(errorReply(0, new QuorateError('UNAVAILABLE', 'no host can be reached')))
  }

  #isIncomplete({ shards, addresses }: ClusterMap): boolean {
    return shards.some(({ members }) => members.some((host) => !addresses.has(host)))
  }

  /** Fetches the map, one request at a time and not without a pause. */
  #refresh(): void {
    const link = this.#links.any()
    if (this.#refreshing || link === undefined || this.#lifecycle !== 'open') return
    this.#refreshing = true
    link.send({ kind: 'map', timeoutMs: REFRESH_TIMEOUT_MS }, '', (reply) => {
      this.#links.clock.setTimer(REFRESH_PAUSE_MS, () => {
        this.#refreshing = false
      })
      if (!reply.ok) return
      const map = decodeMap(reply.body)
      this.#links.learn(map)
      this.#routes.install(map)
    })
  }

  async #findMap({ timeoutMs = REFRESH_TIMEOUT_MS }: CallOptions): Promise<Route> {
    const now = this.#links.clock.now()
    if (this.#mapRoute !== undefined && now < this.#mapUntil) return this.#mapRoute
    const payload = encodeAdmin({ op: 'where' })
    const answer = await this.#askUntil({ kind: 'admin', timeoutMs, payload }, now + timeoutMs)
    // Those who held it a moment ago are still the best to ask.
    if (answer === undefined && this.#mapRoute !== undefined) return this.#mapRoute
    if (answer === undefined) throw new QuorateError('UNAVAILABLE', 'no host can be reached')
    const members = JSON.parse(decodeUtf8(answer)) as readonly NodeId[]
    // Whoever holds the map is replaced like any other host.
    this.#mapRoute = { shard: -1, epoch: 0, leader: this.#mapRoute?.leader, members }
    this.#mapUntil = now + MAP_HOSTS_MS
    return this.#mapRoute
  }

  async #status({ timeoutMs = 5_000, signal }: CallOptions): Promise<KvStatus> {
    signal?.throwIfAborted()
    return decodeStatus(await this.#askAnybody({ kind: 'status', timeoutMs }))
  }

  /** Asks until somebody answers; `undefined` where nobody has in time. */
  async #askUntil(request: KvRequest, deadline: number): Promise<Uint8Array | undefined> {
    const { clock } = this.#links
    for (;;) {
      try {
        return await this.#askAnybody(request)
      } catch (error) {
        // A question may be asked again, also where it may have been answered.
        const again = isQuorateError(error) && (error.retryable || error.code === 'OUTCOME_UNKNOWN')
        if (!again) throw error
      }
      if (this.#lifecycle !== 'open' || clock.now() + REFRESH_PAUSE_MS >= deadline) return undefined
      await new Promise<void>((resolve) => void clock.setTimer(REFRESH_PAUSE_MS, resolve))
    }
  }

  /** Asks one host after another until one answers. */
  async #askAnybody(request: KvRequest): Promise<Uint8Array> {
    let failure = new QuorateError('UNAVAILABLE', 'no host can be reached')
    for (const link of this.#links.open) {
      const reply = await new Promise<KvReply>((resolve) => link.send(request, '', resolve))
      if (reply.ok) return reply.body
      failure = errorOf(reply.error)
    }
    throw failure
  }
}

function partitionerOf(
  options: ConnectOptions,
  welcome: Welcome,
): Pick<Partitioner, 'shards' | 'shardOf'> {
  const { length: shards } = welcome.map.shards
  // Where shards are ranges of keys, the map says all that there is to know.
  if (welcome.map.ranged === true) return { shards, shardOf: () => 0 }
  const partitioner = options.partitioner ?? hashRing({ members: [], shards })
  if (fingerprint(partitioner) === welcome.fingerprint) return partitioner
  throw new QuorateError(
    'INVALID_OPTIONS',
    `the store sends keys to its ${shards} shards in another way: pass the partitioner that its hosts have`,
  )
}
