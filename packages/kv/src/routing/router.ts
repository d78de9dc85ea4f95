// Takes what is to be done to a shard there: writes exactly once under a session, reads as fresh
// as asked for. The embedded store and the client differ only in how requests leave.
import { QuorateError, isQuorateError } from '@quorate/core'
import type { CallOptions, Clock, NodeId, Random, ReadMode, ShardId } from '@quorate/core'
import type { Consistency, ReadOptions } from '../kv.ts'
import type { TransactionBody } from '../machine/command.ts'
import { encodeOpen, sentTransaction } from '../machine/compose.ts'
import { decodeAnswer, encodeQuery } from '../machine/query.ts'
import type { KvAnswer, KvQuery } from '../machine/query.ts'
import { decodeResult } from '../machine/result.ts'
import type { KvResult } from '../machine/result.ts'
import { deadlines } from './deadlines.ts'
import type { Deadlines } from './deadlines.ts'
import { RoutedCall } from './routed-call.ts'
import type { CallContext, CallSpec, Exchange, Prepare } from './routed-call.ts'
import type { Route, RouteTable } from './routes.ts'
import { floorOf, shardSession } from './session.ts'
import type { SessionPlace, ShardSession } from './session.ts'
import type { KvReply, KvRequest, ReadLevel, ReplyError } from './wire.ts'

const WATCH_ASK_MS = 2_000

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
  /** Fetches the map anew; called often, so it must join calls. */
  refresh(): void
  /** Most calls under way, default 65,536. */
  readonly callsMax?: number | undefined
}

/** The answer to a command that was done. */
export type DoneResult = KvResult & { readonly ok: true }

/** Takes requests to shards. */
export interface Router {
  /** Runs a transaction on a shard, once. */
  transact(
    shard: ShardId,
    body: TransactionBody,
    options: CallOptions,
    what: string,
  ): Promise<DoneResult>
  /** Reads from a shard. */
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
  readonly #calls: CallContext
  readonly #deadlines: Deadlines
  readonly #sessions = new Map<ShardId, ShardSession>()
  /** The newest revision of each shard that was seen here, for reads of one's own writes. */
  readonly #seen = new Map<ShardId, number>()
  readonly #callsMax: number
  #underWay = 0
  #closed = false

  constructor(context: RouterContext) {
    this.#context = context
    this.#callsMax = context.callsMax ?? 65_536
    this.#deadlines = deadlines(context.clock)
    const { clock, random, exchange, routes } = context
    this.#calls = {
      clock,
      random,
      exchange,
      deadlines: this.#deadlines,
      refresh: () => context.refresh(),
      isClosed: () => this.#closed,
      seenVersion: (version) => {
        if (version > routes.version) context.refresh()
      },
    }
  }

  get calls(): number {
    return this.#underWay
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
        read: (bytes) => ({ value: decodeAnswer(bytes) }),
      },
      options,
    )
    this.#note(shard, answer.revision)
    if (answer.type !== query.type) {
      throw new QuorateError('MALFORMED', `${what} was answered by something else`)
    }
    return answer as KvAnswer & { readonly type: Type }
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
    }
    new RoutedCall<DoneResult>(this.#calls, spec, {}, (error, result) => {
      if (!this.#closed) opened(error ?? (result as DoneResult).revision)
    }).start()
  }
}

function checkStaleness(mode: { readonly maxStalenessMs: number }): ReadMode {
  const { maxStalenessMs } = mode
  if (Number.isSafeInteger(maxStalenessMs) && maxStalenessMs >= 0) return { maxStalenessMs }
  throw new QuorateError('INVALID_ARGUMENT', 'maxStalenessMs must be a whole number from 0')
}
