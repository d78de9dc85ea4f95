// The proposals of one replica that have no outcome yet: gathered for one turn into one input,
// recognised when they are applied, and ended honestly when they cannot be.
import type { CallId, CallOptions, Clock, Limits, Random, Timer } from '@quorate/core'
import { abortError, QuorateError, offAbort, onAbort } from '@quorate/core'
import type { Origin } from './envelope.ts'
import { drawOrigin, wrapCommand } from './envelope.ts'
import type { Meters } from './metrics.ts'
import { DEFAULT_TIMEOUT_MS } from './waiting.ts'

const SWEEP_MS = 50

interface Proposal {
  readonly sequence: number
  readonly deadline: number
  readonly bytes: number
  readonly signal: AbortSignal | undefined
  /** The batch that handed it to the core; 0 before. */
  batch: CallId
  onAbort: (() => void) | undefined
  resolve(result: Uint8Array): void
  reject(error: QuorateError): void
}

/** Commands that go to the core as one input. */
export interface ProposalBatch {
  /** Names the batch. */
  readonly id: CallId
  /** The payloads of its entries. */
  readonly commands: readonly Uint8Array[]
}

/** What a table shares with the others of its host. */
export interface ProposalsContext {
  /** Deadlines. */
  readonly clock: Clock
  /** How many may wait, and how large they may be. */
  readonly limits: Limits
  /** Where outcomes are counted. */
  readonly meters: Pick<Meters, 'proposals' | 'proposalsPending'>
}

/** The table of a replica's pending proposals. */
export class Proposals {
  /** Which entries are this replica's own. */
  readonly origin: Origin
  readonly #context: ProposalsContext
  readonly #onWaiting: () => void
  readonly #pending = new Map<number, Proposal>()
  readonly #batches = new Map<CallId, { readonly first: number; readonly last: number }>()
  #waiting: { readonly proposal: Proposal; readonly payload: Uint8Array }[] = []
  #bytes = 0
  #lastSequence = 0
  #sweeper: Timer | undefined
  #whenEmpty: (() => void)[] = []

  /** An empty table; `onWaiting` is told when a batch begins to fill. */
  constructor(context: ProposalsContext, random: Random, onWaiting: () => void) {
    this.#context = context
    this.#onWaiting = onWaiting
    this.origin = drawOrigin(random)
  }

  /** How many have no outcome yet. */
  get size(): number {
    return this.#pending.size
  }

  /** Whether some wait to be handed to the core. */
  get waiting(): boolean {
    return this.#waiting.length > 0
  }

  /** Resolves once every proposal has its outcome. */
  empty(): Promise<void> {
    if (this.#pending.size === 0) return Promise.resolve()
    return new Promise((resolve) => void this.#whenEmpty.push(resolve))
  }

  /** Adds a command to the next batch. */
  async add(
    command: Uint8Array,
    { signal, timeoutMs = DEFAULT_TIMEOUT_MS }: CallOptions,
  ): Promise<Uint8Array> {
    if (signal?.aborted) throw abortError(signal, 'the proposal')
    this.#checkRoom(command)
    const { clock, meters } = this.#context
    const sequence = ++this.#lastSequence
    return new Promise<Uint8Array>((resolve, reject) => {
      const proposal: Proposal = {
        sequence,
        deadline: clock.now() + timeoutMs,
        bytes: command.length,
        signal,
        batch: 0,
        onAbort: undefined,
        resolve,
        reject,
      }
      if (signal !== undefined) {
        proposal.onAbort = () => this.#fail(proposal, aborted(proposal, signal))
        onAbort(signal, proposal.onAbort)
      }
      this.#pending.set(sequence, proposal)
      this.#bytes += command.length
      meters.proposalsPending.add(1)
      this.#sweeper ??= clock.setTimer(SWEEP_MS, () => this.#sweep())
      this.#waiting.push({ proposal, payload: wrapCommand(this.origin, sequence, command) })
      if (this.#waiting.length === 1) this.#onWaiting()
    })
  }

  /** The next batch, where any command waits. */
  take(nextId: () => CallId): ProposalBatch | undefined {
    // Those that ended while they waited are left out: they were told that nothing happened.
    const live = this.#waiting.filter(({ proposal }) => this.#pending.has(proposal.sequence))
    const taken = live.slice(0, this.#context.limits.batchCommandsMax)
    this.#waiting = live.slice(taken.length)
    const first = taken[0]
    const last = taken.at(-1)
    if (first === undefined || last === undefined) return undefined
    const id = nextId()
    for (const { proposal } of taken) proposal.batch = id
    this.#batches.set(id, { first: first.proposal.sequence, last: last.proposal.sequence })
    return { id, commands: taken.map(({ payload }) => payload) }
  }

  /** An own entry has been applied. */
  applied(sequence: number, result: Uint8Array): void {
    const proposal = this.#pending.get(sequence)
    if (proposal === undefined) return
    this.#context.meters.proposals.add('ok')
    this.#remove(proposal)
    proposal.resolve(result)
  }

  /** The core refused a batch; tells whether there is one of that id. */
  rejectBatch(id: CallId, error: QuorateError): boolean {
    const batch = this.#batches.get(id)
    if (batch === undefined) return false
    this.#batches.delete(id)
    for (let sequence = batch.first; sequence <= batch.last; sequence++) {
      const proposal = this.#pending.get(sequence)
      if (proposal?.batch === id) this.#fail(proposal, error)
    }
    return true
  }

  /** Ends all: those that a core may have appended by `appended`, the others by `waiting`. */
  rejectAll(appended: QuorateError, waiting: QuorateError): void {
    for (const proposal of this.#pending.values()) {
      this.#fail(proposal, proposal.batch === 0 ? waiting : appended)
    }
    this.#waiting = []
    this.#batches.clear()
  }

  #checkRoom(command: Uint8Array): void {
    const { commandBytesMax, pendingCallsMax, uncommittedBytesMax } = this.#context.limits
    if (command.length > commandBytesMax) {
      throw this.#refused(
        `the command has ${command.length} bytes, the limit is ${commandBytesMax}`,
        { details: { limit: commandBytesMax, size: command.length } },
      )
    }
    if (this.#pending.size >= pendingCallsMax) {
      throw this.#refused('too many proposals are pending', { retryable: true })
    }
    // What a slow disk or a slow state machine has not worked off counts as long as it is pending.
    if (this.#bytes > 0 && this.#bytes + command.length > uncommittedBytesMax) {
      throw this.#refused('too many bytes of proposals are pending', { retryable: true })
    }
  }

  #refused(message: string, options: ConstructorParameters<typeof QuorateError>[2]): QuorateError {
    this.#context.meters.proposals.add('limit_exceeded')
    return new QuorateError('LIMIT_EXCEEDED', message, options)
  }

  #remove(proposal: Proposal): void {
    this.#pending.delete(proposal.sequence)
    this.#bytes -= proposal.bytes
    this.#context.meters.proposalsPending.add(-1)
    const batch = proposal.batch === 0 ? undefined : this.#batches.get(proposal.batch)
    if (batch?.last === proposal.sequence) this.#batches.delete(proposal.batch)
    if (proposal.onAbort !== undefined) {
      if (proposal.signal !== undefined) offAbort(proposal.signal, proposal.onAbort)
    }
    if (this.#pending.size > 0) return
    this.#sweeper?.cancel()
    this.#sweeper = undefined
    for (const resolve of this.#whenEmpty.splice(0)) resolve()
  }

  #fail(proposal: Proposal, error: QuorateError): void {
    this.#context.meters.proposals.add(error.code.toLowerCase())
    this.#remove(proposal)
    proposal.reject(error)
  }

  // Most proposals end long before their deadline: one look at all of them now and then costs
  // less than a timer for each.
  #sweep(): void {
    this.#sweeper = undefined
    const { clock } = this.#context
    const now = clock.now()
    for (const proposal of this.#pending.values()) {
      if (proposal.deadline <= now) this.#fail(proposal, late(proposal))
    }
    if (this.#pending.size > 0) this.#sweeper = clock.setTimer(SWEEP_MS, () => this.#sweep())
  }
}

function late(proposal: Proposal): QuorateError {
  return proposal.batch === 0
    ? new QuorateError('PROPOSAL_DROPPED', 'the proposal was not handed over in time')
    : new QuorateError('OUTCOME_UNKNOWN', 'the proposal was not applied in time; it may be yet')
}

function aborted(proposal: Proposal, signal: AbortSignal): QuorateError {
  if (proposal.batch === 0) return abortError(signal, 'the proposal')
  return new QuorateError('OUTCOME_UNKNOWN', 'the proposal was aborted; it may still be applied', {
    cause: signal.reason,
  })
}
