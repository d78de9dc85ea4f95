// Proposals that are made where nobody leads: handed to the leader's host as a call, at most a few
// times, and never again once one may have arrived. What is said of their outcome stays exact.
import type { CallOptions, Clock, GroupId, NodeId, ProposeOptions } from '@quorate/core'
import { ByteReader, ByteWriter, isQuorateError, QuorateError as Failure } from '@quorate/core'
import type { AskHost } from './handover.ts'
import { DEFAULT_TIMEOUT_MS } from './waiting.ts'

/** The service on which hosts hand each other proposals. */
export const FORWARD_SERVICE = 'quorate-proposals'

/** How often one proposal is handed to another host. */
const HOPS_MAX = 2

/** What a leader's replica says of a proposal, passed on as it is. */
const OUTCOMES: ReadonlySet<string> = new Set([
  'NOT_LEADER',
  'PROPOSAL_DROPPED',
  'LIMIT_EXCEEDED',
  'NO_SPACE',
  'INVALID_ARGUMENT',
  'OUTCOME_UNKNOWN',
])
/** What a call ends with here before anything has left. */
const BEFORE_IT_LEFT: ReadonlySet<string> = new Set(['ABORTED', 'CLOSED'])

/** What forwarding needs of a replica. */
export interface Forwarder {
  /** Its host. */
  readonly id: NodeId
  /** Its group. */
  readonly group: GroupId
  /** Time. */
  readonly clock: Pick<Clock, 'now'>
  /** The leader that it knows of. */
  leader(): NodeId | undefined
  /** Whether a host is a member of the group. */
  isMember(host: NodeId): boolean
  /** Proposes at this replica. */
  here(command: Uint8Array, options: CallOptions): Promise<Uint8Array>
  /** Whether a connection to a host stands. */
  reachable(host: NodeId): boolean
  /** Calls another host. */
  ask: AskHost
  /** The leader that is known did not take a proposal: it may not lead any more, nor anybody else. */
  doubt(leader: NodeId): void
}

/** Proposes wherever the group is led. */
export async function proposeAnywhere(
  forwarder: Forwarder,
  command: Uint8Array,
  { signal, timeoutMs = DEFAULT_TIMEOUT_MS }: ProposeOptions,
): Promise<Uint8Array> {
  const { id, clock } = forwarder
  const deadline = clock.now() + timeoutMs
  let to = forwarder.leader() ?? id
  for (let hops = 0; ;) {
    const options = { signal, timeoutMs: Math.max(1, deadline - clock.now()) }
    try {
      if (to === id) return await forwarder.here(command, options)
      hops++
      return await handOver(forwarder, to, command, options)
    } catch (error) {
      // In a group that sleeps nobody misses a replica that is gone from a host that is there.
      if (to !== id && to === forwarder.leader()) forwarder.doubt(to)
      // Only who says that another leads is surely not applying it, and tells where to go on.
      if (!isQuorateError(error, 'NOT_LEADER')) throw error
      const next = leaderAfter(error, forwarder)
      if (next === undefined || next === to || clock.now() >= deadline) throw error
      if (next !== id && hops === HOPS_MAX) throw error
      to = next
    }
  }
}

function leaderAfter(
  { details }: { readonly details: Readonly<Record<string, unknown>> },
  { leader, isMember }: Forwarder,
): NodeId | undefined {
  const named = details['leader']
  return typeof named === 'string' && isMember(named) ? named : leader()
}

async function handOver(
  { group, reachable, ask }: Forwarder,
  to: NodeId,
  command: Uint8Array,
  options: CallOptions & { readonly timeoutMs: number },
): Promise<Uint8Array> {
  if (!reachable(to)) throw dropped(new Failure('UNAVAILABLE', `${to} cannot be reached`))
  const writer = new ByteWriter(command.length + 64)
  writer.text(group)
  writer.varint(Math.ceil(options.timeoutMs))
  writer.bytes(command)
  try {
    return await ask(to, FORWARD_SERVICE, writer.finish(), options)
  } catch (error) {
    if (!isQuorateError(error)) throw error
    if (OUTCOMES.has(error.code) || BEFORE_IT_LEFT.has(error.code)) throw error
    // A call is unavailable where it was certainly not handed over.
    if (error.code === 'UNAVAILABLE') throw dropped(error)
    throw new Failure('OUTCOME_UNKNOWN', `${to} did not say what came of it: ${error.message}`, {
      cause: error,
    })
  }
}

/**
 * Answers a host that hands over a proposal: it is made at the replica here, and not passed on.
 *
 * @param propose - proposes at the group's replica; `undefined` where there is none
 */
export async function answerForward(
  request: Uint8Array,
  signal: AbortSignal,
  propose: (
    group: GroupId,
  ) => ((command: Uint8Array, options: CallOptions) => Promise<Uint8Array>) | undefined,
): Promise<Uint8Array> {
  const reader = new ByteReader(request)
  const group = reader.text()
  const timeoutMs = reader.varint()
  const command = reader.bytes()
  reader.end()
  const here = propose(group)
  if (here === undefined) throw new Failure('NOT_LEADER', `no replica of group "${group}" here`)
  try {
    return await here(command, { signal, timeoutMs })
  } catch (error) {
    // Whatever else a replica refuses a proposal with, it says before its core has it.
    throw isQuorateError(error) && !OUTCOMES.has(error.code) ? dropped(error) : error
  }
}

function dropped(cause: Error): Failure {
  return new Failure('PROPOSAL_DROPPED', `the leader did not take it: ${cause.message}`, { cause })
}
