// Takes what is to be done to a shard there: writes exactly once under a session, reads as fresh
// as asked for. The embedded store and the client differ only in how requests leave.
import { QuorateError, isQuorateError } from '@quorate/core'
import type { CallOptions, Clock, NodeId, Random, ReadMode, ShardId } from '@quorate/core'
import type { Consistency, ReadOptions } from '../kv.ts'
import type { TransactionBody } from '../machine/command.ts'
import { rawKey } from '../key.ts'
import { encodeCommand } from '../machine/command.ts'
import type { HandoverCommand } from '../machine/handover-command.ts'
import { sameRange } from '../machine/key-range.ts'
import { encodeOpen, sentTransaction } from '../machine/compose.ts'
import { decodeAnswer, encodeQuery } from '../machine/query.ts'
import type { KvAnswer, KvQuery } from '../machine/query.ts'
import { decodeResult } from '../machine/result.ts'
import type { KvResult } from '../machine/result.ts'
import { deadlines } from './deadlines.ts'
import type { Deadlines } from './deadlines.ts'
import { RoutedCall } from './routed-call.ts'
import type { CallContext, CallSpec, Exchange, Prepare } from './routed-call.ts'
import { decodeMap } from './routes.ts'
import type { ClusterMap, Route, RouteTable } from './routes.ts'
import { floorOf, shardSession } from './session.ts'
import type { SessionPlace, ShardSession } from './session.ts'
import type { KvReply, KvRequest, ReadLevel, ReplyError } from './wire.ts'

const WATCH_ASK_MS = 2_000
const MAP_ASK_MS = 2_000

/** What a router is made of. */
export interface RouterContext {
  /** Time. */
  readonly clock: Clock
  /** Jitter. */
  readonly random: Random
  /** How requests leave. */
  readonly exchange: Exchange
  /** Where the shards are. */
  readonly routes: RouteTable
  /** Keys to shards, where shards are hash slots. */
  shardOf(key: Uint8Array): ShardId
  /** Takes over what a map says besides routes. */
  learn?(map: ClusterMap): void
  /** Fetches the map anew; called often, so it must join calls. */
  refresh(): void
  /** Most calls under way, default 65,536. */
  readonly callsMax?: number | undefined
}

/** The answer to a command that was done. */
export type DoneResult = KvResult & { readonly ok: true }

/** Takes requests to shards. */
export interface Router {
  /** Whether shards are sorted ranges of keys, so that keys can go from one to another. */
  readonly ranged: boolean
  /** Where the shards are. */
  readonly routes: RouteTable
  /** Time. */
  readonly clock: Clock
  /** The shard of a key; `undefined` while the key is on its way from one to another. */
  shardOf(key: Uint8Array): ShardId | undefined
  /** Asks any host for the map; for those who wait for keys on their way. Resolves in any case. */
  relearn(): Promise<void>
  /**
   * Runs a transaction on a shard, once.
   *
   * @throws Moved where keys of it are in another shard by now
   */
  transact(
    shard: ShardId,
    body: TransactionBody,
    options: CallOptions,
    what: string,
  ): Promise<DoneResult>
  /** Reads from a shard; throws {@link Moved} likewise. */
  query<Type extends KvQuery['type']>(
    shard: ShardId,
    query: KvQuery & { readonly type: Type },
    options: ReadOptions,
    what: string,
  ): Promise<KvAnswer & { readonly type: Type }>
  /** Asks any replica of a shard for changes; resolves with the reply's body. */
  watch(
    shard: ShardId,
    after: number | undefined,
    prefix: Uint8Array,
    options: CallOptions,
  ): Promise<Uint8Array>
  /** Has a shard's leader propose a command that is no caller's; what it does twice must be harmless. */
  propose(command: HandoverCommand, route: Route, options: CallOptions): Promise<DoneResult>
  /** Sends a request about the placement to whoever leads a group; it must be safe to repeat. */
  admin(route: Route, payload: Uint8Array, options: CallOptions, what: string): Promise<Uint8Array>
  /** How many calls are under way. */
  readonly calls: number
  /** Ends all calls. */
  close(): void
}

/** Makes a router. */
export function createRouter(context: RouterContext): Router {
  return new ShardRouter(context)
}

class ShardRouter implements Router {
  readonly #context: RouterContext
  readonly routes: RouteTable
  readonly ranged: boolean
  readonly clock: Clock
  readonly #calls: CallContext
  /** Who waits for a host's map, by host. */
  readonly #learning = new Map<NodeId, (() => void)[]>()
  readonly #deadlines: Deadlines
  readonly #sessions = new Map<ShardId, ShardSession>()
  /** The newest revision of each shard that was seen here, for reads of one's own writes. */
  readonly #seen = new Map<ShardId, number>()
  readonly #callsMax: number
  #underWay = 0
  #turn = 0
  #closed = false

  constructor(context: RouterContext) {
    this.#context = context
    this.routes = context.routes
    this.ranged = context.routes.ranged
    this.clock = context.clock
    this.#callsMax = context.callsMax ?? 65_536
    this.#deadlines = deadlines(context.clock)
    const { clock, random, exchange, routes } = context
    this.#calls = {
      clock,
      random,
      exchange,
      deadlines: this.#deadlines,
      refresh: () => context.refresh(),
      relearn: (host, done) => this.#relearn(host, done),
      isClosed: () => this.#closed,
      seenVersion: (version) => {
        if (version > routes.version) context.refresh()
      },
    }
  }

  get calls(): number {
    return this.#underWay
  }

  shardOf(key: Uint8Array): ShardId | undefined {
    if (!this.ranged) return this.#context.shardOf(key)
    return this.routes.locate(rawKey(key))?.shard
  }

  relearn(): Promise<void> {
    // Another one each time: not every host hears of a change at once.
    const hosts = [...new Set(this.routes.all.flatMap(({ members }) => members))]
    const host = hosts[this.#turn++ % Math.max(1, hosts.length)]
    if (host === undefined) return Promise.resolve()
    return new Promise((resolve) => this.#relearn(host, resolve))
  }

  /** Asks a host for the map, once for all who wait for it. */
  #relearn(host: NodeId, done: () => void): void {
    const waiting = this.#learning.get(host)
    if (waiting !== undefined) return void waiting.push(done)
    const all = [done]
    this.#learning.set(host, all)
    this.#context.exchange.send(host, { kind: 'map', timeoutMs: MAP_ASK_MS }, (reply) => {
      this.#learning.delete(host)
      if (reply.ok) this.#install(reply.body)
      for (const one of all) one()
    })
  }

  #install(bytes: Uint8Array): void {
    let map: ClusterMap
    try {
      map = decodeMap(bytes)
    } catch {
      // Whoever waits asks again, somebody else in the end.
      return
    }
    this.#context.learn?.(map)
    this.routes.install(map)
  }

  /** Whether keys are where they were when a call began; `undefined` where they always are. */
  #stays(route: Route, keys: () => Iterable<Uint8Array>): { stays(): boolean } | undefined {
    if (!this.ranged) return undefined
    const raw = [...keys()].map(rawKey)
    return { stays: () => raw.every((key) => this.routes.locate(key) === route) }
  }

  transact(
    shard: ShardId,
    body: TransactionBody,
    options: CallOptions,
    what: string,
  ): Promise<DoneResult> {
    const route = this.#context.routes.route(shard)
    const sent = sentTransaction(body)
    const session = this.#session(shard)
    let place: SessionPlace | undefined
    let takeBack = (): void => {}
    const acquire: Prepare = (ready, refused) => {
      takeBack = session.acquire((given) => {
        place = given
        ready()
      }, refused)
      sent.capture()
    }
    const spec: CallSpec<DoneResult> = {
      route,
      write: true,
      anyReplica: false,
      what,
      request: (timeoutMs) => {
        const { session: open, seq } = place as SessionPlace
        const step = { session: open.id, seq, floor: floorOf(open) }
        const { epoch } = route
        return {
          kind: 'command',
          timeoutMs,
          payload: sent.encode({ shard, epoch, timeMs: 0 }, step),
        }
      },
      read: (bytes) => this.#read(shard, bytes),
      ...this.#stays(route, () => keysOf(body)),
      renew: (renewed, refused) => {
        const old = place as SessionPlace
        session.expired(old.session)
        session.release(old)
        acquire(renewed, refused)
      },
    }
    return this.#run(spec, options, acquire, () => {
      takeBack()
      if (place !== undefined) session.release(place)
    })
  }

  async query<Type extends KvQuery['type']>(
    shard: ShardId,
    query: KvQuery & { readonly type: Type },
    options: ReadOptions,
    what: string,
  ): Promise<KvAnswer & { readonly type: Type }> {
    const payload = encodeQuery(query)
    const level = this.#level(shard, options.consistency ?? 'linearizable')
    const route = this.#context.routes.route(shard)
    const answer = await this.#run<KvAnswer>(
      {
        route,
        write: false,
        anyReplica: level.mode !== 'quorum' && level.mode !== 'lease',
        what,
        request: (timeoutMs) => {
          const { epoch } = route
          return { kind: 'query', timeoutMs, shard, epoch, level, payload }
        },
        read: (bytes) => readAnswer(bytes),
        ...this.#staysFor(route, query),
      },
      options,
    )
    this.#note(shard, answer.revision)
    if (answer.type !== query.type) {
      throw new QuorateError('MALFORMED', `${what} was answered by something else`)
    }
    return answer as KvAnswer & { readonly type: Type }
  }

  #staysFor(route: Route, query: KvQuery): { stays(): boolean } | undefined {
    if (query.type === 'get') return this.#stays(route, () => query.keys)
    if (query.type !== 'range') return this.#stays(route, () => [])
    // A page is of a whole range: where that has changed, it is asked for anew.
    const { range } = route
    if (range === undefined) return undefined
    return { stays: () => route.range !== undefined && sameRange(route.range, range) }
  }

  /** What a watch begins with holds for the shards of one map alone. */
  #staysAlike(route: Route): { stays(): boolean } | undefined {
    if (!this.ranged) return undefined
    const { epoch } = route
    return { stays: () => route.epoch === epoch }
  }

  async watch(
    shard: ShardId,
    after: number | undefined,
    prefix: Uint8Array,
    options: CallOptions,
  ): Promise<Uint8Array> {
    const route = this.#context.routes.route(shard)
    const request = (timeoutMs: number): KvRequest => ({
      kind: 'watch',
      timeoutMs,
      shard,
      epoch: route.epoch,
      after,
      prefix,
    })
    try {
      return await this.#run(
        {
          route,
          write: false,
          // Where a watch stands must be told by the leader; what follows, by anybody.
          anyReplica: after !== undefined,
          what: `the watch of shard ${shard}`,
          request,
          read: (value) => ({ value }),
          ...(after === undefined ? this.#staysAlike(route) : undefined),
        },
        options,
      )
    } catch (error) {
      if (!isQuorateError(error, 'COMPACTED')) throw error
      // Replicas remember unequally much: one that was restored begins at its snapshot.
      for (const host of route.members) {
        const reply = await this.#ask(host, request(WATCH_ASK_MS))
        if (reply.ok) return reply.body
      }
      throw error
    }
  }

  #ask(host: NodeId, request: KvRequest): Promise<KvReply> {
    return new Promise((resolve) => this.#context.exchange.send(host, request, resolve))
  }

  async propose(command: HandoverCommand, route: Route, options: CallOptions): Promise<DoneResult> {
    const { shard } = route
    // Whoever hands keys over knows the epochs, and each step says what it expects.
    const epoch = Number.MAX_SAFE_INTEGER
    const payload = encodeCommand({ shard, epoch, timeMs: 0, ...command })
    return this.#run(
      {
        route,
        write: false,
        anyReplica: false,
        what: `${command.type} of shard ${shard}`,
        request: (timeoutMs) => ({ kind: 'command', timeoutMs, payload: new Uint8Array(payload) }),
        read: (bytes) => readStep(bytes),
      },
      options,
    )
  }

  admin(
    route: Route,
    payload: Uint8Array,
    options: CallOptions,
    what: string,
  ): Promise<Uint8Array> {
    return this.#run(
      {
        route,
        write: false,
        anyReplica: false,
        what,
        request: (timeoutMs) => ({ kind: 'admin', timeoutMs, payload }),
        read: (value) => ({ value }),
      },
      options,
    )
  }

  close(): void {
    this.#closed = true
    this.#deadlines.expireAll()
  }

  #run<T>(
    spec: CallSpec<T>,
    options: CallOptions,
    prepare?: Prepare,
    finished?: () => void,
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const refused = this.#refusal()
      if (refused !== undefined) return reject(refused)
      this.#underWay++
      new RoutedCall<T>(this.#calls, spec, options, (error, value) => {
        this.#underWay--
        finished?.()
        if (error === undefined) resolve(value as T)
        else reject(error)
      }).start(prepare)
    })
  }

  #refusal(): QuorateError | undefined {
    if (this.#closed) return new QuorateError('CLOSED', 'the store is closed')
    if (this.#underWay < this.#callsMax) return undefined
    const message = `more than ${this.#callsMax} calls are under way`
    return new QuorateError('LIMIT_EXCEEDED', message, { retryable: true })
  }

  #read(shard: ShardId, bytes: Uint8Array): { value: DoneResult } | { error: ReplyError } {
    const result = decodeResult(bytes)
    if (result.ok) {
      this.#note(shard, result.revision)
      return { value: result }
    }
    const { code, message, epoch } = result
    // `CONFLICT` says that the session has too many answers open: they become fewer by themselves.
    return { error: { code, message, epoch, leader: undefined, retryable: code === 'CONFLICT' } }
  }

  #note(shard: ShardId, revision: number): void {
    if (revision > (this.#seen.get(shard) ?? 0)) this.#seen.set(shard, revision)
  }

  #level(shard: ShardId, consistency: Consistency): ReadLevel {
    if (typeof consistency === 'object')
      return { mode: checkStaleness(consistency), revisionMin: 0 }
    switch (consistency) {
      case 'linearizable':
        return { mode: 'quorum', revisionMin: 0 }
      case 'lease':
      case 'follower':
      case 'local':
        return { mode: consistency, revisionMin: 0 }
      case 'session':
        return { mode: 'local', revisionMin: this.#seen.get(shard) ?? 0 }
      default:
        throw new TypeError(`unknown consistency: ${String(consistency)}`)
    }
  }

  #session(shard: ShardId): ShardSession {
    let session = this.#sessions.get(shard)
    if (session === undefined) {
      session = shardSession((opened) => this.#open(shard, opened))
      this.#sessions.set(shard, session)
    }
    return session
  }

  #open(shard: ShardId, opened: (result: number | QuorateError) => void): void {
    if (this.#closed) return
    const route = this.#context.routes.route(shard)
    const spec: CallSpec<DoneResult> = {
      route,
      // A session that nobody uses does no harm: opening one is safe to repeat.
      write: false,
      anyReplica: false,
      what: `opening a session with shard ${shard}`,
      request: (timeoutMs) => {
        const payload = encodeOpen({ shard, epoch: route.epoch, timeMs: 0 })
        return { kind: 'command', timeoutMs, payload }
      },
      read: (bytes) => this.#read(shard, bytes),
      ...this.#stays(route, () => []),
    }
    new RoutedCall<DoneResult>(this.#calls, spec, {}, (error, result) => {
      // A session is about no key, so none of it has moved.
      if (!this.#closed) opened((error as QuorateError) ?? (result as DoneResult).revision)
    }).start()
  }
}

function keysOf({ comparisons, success, failure }: TransactionBody): readonly Uint8Array[] {
  return [...comparisons, ...success, ...failure].map(({ key }) => key)
}

function readAnswer(bytes: Uint8Array): { value: KvAnswer } | { error: ReplyError } {
  const value = decodeAnswer(bytes)
  if (value.type !== 'elsewhere') return { value }
  const message = 'the shard does not serve all of the keys'
  return {
    error: { code: 'CROSS_SHARD', message, epoch: 0, leader: undefined, retryable: false },
  }
}

function readStep(bytes: Uint8Array): { value: DoneResult } | { error: ReplyError } {
  const result = decodeResult(bytes)
  if (result.ok) return { value: result }
  const { code, message, epoch } = result
  return { error: { code, message, epoch, leader: undefined, retryable: false } }
}

function checkStaleness(mode: { readonly maxStalenessMs: number }): ReadMode {
  const { maxStalenessMs } = mode
  if (Number.isSafeInteger(maxStalenessMs) && maxStalenessMs >= 0) return { maxStalenessMs }
  throw new QuorateError('INVALID_ARGUMENT', 'maxStalenessMs must be a whole number from 0')
}
