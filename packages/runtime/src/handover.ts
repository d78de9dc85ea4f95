// How a replica that should not lead any longer finds a member that will lead in its place: it asks
// those that it can reach, and trusts only an answer, since the others may be leaving too.
import type { CallOptions, ConsensusStatus, GroupId, NodeId } from '@quorate/core'
import { ByteReader, ByteWriter } from '@quorate/core'

/** The service on which hosts ask each other whether they would lead a group. */
export const HANDOVER_SERVICE = 'quorate-handover'

/** Calls a service on another host. */
export type AskHost = (
  to: NodeId,
  service: string,
  request: Uint8Array,
  options: CallOptions,
) => Promise<Uint8Array>

/** Whether a replica could lead its group from now on; `cramped`: it could, on a disk that is nearly full. */
export type Readiness = 'no' | 'cramped' | 'yes'

const READINESS: readonly Readiness[] = ['no', 'yes', 'cramped']

/** Answers the question of another host; `canLead` tells whether this one would lead a group. */
export function answerHandover(
  request: Uint8Array,
  canLead: (group: GroupId) => Readiness,
): Uint8Array {
  const reader = new ByteReader(request)
  const group = reader.text()
  reader.end()
  return Uint8Array.of(READINESS.indexOf(canLead(group)))
}

/** What a replica that looks for a successor knows. */
export interface Succession {
  /** How it stands. */
  readonly status: ConsensusStatus
  /** Its group. */
  readonly group: GroupId
  /** Whether a connection to a host stands. */
  reachable(peer: NodeId): boolean
  /** Calls a host. */
  readonly ask: AskHost
  /** Whether a successor must have room on its disk. */
  readonly needsRoom: boolean
}

/** The voter that is furthest of those that can be reached and would lead, one with room before others. */
export async function findSuccessor(
  { status, group, reachable, ask, needsRoom }: Succession,
  options: CallOptions,
): Promise<NodeId | undefined> {
  const { id, membership, peers } = status
  const candidates = membership.voters.filter((voter) => voter !== id && reachable(voter))
  if (candidates.length === 0) return undefined
  const writer = new ByteWriter(64)
  writer.text(group)
  const request = writer.finish()
  const answers = await Promise.all(
    candidates.map(async (voter) => {
      const answer = await ask(voter, HANDOVER_SERVICE, request, options).catch(() => undefined)
      return { voter, readiness: READINESS[answer?.[0] ?? 0] ?? 'no' }
    }),
  )
  const match = (voter: NodeId): number => peers.find((peer) => peer.id === voter)?.matchIndex ?? -1
  const best = (readiness: Readiness): NodeId | undefined =>
    answers
      .filter((answer) => answer.readiness === readiness)
      .map(({ voter }) => voter)
      .sort((a, b) => match(b) - match(a))[0]
  return best('yes') ?? (needsRoom ? undefined : best('cramped'))
}
