// The proposals of one replica that have no outcome yet: gathered for one turn into one input,
// recognised when they are applied, and ended honestly when they cannot be.
import type { CallId, CallOptions, Clock, Limits, Random, Timer } from '@quorate/core'
import { abortError, QuorateError } from '@quorate/core'
import type { Origin } from './envelope.ts'
import { drawOrigin, wrapCommand } from './envelope.ts'

const DEFAULT_TIMEOUT_MS = 10_000
const SWEEP_MS = 50

interface Proposal {
  readonly sequence: number
  readonly deadline: number
  /** The batch that handed it to the core; 0 before. */
  batch: CallId
  resolve(result: Uint8Array): void
  reject(error: QuorateError): void
  release(): void
}

/** Commands that go to the core as one input. */
export interface ProposalBatch {
  /** Names the batch. */
  readonly id: CallId
  /** The payloads of its entries. */
  readonly commands: readonly Uint8Array[]
}

/** The table of pending proposals. */
export interface Proposals {
  /** Which entries are this replica's own. */
  readonly origin: Origin
  /** Adds a command to the next batch; `onFirst` runs when the batch was empty. */
  add(command: Uint8Array, options: CallOptions): Promise<Uint8Array>
  /** The next batch, where any command waits. */
  take(nextId: () => CallId): ProposalBatch | undefined
  /** An own entry has been applied. */
  applied(sequence: number, result: Uint8Array): void
  /** The core refused a batch. */
  rejectBatch(id: CallId, error: QuorateError): boolean
  /** Ends all: those that a core may have appended by `appended`, the others by `waiting`. */
  rejectAll(appended: QuorateError, waiting: QuorateError): void
  /** How many wait. */
  readonly size: number
}

/** Makes the table of one replica; `onWaiting` is told when a batch begins to fill. */
export function createProposals(
  clock: Clock,
  random: Random,
  limits: Limits,
  onWaiting: () => void,
): Proposals {
  const origin = drawOrigin(random)
  const pending = new Map<number, Proposal>()
  const batches = new Map<CallId, { readonly first: number; readonly last: number }>()
  let waiting: { readonly proposal: Proposal; readonly payload: Uint8Array }[] = []
  let lastSequence = 0
  let sweeper: Timer | undefined

  const remove = (proposal: Proposal): void => {
    pending.delete(proposal.sequence)
    const batch = proposal.batch === 0 ? undefined : batches.get(proposal.batch)
    if (batch?.last === proposal.sequence) batches.delete(proposal.batch)
    proposal.release()
    if (pending.size === 0) {
      sweeper?.cancel()
      sweeper = undefined
    }
  }
  const fail = (proposal: Proposal, error: QuorateError): void => {
    remove(proposal)
    proposal.reject(error)
  }
  // Most proposals end long before their deadline: one look at all of them now and then costs
  // less than a timer for each.
  const sweep = (): void => {
    sweeper = undefined
    const now = clock.now()
    for (const proposal of pending.values()) {
      if (proposal.deadline <= now) fail(proposal, notInTime(proposal))
    }
    if (pending.size > 0) sweeper = clock.setTimer(SWEEP_MS, sweep)
  }
  const notInTime = (proposal: Proposal): QuorateError =>
    proposal.batch === 0
      ? new QuorateError('PROPOSAL_DROPPED', 'the proposal was not handed over in time')
      : new QuorateError('OUTCOME_UNKNOWN', 'the proposal was not applied in time; it may be yet')

  return {
    origin,
    get size() {
      return pending.size
    },
    async add(command, { signal, timeoutMs = DEFAULT_TIMEOUT_MS }) {
      if (signal?.aborted) throw abortError(signal, 'the proposal')
      if (command.length > limits.commandBytesMax) {
        throw new QuorateError(
          'LIMIT_EXCEEDED',
          `the command has ${command.length} bytes, the limit is ${limits.commandBytesMax}`,
          { details: { limit: limits.commandBytesMax, size: command.length } },
        )
      }
      if (pending.size >= limits.pendingCallsMax) {
        throw new QuorateError('LIMIT_EXCEEDED', 'too many proposals are pending', {
          retryable: true,
        })
      }
      const sequence = ++lastSequence
      return new Promise<Uint8Array>((resolve, reject) => {
        const onAbort = (): void =>
          fail(
            proposal,
            proposal.batch === 0
              ? abortError(signal as AbortSignal, 'the proposal')
              : new QuorateError(
                  'OUTCOME_UNKNOWN',
                  'the proposal was aborted; it may still be applied',
                  {
                    cause: signal?.reason,
                  },
                ),
          )
        const proposal: Proposal = {
          sequence,
          deadline: clock.now() + timeoutMs,
          batch: 0,
          resolve,
          reject,
          release:
            signal === undefined ? doNothing : () => signal.removeEventListener('abort', onAbort),
        }
        signal?.addEventListener('abort', onAbort, { once: true })
        pending.set(sequence, proposal)
        sweeper ??= clock.setTimer(SWEEP_MS, sweep)
        waiting.push({ proposal, payload: wrapCommand(origin, sequence, command) })
        if (waiting.length === 1) onWaiting()
      })
    },
    take(nextId) {
      // Those that ended while they waited are left out: they were told that nothing happened.
      const live = waiting.filter(({ proposal }) => pending.has(proposal.sequence))
      const taken = live.slice(0, limits.batchCommandsMax)
      waiting = live.slice(taken.length)
      const first = taken[0]
      const last = taken.at(-1)
      if (first === undefined || last === undefined) return undefined
      const id = nextId()
      for (const { proposal } of taken) proposal.batch = id
      batches.set(id, { first: first.proposal.sequence, last: last.proposal.sequence })
      return { id, commands: taken.map(({ payload }) => payload) }
    },
    applied(sequence, result) {
      const proposal = pending.get(sequence)
      if (proposal === undefined) return
      remove(proposal)
      proposal.resolve(result)
    },
    rejectBatch(id, error) {
      const batch = batches.get(id)
      if (batch === undefined) return false
      batches.delete(id)
      for (let sequence = batch.first; sequence <= batch.last; sequence++) {
        const proposal = pending.get(sequence)
        if (proposal?.batch === id) fail(proposal, error)
      }
      return true
    },
    rejectAll(appended, unappended) {
      for (const proposal of pending.values()) {
        fail(proposal, proposal.batch === 0 ? unappended : appended)
      }
      waiting = []
      batches.clear()
    },
  }
}

function doNothing(): void {}
