// What every message has in common: it counts only under the membership that both sides work under,
// and whoever works under an older one is brought up before anything else.
import type { NodeId } from '@quorate/core'
import { assertNever } from '@quorate/core'
import { follow, handleAccept, handleDecide } from './accept.ts'
import { handleAnswer, handleAsk, sendAnswer } from './ballot-election.ts'
import { handleHeartbeat, handleHeartbeatReply } from './heartbeat.ts'
import { wakeLeader } from './hibernation.ts'
import { handlePull } from './learn.ts'
import type { PaxosMessage } from './messages.ts'
import { handleNack, handlePrepare, handlePromise } from './prepare.ts'
import { handlePulled, startPull } from './pull.ts'
import { handleInspect, handleInspected } from './quorum-read.ts'
import { handleRead, handleReadReply } from './read-barrier.ts'
import { handleRefill } from './refill.ts'
import { handleAccepted } from './replicate.ts'
import { handleOffer } from './snapshot.ts'
import type { PaxosState } from './state.ts'
import { handleTakeOver } from './transfer.ts'

/** Takes a message. */
export function receive(r: PaxosState, from: NodeId, m: PaxosMessage): void {
  if (from === r.id) return
  // What is decided is decided under every membership.
  if (m.type === 'pull') return handlePull(r, from, m)
  if (m.type === 'pulled') return handlePulled(r, from, m)
  if (m.type === 'offer') return handleOffer(r, from, m)
  if (m.type === 'refill') return handleRefill(r, from, m)
  // Which membership this replica works under it does not know; but whoever is heard can be asked.
  if (r.relearn !== undefined) return startPull(r, from)
  if (m.config === r.config && r.config > 0) return handle(r, from, m)
  if (m.config > r.config) {
    r.mark('paxos/receive/later-membership')
    startPull(r, from)
  } else if (m.config > 0) {
    r.mark('paxos/receive/earlier-membership')
    sendAnswer(r, from, 0)
  }
}

function handle(
  r: PaxosState,
  from: NodeId,
  m: Exclude<PaxosMessage, { type: 'pull' | 'pulled' | 'offer' | 'refill' }>,
): void {
  switch (m.type) {
    case 'prepare':
      return handlePrepare(r, from, m)
    case 'promise':
      return handlePromise(r, from, m)
    case 'nack':
      return handleNack(r, from, m)
    case 'accept':
      return handleAccept(r, from, m)
    case 'accepted': {
      // Acceptances of another ballot say nothing about this one's entries.
      const p = r.role === 'leader' && m.ballot === r.promised ? r.progress.get(from) : undefined
      if (p === undefined) return
      return handleAccepted(r, p, m)
    }
    case 'decide':
      return handleDecide(r, from, m)
    case 'heartbeat':
      return handleHeartbeat(r, from, m)
    case 'heartbeatReply':
      return handleHeartbeatReply(r, from, m)
    case 'ask':
      return handleAsk(r, from, m)
    case 'answer':
      return handleAnswer(r, from, m)
    case 'takeOver':
      if (r.watchedBy(from) || follow(r, from, m)) handleTakeOver(r)
      return
    case 'read':
      return handleRead(r, from, m)
    case 'readReply':
      return handleReadReply(r, m)
    case 'inspect':
      return handleInspect(r, from, m)
    case 'inspected':
      return handleInspected(r, from, m)
    case 'wake':
      if (r.role === 'leader') wakeLeader(r)
      return
    default:
      return assertNever(m, 'an unknown message')
  }
}
