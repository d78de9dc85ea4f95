// One request on its way to a shard: it follows the leader, waits out elections, retries inside
// one deadline, and never says "failed" of what may have happened.
import { QuorateError, abortError, offAbort, onAbort } from '@quorate/core'
import type { CallOptions, Clock, NodeId, Random, Timer } from '@quorate/core'
import type { Deadlines, Expiring } from './deadlines.ts'
import type { Route } from './routes.ts'
import { errorOf } from './wire.ts'
import type { KvReply, KvRequest, ReplyError } from './wire.ts'

const TIMEOUT_MS = 10_000
const ATTEMPTS_MAX = 256
const REDIRECTS_MAX = 3
const DELAY_MIN_MS = 4
const DELAY_MAX_MS = 250

/** How requests leave. */
export interface Exchange {
  /** Sends a request and calls `respond` once, whatever happens; it keeps to the request's timeout. */
  send(to: NodeId, request: KvRequest, respond: (reply: KvReply) => void): void
  /** The best of these hosts for what any of them can answer. */
  nearest(hosts: readonly NodeId[]): NodeId | undefined
}

/** What a call needs of whoever routes it. */
export interface CallContext {
  /** Time. */
  readonly clock: Clock
  /** Jitter. */
  readonly random: Random
  /** How requests leave. */
  readonly exchange: Exchange
  /** Where all deadlines are kept. */
  readonly deadlines: Deadlines
  /** Says that routes seem to be wrong. */
  refresh(): void
  /** Takes over the map as a host knows it, then calls back, also where that failed. */
  relearn(host: NodeId, done: () => void): void
  /** Whether whoever makes the calls is being closed. */
  isClosed(): boolean
  /** A reply told of this version of the map. */
  seenVersion(version: number): void
}

/** What is asked of a shard. */
export interface CallSpec<T> {
  /** Where the shard is. */
  readonly route: Route
  /** Whether it may change something, so that an unknown outcome must be said. */
  readonly write: boolean
  /** Whether any replica may answer. */
  readonly anyReplica: boolean
  /** In words, for messages. */
  readonly what: string
  /** The request of one attempt; called anew for each. */
  request(timeoutMs: number, attempt: number): KvRequest
  /** Reads a reply's body: the value, or why it was not done after all. */
  read(body: Uint8Array): { readonly value: T } | { readonly error: ReplyError }
  /** The shard has forgotten the session: gets a new one, then calls back. Absent: nothing to be done. */
  readonly renew?: Prepare | undefined
  /**
   * Whether the shard still has all keys that the call is about, as far as is known. Absent where it
   * has them for ever, as in a store of hash slots.
   */
  stays?(): boolean
}

/** Keys of a call are in another shard by now; nothing was done, and the call can be made anew. */
export class Moved extends Error {}

/** Keys of a call are in no shard that is known: they are on their way from one to another. */
export class OnTheWay extends Moved {}

/** Does what must happen before an attempt, then calls one of the two. */
export type Prepare = (ready: () => void, refused: (error: QuorateError) => void) => void

/** A call under way. */
export class RoutedCall<T> implements Expiring {
  readonly deadline: number
  readonly #context: CallContext
  readonly #spec: CallSpec<T>
  readonly #settle: (error: QuorateError | Moved | undefined, value: T | undefined) => void
  readonly #signal: AbortSignal | undefined
  readonly #timeoutMs: number
  #ended = false
  /** Counts attempts; a reply to an earlier one is of no interest. */
  #attempt = 0
  #waiting = false
  /** Whether an attempt of a write may have been applied; it makes no difference that a read was. */
  #mayHaveRun = false
  #redirects = 0
  #delays = 0
  #cursor: number
  #timer: Timer | undefined
  #last: ReplyError | undefined

  constructor(
    context: CallContext,
    spec: CallSpec<T>,
    options: CallOptions,
    settle: (error: QuorateError | Moved | undefined, value: T | undefined) => void,
  ) {
    this.#context = context
    this.#spec = spec
    this.#settle = settle
    this.#signal = options.signal
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS
    this.deadline = context.clock.now() + this.#timeoutMs
    // Those without a leader begin anywhere, so that not all ask the same replica.
    this.#cursor = spec.route.leader === undefined ? context.random.below(64) : 0
  }

  /** Begins. What must happen before the first attempt goes into `prepare`. */
  start(prepare: Prepare = (ready) => ready()): void {
    if (this.#signal?.aborted === true) {
      this.#ended = true
      return this.#settle(abortError(this.#signal, this.#spec.what), undefined)
    }
    if (this.#signal !== undefined) onAbort(this.#signal, this.#onAbort)
    this.#context.deadlines.add(this)
    prepare(
      () => this.#try(),
      (error) => this.#end(error),
    )
  }

  expire(): void {
    const error = this.#last === undefined ? undefined : errorOf(this.#last)
    const closed = this.#context.isClosed()
    const within = closed ? 'before the store was closed' : `within ${this.#timeoutMs} ms`
    if (this.#unknown()) {
      const message = `${this.#spec.what} had no answer ${within}; it may have been done`
      this.#end(new QuorateError('OUTCOME_UNKNOWN', message, { cause: error }))
    } else {
      const { shard, members } = this.#spec.route
      const where = `; shard ${shard} is on ${members.join(', ')}`
      const why = error === undefined ? where : `: ${error.message}`
      const message = `${this.#spec.what} was not done ${within}${why}`
      this.#end(new QuorateError(closed ? 'CLOSED' : 'TIMEOUT', message, { cause: error }))
    }
  }

  readonly #onAbort = (): void => {
    const signal = this.#signal as AbortSignal
    if (!this.#unknown()) return this.#end(abortError(signal, this.#spec.what))
    const message = `${this.#spec.what} was aborted; it may have been done`
    this.#end(new QuorateError('OUTCOME_UNKNOWN', message, { cause: signal.reason }))
  }

  #unknown(): boolean {
    return this.#spec.write && (this.#mayHaveRun || this.#waiting)
  }

  #end(error: QuorateError | Moved | undefined, value?: T): void {
    if (this.#ended) return
    this.#ended = true
    this.#timer?.cancel()
    this.#context.deadlines.remove(this)
    if (this.#signal !== undefined) offAbort(this.#signal, this.#onAbort)
    this.#settle(error, value)
  }

  #try(): void {
    if (this.#ended) return
    // Something else may have learnt meanwhile that the keys are elsewhere.
    if (!this.#mayHaveRun && this.#spec.stays?.() === false) return this.#end(new Moved())
    const remaining = this.deadline - this.#context.clock.now()
    if (remaining <= 0 || this.#attempt >= ATTEMPTS_MAX) return this.expire()
    const target = this.#target()
    if (target === undefined) {
      return this.#later({ ...NOBODY, message: `shard ${this.#spec.route.shard} has no replica` })
    }
    const attempt = ++this.#attempt
    this.#waiting = true
    // A leader that does not answer must not use up the whole time.
    const timeoutMs = Math.min(remaining, Math.max(1_000, this.#timeoutMs / 4))
    this.#context.exchange.send(target, this.#spec.request(timeoutMs, attempt), (reply) => {
      if (this.#ended || attempt !== this.#attempt) return
      this.#waiting = false
      this.#onReply(target, reply)
    })
  }

  #target(): NodeId | undefined {
    const { route, anyReplica } = this.#spec
    if (anyReplica && this.#attempt === 0) {
      const nearest = this.#context.exchange.nearest(route.members)
      if (nearest !== undefined) return nearest
    }
    if (!anyReplica && route.leader !== undefined) return route.leader
    return route.members[this.#cursor % Math.max(1, route.members.length)]
  }

  #onReply(target: NodeId, reply: KvReply): void {
    this.#context.seenVersion(reply.mapVersion)
    if (!reply.ok) return this.#onError(target, reply.error, false)
    let read: { readonly value: T } | { readonly error: ReplyError }
    try {
      read = this.#spec.read(reply.body)
    } catch (cause) {
      // What a host of another make answers may be no answer at all; it may still have acted.
      const message = `host ${target} gave an answer that cannot be read`
      const code = this.#spec.write ? 'OUTCOME_UNKNOWN' : 'MALFORMED'
      return this.#end(new QuorateError(code, message, { cause }))
    }
    if ('error' in read) return this.#onError(target, read.error, true)
    if (!this.#spec.anyReplica) {
      this.#spec.route.leader = target
      this.#spec.route.failed = undefined
    }
    this.#end(undefined, read.value)
  }

  /** @param decided - the shard itself has said so, of this request and its repetitions alike */
  #onError(target: NodeId, error: ReplyError, decided: boolean): void {
    const { route } = this.#spec
    this.#last = error
    switch (error.code) {
      case 'NOT_LEADER':
        route.leader = error.leader === target ? undefined : error.leader
        if (route.leader === undefined || this.#redirects >= REDIRECTS_MAX)
          return this.#later(error)
        this.#redirects++
        return this.#try()
      case 'CROSS_SHARD':
        return this.#relearn(target, error, true)
      case 'EPOCH_MISMATCH':
        if (this.#spec.stays !== undefined) return this.#relearn(target, error, false)
        if (error.epoch <= route.epoch) return this.#later(error)
        route.epoch = error.epoch
        this.#context.refresh()
        return this.#try()
      case 'OUTCOME_UNKNOWN':
        // Asked again under the same sequence number, it is applied once, whatever happened.
        this.#mayHaveRun = this.#spec.write
        return this.#elsewhere(target, error)
      case 'UNAVAILABLE':
      case 'CLOSED':
      case 'NO_QUORUM':
      case 'TIMEOUT':
      case 'ABORTED':
      // A replica that has stopped for good: another goes on.
      case 'STORAGE_FAILED':
      case 'STORAGE_CORRUPT':
      case 'STATE_MACHINE_FAILED':
        return this.#elsewhere(target, error)
      case 'SESSION_EXPIRED':
        return this.#onExpired(error)
      default:
        if (error.retryable) return this.#later(error)
        return this.#end(decided ? errorOf(error) : this.#refusal(error))
    }
  }

  /** A refusal speaks for one attempt alone: those before it may have run. */
  #refusal(error: ReplyError): QuorateError {
    const refused = errorOf(error)
    if (!this.#mayHaveRun) return refused
    const message = `${this.#spec.what} was refused when it was asked again (${refused.message}); it may have been done`
    return new QuorateError('OUTCOME_UNKNOWN', message, { cause: refused })
  }

  /** The shard's range has changed: asks the host that said so, which must know more than is known here. */
  #relearn(target: NodeId, error: ReplyError, refused: boolean): void {
    const { route } = this.#spec
    const { epoch } = route
    this.#context.relearn(target, () => {
      if (this.#ended) return
      const stays = this.#spec.stays?.() ?? true
      // An earlier attempt may have run there, and only the shard that ran it can say so.
      if (!stays && (refused || !this.#mayHaveRun)) return this.#end(new Moved())
      if (refused || route.epoch <= epoch) this.#later(error)
      else this.#try()
    })
  }

  #onExpired(error: ReplyError): void {
    // Once an attempt may have run, a new session would let it run a second time.
    if (this.#mayHaveRun || this.#spec.renew === undefined) {
      const message = `${error.message}, so it cannot be said whether ${this.#spec.what} was done`
      return this.#end(errorOf({ ...error, message }))
    }
    this.#spec.renew(
      () => this.#try(),
      (refusal) => this.#end(refusal),
    )
  }

  #elsewhere(target: NodeId, error: ReplyError): void {
    const { route } = this.#spec
    if (route.leader === target) {
      route.leader = undefined
      // Whoever is asked for the map may believe in it still; the members are asked one by one instead.
      route.failed = target
    }
    this.#context.refresh()
    this.#later(error)
  }

  #later(error: ReplyError): void {
    this.#last = error
    this.#redirects = 0
    this.#cursor++
    // Every member is asked once before the first wait grows.
    const exponent = Math.max(0, this.#delays++ - this.#spec.route.members.length)
    const delay = Math.min(DELAY_MAX_MS, DELAY_MIN_MS * 2 ** Math.min(exponent, 10))
    const jittered = delay * (0.5 + this.#context.random.fraction() / 2)
    this.#timer = this.#context.clock.setTimer(jittered, () => this.#try())
  }
}

const NOBODY: ReplyError = {
  code: 'UNAVAILABLE',
  message: '',
  leader: undefined,
  epoch: 0,
  retryable: true,
}
