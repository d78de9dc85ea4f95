// Taking commands: appended in the step that brought them, in order, all or none, or refused at
// once with a reason. What happens to them later shows in what is applied.
import type { CallId, Entry } from '@quorate/core'
import { wakeFollower, wakeLeader } from './hibernation.ts'
import { appendOwn, broadcastAccept } from './replicate.ts'
import type { PaxosState } from './state.ts'

/** Appends commands to a leader's log and sends them. */
export function propose(r: PaxosState, id: CallId, commands: readonly Uint8Array[]): void {
  if (r.role !== 'leader') {
    // It may be asked because who led cannot be, and a sleeper would never find that out by itself.
    wakeFollower(r)
    r.out.reject(id, 'NOT_LEADER', 'only a leader takes commands', r.leader)
    return
  }
  if (r.transfer !== undefined) {
    // Taken now, they would keep the target behind for ever, or be lost with this leader.
    r.mark('paxos/propose/during-transfer')
    r.out.reject(id, 'PROPOSAL_DROPPED', 'leadership is being handed over', r.leader)
    return
  }
  if (r.sealed || r.change?.stage === 'seal') {
    // Nothing is accepted after a stop-sign: it could be decided twice, here and in the next epoch.
    r.mark('paxos/propose/sealed')
    r.out.reject(id, 'PROPOSAL_DROPPED', 'the members are about to change', r.leader)
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
    r.mark('paxos/propose/no-room')
    r.out.reject(id, 'PROPOSAL_DROPPED', 'too much is waiting to be decided', r.leader)
    return
  }
  if (r.hibernating) wakeLeader(r)
  r.busyAt = r.now
  append(r, commands, bytes)
  broadcastAccept(r)
}

function hasRoom(r: PaxosState, count: number, bytes: number): boolean {
  const waiting = r.log.lastIndex - r.decided
  if (waiting > 0 && waiting + count > r.limits.pendingCallsMax) return false
  // What has no bytes is always let in, and so is anything while nothing waits: a command larger
  // than the limit would otherwise never be.
  return (
    bytes === 0 ||
    r.undecided.bytes === 0 ||
    r.undecided.bytes + bytes <= r.limits.uncommittedBytesMax
  )
}

function append(r: PaxosState, commands: readonly Uint8Array[], bytes: number): void {
  const entries: Entry[] = []
  let index = r.log.lastIndex
  for (let at = 0; at < commands.length; at++) {
    index += 1
    entries.push({ index, epoch: r.promised, kind: 'command', payload: commands[at] as Uint8Array })
  }
  appendOwn(r, entries, bytes)
}
