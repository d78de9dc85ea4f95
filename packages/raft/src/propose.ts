// Taking commands: appended in the step that brought them, in order, all or none, or refused at
// once with a reason. What happens to them later shows in what is applied.
import type { CallId } from '@quorate/core'
import { commandEntries, hasRoom, proposedBytes } from '@quorate/core/algorithm'
import { wakeFollower, wakeLeader } from './hibernation.ts'
import { appendOwn, broadcastAppend } from './replication.ts'
import type { RaftState } from './state.ts'

/** Appends commands to a leader's log and sends them. */
export function propose(r: RaftState, id: CallId, commands: readonly Uint8Array[]): void {
  if (r.role !== 'leader') {
    // It may be asked because who led cannot be, and a sleeper would never find that out by itself.
    wakeFollower(r)
    r.out.reject(id, 'NOT_LEADER', 'only a leader takes commands', r.leader)
    return
  }
  if (r.transfer !== undefined) {
    // Taken now, they would keep the target behind for ever, or be lost with this leader.
    r.mark('raft/propose/during-transfer')
    r.out.reject(id, 'PROPOSAL_DROPPED', 'leadership is being handed over', r.leader)
    return
  }
  const bytes = proposedBytes(r.limits, r.out, id, commands)
  if (bytes === undefined) return
  const waiting = r.log.lastIndex - r.commitIndex
  if (!hasRoom(r.limits, waiting, r.uncommitted.bytes, commands.length, bytes)) {
    r.mark('raft/propose/no-room')
    r.out.reject(id, 'PROPOSAL_DROPPED', 'too much is waiting to be committed', r.leader)
    return
  }
  if (r.hibernating) wakeLeader(r)
  r.busyAt = r.now
  appendOwn(r, commandEntries(commands, r.log.lastIndex, r.term), bytes)
  broadcastAppend(r)
}
