// Commands that are proposed to a leader, whatever it does with them: within which limits they are taken,
// and the entries that they become.
import type { CallId } from '../consensus.ts'
import type { Entry } from '../entry.ts'
import type { Epoch, LogIndex } from '../ids.ts'
import type { Limits } from '../limits.ts'
import type { Outbox } from './outbox.ts'

/**
 * How many bytes commands have that are proposed at once. `undefined` where they are none or over a
 * limit; the call is then rejected.
 */
export function proposedBytes(
  limits: Limits,
  out: Pick<Outbox<unknown>, 'reject'>,
  id: CallId,
  commands: readonly Uint8Array[],
): number | undefined {
  if (commands.length === 0 || commands.length > limits.batchCommandsMax) {
    const many = `${commands.length} commands, 1 to ${limits.batchCommandsMax} can be proposed at once`
    out.reject(id, commands.length === 0 ? 'INVALID_ARGUMENT' : 'LIMIT_EXCEEDED', many, undefined)
    return undefined
  }
  let bytes = 0
  for (let at = 0; at < commands.length; at++) {
    const size = (commands[at] as Uint8Array).length
    if (size > limits.commandBytesMax) {
      const large = `a command of ${size} bytes, at most ${limits.commandBytesMax}`
      out.reject(id, 'LIMIT_EXCEEDED', large, undefined)
      return undefined
    }
    bytes += size
  }
  return bytes
}

/**
 * Whether commands may be appended beside what is not committed yet.
 *
 * @param waiting - how many entries are not committed
 * @param waitingBytes - the bytes of the commands among them
 * @param count - how many commands are to be appended
 * @param bytes - their bytes
 */
export function hasRoom(
  limits: Limits,
  waiting: number,
  waitingBytes: number,
  count: number,
  bytes: number,
): boolean {
  if (waiting > 0 && waiting + count > limits.pendingCallsMax) return false
  // What has no bytes is always let in, and so is anything while nothing waits: a command larger
  // than the limit would otherwise never be.
  return bytes === 0 || waitingBytes === 0 || waitingBytes + bytes <= limits.uncommittedBytesMax
}

/** Commands as the entries of an epoch that follow a log's last one. */
export function commandEntries(
  commands: readonly Uint8Array[],
  lastIndex: LogIndex,
  epoch: Epoch,
): readonly Entry[] {
  const entries: Entry[] = []
  let index = lastIndex
  for (let at = 0; at < commands.length; at++) {
    index += 1
    entries.push({ index, epoch, kind: 'command', payload: commands[at] as Uint8Array })
  }
  return entries
}
