// One shard's replica on this host, as requests see it: epochs are checked, time is stamped, reads
// are made as fresh as asked for. Nothing here remembers anything that matters.
import { ByteReader, ByteWriter, QuorateError } from '@quorate/core'
import type { Clock, NodeId, Replica, Timer, Unsubscribe } from '@quorate/core'
import { rawKey } from '../key.ts'
import { decodeCommand, encodeCommand, stampCommand } from '../machine/command.ts'
import { hexOf } from '../machine/key-range.ts'
import { decodeQuery } from '../machine/query.ts'
import type { Change } from '../machine/history.ts'
import type { ShardMachine } from '../machine/shard-machine.ts'
import { replyError } from '../routing/wire.ts'
import type { KvReply, KvRequest } from '../routing/wire.ts'
import type { LogTime } from './log-time.ts'
import { appliedWaits } from './applied-waits.ts'
import type { AppliedWaits } from './applied-waits.ts'
import { encodeWatchPage } from './watch-page.ts'

const WATCH_WAIT_MS = 5_000
const WATCHES_MAX = 8_192
const WATCH_CHANGES_MAX = 2_048
const WATCH_BYTES_MAX = 524_288
const SAMPLE_EVERY = 64
const SAMPLES = 64
const TICK_RETRY_MS = 500
const TICK_MAX_MS = 60_000
/** What a leader that is asked how far it is says as the leader. */
const DECIDED: ReadonlySet<string> = new Set(['EPOCH_MISMATCH', 'LIMIT_EXCEEDED'])

/** What a shard's replica needs of its store. */
export interface ShardReplicaContext {
  /** Its member of the group. */
  readonly replica: Replica
  /** Its state. */
  readonly machine: ShardMachine
  /** Time. */
  readonly clock: Clock
  /** The time that commands are stamped with. */
  readonly logTime: LogTime
  /** Sends a request to another host. */
  send(to: NodeId, request: KvRequest, respond: (reply: KvReply) => void): void
  /** Whether to remember some of the keys that are asked for. */
  readonly sampled: boolean
  /** The version of the map that replies tell of. */
  mapVersion(): number
}

type Respond = (reply: KvReply) => void
type Query = KvRequest & { readonly kind: 'query' }
type Watch = KvRequest & { readonly kind: 'watch' }

/** A shard's replica that answers requests. */
export class ShardReplica {
  readonly replica: Replica
  readonly machine: ShardMachine
  readonly #context: ShardReplicaContext
  readonly #waits: AppliedWaits
  #tick: Timer | undefined
  /** The log time for which the timer is set, infinity where none is. */
  #tickMs = Number.POSITIVE_INFINITY
  #closed = false
  /** How many commands and questions have come. */
  #requests = 0
  readonly #samples: string[] = []
  readonly #cleanup: Unsubscribe[] = []

  constructor(context: ShardReplicaContext) {
    this.#context = context
    this.replica = context.replica
    this.machine = context.machine
    this.#waits = appliedWaits(context.machine, context.clock)
    this.#cleanup.push(context.machine.onApplied(() => this.#scheduleTick()))
  }

  /** How many commands and questions have come. */
  get requests(): number {
    return this.#requests
  }

  /** Keys that were asked for lately, in hexadecimal digits: a few, each request's as likely. */
  asked(): readonly string[] {
    return this.#samples
  }

  #count(kind: 'command' | 'query', payload: Uint8Array): void {
    const number = this.#requests++
    if (!this.#context.sampled || number % SAMPLE_EVERY !== 0) return
    const key = askedKey(kind, payload)
    if (key !== undefined) this.#samples[(number / SAMPLE_EVERY) % SAMPLES] = hexOf(rawKey(key))
  }

  /** Proposes a command that stands in memory of its own. */
  command(payload: Uint8Array, epoch: number, timeoutMs: number, respond: Respond): void {
    this.#count('command', payload)
    if (epoch < this.machine.epoch) return this.#refuse(respond, this.#epochError())
    stampCommand(payload, this.#context.logTime.now())
    this.replica.propose(payload, { timeoutMs }).then(
      (body) => this.#reply(respond, body),
      (error: unknown) => this.#refuse(respond, error),
    )
  }

  /** Answers a question. */
  query(request: Query, respond: Respond): void {
    const { mode } = request.level
    this.#count('query', request.payload)
    if (request.epoch < this.machine.epoch) return this.#refuse(respond, this.#epochError())
    if (mode === 'follower') return this.#followerQuery(request, respond)
    this.#afterRevision(request.level.revisionMin, request.timeoutMs, respond, () => {
      this.replica.query(request.payload, { mode, timeoutMs: request.timeoutMs }).then(
        (body) => {
          // A move may have been completed while the read was on its way.
          if (request.epoch < this.machine.epoch) this.#refuse(respond, this.#epochError())
          else this.#reply(respond, body)
        },
        (error: unknown) => this.#refuse(respond, error),
      )
    })
  }

  /** Tells a leader's revision, after a quorum has confirmed that it leads. */
  barrier(epoch: number, timeoutMs: number, respond: Respond): void {
    if (epoch < this.machine.epoch) return this.#refuse(respond, this.#epochError())
    this.replica.readBarrier('quorum', { timeoutMs }).then(
      () => {
        const writer = new ByteWriter(8)
        writer.varint(this.machine.revision)
        this.#reply(respond, writer.finish())
      },
      (error: unknown) => this.#refuse(respond, error),
    )
  }

  /** Answers a poll of a watch: with changes, or with how far there were none. */
  watch(request: Watch, respond: Respond): void {
    const { after, timeoutMs } = request
    if (after === undefined) {
      if (request.epoch < this.machine.epoch) return this.#refuse(respond, this.#epochError())
      this.replica.readBarrier('quorum', { timeoutMs }).then(
        () => {
          if (request.epoch < this.machine.epoch) this.#refuse(respond, this.#epochError())
          else this.#reply(respond, encodeWatchPage(this.machine.revision, []))
        },
        (error: unknown) => this.#refuse(respond, error),
      )
      return
    }
    const prefix = rawKey(request.prefix.subarray(0, 4_097))
    let from = after
    const check = (): boolean => {
      const page = this.#changes(from, prefix)
      if (page instanceof QuorateError) this.#refuse(respond, page)
      else if (page.changes.length > 0) {
        this.#reply(respond, encodeWatchPage(page.revision, page.changes))
      } else {
        from = page.revision
        return false
      }
      return true
    }
    if (check()) return
    if (this.#closed) return this.#refuse(respond, closedError())
    if (this.#waits.size >= WATCHES_MAX) {
      const message = `more than ${WATCHES_MAX} watches wait for one shard`
      return this.#refuse(respond, new QuorateError('LIMIT_EXCEEDED', message, { retryable: true }))
    }
    this.#waits.wait(Math.min(WATCH_WAIT_MS, timeoutMs / 2), check, () =>
      this.#reply(respond, encodeWatchPage(from, [])),
    )
  }

  /** Stops answering; those that wait are answered. */
  close(): void {
    this.#closed = true
    for (const cleanup of this.#cleanup.splice(0)) cleanup()
    this.#tick?.cancel()
    this.#waits.close()
  }

  /** Calls what is given when this ends. */
  onClose(...cleanup: readonly Unsubscribe[]): void {
    this.#cleanup.push(...cleanup)
  }

  #changes(
    after: number,
    prefix: string,
  ): { readonly revision: number; readonly changes: readonly Change[] } | QuorateError {
    const { history, revision } = this.machine
    if (after < history.compacted) {
      return new QuorateError(
        'COMPACTED',
        `changes after ${after} are no longer held, only those after ${history.compacted}`,
        { details: { compacted: history.compacted } },
      )
    }
    const changes: Change[] = []
    let bytes = 0
    let upTo = after
    let complete = true
    history.read(after, (group) => {
      const fitting = group.filter(
        ({ key, handover }) => handover !== undefined || key.startsWith(prefix),
      )
      for (const { key, value } of fitting) bytes += key.length + (value?.length ?? 0) + 16
      const full = bytes > WATCH_BYTES_MAX || changes.length + fitting.length > WATCH_CHANGES_MAX
      if (full && changes.length > 0) {
        complete = false
        return false
      }
      changes.push(...fitting)
      upTo = group[0]?.revision ?? upTo
      return true
    })
    // Read to its end, the history says that there is nothing up to the last command either.
    return { revision: complete ? Math.max(after, revision) : upTo, changes }
  }

  #followerQuery(request: Query, respond: Respond): void {
    const { leader } = this.replica.consensus()
    const { shard, epoch, timeoutMs } = request
    const deadline = this.#context.clock.now() + timeoutMs
    // The core's own way of asking, which also finds out that there is another leader, or none.
    const askCore = (): void => {
      const left = Math.max(1, deadline - this.#context.clock.now())
      const level = { ...request.level, mode: 'quorum' } as const
      this.query({ ...request, timeoutMs: left, level }, respond)
    }
    if (leader === undefined || leader === this.replica.id) return askCore()
    this.#context.send(leader, { kind: 'barrier', shard, epoch, timeoutMs }, (reply) => {
      if (!reply.ok) return DECIDED.has(reply.error.code) ? respond(reply) : askCore()
      let revisionMin: number
      try {
        const reader = new ByteReader(reply.body)
        revisionMin = Math.max(reader.varint(), request.level.revisionMin)
        reader.end()
      } catch (error) {
        return this.#refuse(respond, error)
      }
      this.query({ ...request, level: { mode: 'local', revisionMin } }, respond)
    })
  }

  #afterRevision(revision: number, timeoutMs: number, respond: Respond, go: () => void): void {
    if (this.machine.revision >= revision) return go()
    const check = (): boolean => {
      if (this.machine.revision < revision) return false
      go()
      return true
    }
    this.#waits.wait(timeoutMs, check, () => {
      const message = `the replica has not caught up with revision ${revision} in time`
      this.#refuse(respond, new QuorateError('UNAVAILABLE', message))
    })
  }

  /** A leader lets time pass in the log where keys are due and nobody writes. */
  #scheduleTick(): void {
    const { nextExpiryMs } = this.machine
    // A key that is due before the one that the timer was set for brings it forward.
    if (this.#closed || nextExpiryMs >= this.#tickMs) return
    this.#tick?.cancel()
    this.#tickMs = nextExpiryMs
    const delay = nextExpiryMs - this.#context.logTime.now()
    this.#tick = this.#context.clock.setTimer(Math.min(Math.max(1, delay), TICK_MAX_MS), () =>
      this.#proposeTick(),
    )
  }

  #proposeTick(): void {
    const { machine, replica } = this
    const timeMs = this.#context.logTime.now()
    const wait = (): void => {
      this.#tickMs = Number.POSITIVE_INFINITY
      this.#scheduleTick()
    }
    if (machine.nextExpiryMs > timeMs) return wait()
    const again = (): void => {
      if (this.#closed) return
      this.#tick = this.#context.clock.setTimer(TICK_RETRY_MS, () => this.#proposeTick())
    }
    // Whoever leads does it; should leadership come here, this replica looks again.
    if (replica.consensus().role !== 'leader') return again()
    const { shard, epoch } = machine
    replica.propose(encodeCommand({ type: 'tick', shard, epoch, timeMs })).then(wait, again)
  }

  #epochError(): QuorateError {
    const { epoch, shard } = this.machine
    const message = `shard ${shard} has epoch ${epoch}`
    return new QuorateError('EPOCH_MISMATCH', message, { details: { epoch } })
  }

  #reply(respond: Respond, body: Uint8Array): void {
    respond({ ok: true, mapVersion: this.#context.mapVersion(), body })
  }

  #refuse(respond: Respond, error: unknown): void {
    respond({ ok: false, mapVersion: this.#context.mapVersion(), error: replyError(error) })
  }
}

/** The first key of a command or question; `undefined` where it has none or cannot be read. */
function askedKey(kind: 'command' | 'query', payload: Uint8Array): Uint8Array | undefined {
  try {
    if (kind === 'command') {
      const command = decodeCommand(payload)
      return command.type === 'transaction' ? command.success[0]?.key : undefined
    }
    const query = decodeQuery(payload)
    return query.type === 'get' ? query.keys[0] : undefined
  } catch {
    return undefined
  }
}

function closedError(): QuorateError {
  return new QuorateError('CLOSED', 'the replica is closed')
}
