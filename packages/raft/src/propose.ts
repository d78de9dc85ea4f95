// Taking commands: appended in the step that brought them, in order, all or none, or refused at
// once with a reason. What happens to them later shows in what is applied.
import type { CallId, Entry } from '@quorate/core'
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
  if (commands.length === 0 || commands.length > r.limits.batchCommandsMax) {
    const many = `${commands.length} commands, 1 to ${r.limits.batchCommandsMax} can be proposed at once`
    r.out.reject(id, commands.length === 0 ? 'INVALID_ARGUMENT' : 'LIMIT_EXCEEDED', many, undefined)
    return
  }
  let bytes = 0
  for (let at = 0; at < commands.length; at++) {
    const size = (commands[at] as Uint8Array).length
    if (size > r.limits.commandBytesMax) {
      const large = `a command of ${size} bytes, at most ${r.limits.commandBytesMax}`
      r.out.reject(id, 'LIMIT_EXCEEDED', large, undefined)
      return
    }
    bytes += size
  }
  if (!hasRoom(r, commands.length, bytes)) {
    r.mark('raft/propose/no-room')
    r.out.reject(id, 'PROPOSAL_DROPPED', 'too much is waiting to be committed', r.leader)
    return
  }
  if (r.hibernating) wakeLeader(r)
  r.busyAt = r.now
  append(r, commands, bytes)
  broadcastAppend(r)
}

function hasRoom(r: RaftState, count: number, bytes: number): boolean {
  const waiting = r.log.lastIndex - r.commitIndex
  if (waiting > 0 && waiting + count > r.limits.pendingCallsMax) return false
  // What has no bytes is always let in, and so is anything while nothing waits: a command larger
  // than the limit would otherwise never be.
  return (
    bytes === 0 ||
    r.uncommitted.bytes === 0 ||
    r.uncommitted.bytes + bytes <= r.limits.uncommittedBytesMax
  )
}

function append(r: RaftState, commands: readonly Uint8Array[], bytes: number): void {
  const entries: Entry[] = []
  let index = r.log.lastIndex
  for (let at = 0; at < commands.length; at++) {
    index += 1
    entries.push({ index, epoch: r.term, kind: 'command', payload: commands[at] as Uint8Array })
  }
  appendOwn(r, entries, bytes)
}
