// How a replica that is about to leave finds a member that will lead in its place: it asks those
// that it can reach, and trusts only an answer, since the others may be leaving too.
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

/** Answers the question of another host; `canLead` tells whether this one would lead a group. */
export function answerHandover(
  request: Uint8Array,
  canLead: (group: GroupId) => boolean,
): Uint8Array {
  const reader = new ByteReader(request)
  const group = reader.text()
  reader.end()
  return Uint8Array.of(canLead(group) ? 1 : 0)
}

/** The voter that is furthest of those that can be reached and would lead. */
export async function findSuccessor(
  group: GroupId,
  status: ConsensusStatus,
  reachable: (peer: NodeId) => boolean,
  ask: AskHost,
  options: CallOptions,
): Promise<NodeId | undefined> {
  const { id, membership, peers } = status
  const candidates = membership.voters.filter((voter) => voter !== id && reachable(voter))
  if (candidates.length === 0) return undefined
  const writer = new ByteWriter(64)
  writer.text(group)
  const request = writer.finish()
  const answers = await Promise.all(
    candidates.map((to) =>
      ask(to, HANDOVER_SERVICE, request, options).then(
        (answer) => answer[0] === 1,
        () => false,
      ),
    ),
  )
  const match = (voter: NodeId): number => peers.find((peer) => peer.id === voter)?.matchIndex ?? -1
  return candidates
    .filter((_, at) => answers[at])
    .sort((a, b) => match(b) - match(a))
    .at(0)
}
