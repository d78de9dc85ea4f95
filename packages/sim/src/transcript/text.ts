// How transcripts show what happens in a cluster: one line for each event, short enough that a whole
// election fits on a page.
import type { ConsensusStatus, Entry, Input, Membership, WriteBatch } from '@quorate/core'
import { decode, membershipCodec } from '@quorate/core'
import type { ClusterEvent } from '../model/core-cluster.ts'
import type { LogImage } from '../model/log-image.ts'

/** How an algorithm's own parts are shown. */
export interface TranscriptFormat<M> {
  /** A message in one line. */
  formatMessage(message: M): string
  /** A hard state in one line. Default: its length in bytes. */
  formatHardState?: ((bytes: Uint8Array) => string) | undefined
}

/** The lines of one event; none for what is not worth a line. */
export function eventLines<M>(event: ClusterEvent<M>, format: TranscriptFormat<M>): string[] {
  switch (event.type) {
    case 'send': {
      const { from, to, message } = event.message
      return [`${from} -> ${to} ${format.formatMessage(message)}${event.lost ? ' (lost)' : ''}`]
    }
    case 'persisted':
      return [`${event.id} durable #${event.batch.seq}`]
    case 'applied':
      return [`${event.id} apply ${entryText(event.entry)}`]
    case 'installed':
      return [`${event.id} install ${event.snapshot.index}/${event.snapshot.epoch}`]
    case 'answered': {
      const { id, at, kind, state, rejected, index } = event.call
      const where = index === undefined ? '' : ` at ${index}`
      return [
        `${at} ${kind} #${id} ${state}${where}${rejected === undefined ? '' : `: ${rejected}`}`,
      ]
    }
    case 'step':
      return stepLines(event, format)
    default:
      return []
  }
}

function stepLines<M>(
  event: ClusterEvent<M> & { type: 'step' },
  format: TranscriptFormat<M>,
): string[] {
  const { id, input, effects } = event
  const lines = inputLines(id, input, format)
  if (effects.persist !== undefined) {
    lines.push(`${id} write #${effects.persist.seq}${batchText(effects.persist, format)}`)
  }
  const wish = effects.fetchSnapshot
  if (wish !== undefined) {
    const { index, epoch } = wish.snapshot
    lines.push(`${id} wants snapshot ${index}/${epoch} from ${wish.from.join(' ')}`)
  }
  for (const { first, last } of effects.readEntries) lines.push(`${id} reads log ${first}..${last}`)
  return lines
}

function inputLines<M>(id: string, input: Input<M>, format: TranscriptFormat<M>): string[] {
  if (input.type === 'receive') {
    return [`${id} <- ${input.from} ${format.formatMessage(input.message)}`]
  }
  return []
}

function batchText<M>(batch: WriteBatch, format: TranscriptFormat<M>): string {
  const { hardState, truncateFrom, snapshot, compactTo, append } = batch
  let text = ''
  if (truncateFrom !== undefined) text += ` truncate=${truncateFrom}`
  if (snapshot !== undefined) text += ` snapshot=${snapshot.index}/${snapshot.epoch}`
  if (compactTo !== undefined) text += ` compact=${compactTo}`
  if (append.length > 0) text += ` append=[${append.map(entryText).join(', ')}]`
  if (hardState !== undefined) {
    text += ` hard=(${format.formatHardState?.(hardState) ?? `${hardState.length} bytes`})`
  }
  return text
}

/** An entry: index, epoch, kind and content. */
function entryText(entry: Entry): string {
  const at = `${entry.index}/${entry.epoch}`
  if (entry.kind === 'noop') return `${at} noop`
  if (entry.kind === 'membership') {
    return `${at} ${membershipText(decode(membershipCodec, entry.payload))}`
  }
  return `${at} "${payloadText(entry.payload)}"`
}

/** The members: version and every list that is not empty. */
export function membershipText(membership: Membership): string {
  const lists = ['voters', 'outgoing', 'learners', 'learnersNext', 'witnesses'] as const
  const shown = lists
    .filter((list) => membership[list].length > 0)
    .map((list) => `${list}=${membership[list].join(',')}`)
  return `members v${membership.version} ${shown.join(' ')}`
}

/** How a replica stands, in one line. */
export function statusText(status: ConsensusStatus): string {
  const { id, role, leader, epoch, commitIndex, appliedIndex, firstIndex, lastIndex } = status
  const log = lastIndex < firstIndex ? `empty after ${lastIndex}` : `${firstIndex}..${lastIndex}`
  return `${id} ${role} leader=${leader ?? '-'} epoch=${epoch} commit=${commitIndex} applied=${appliedIndex} log=${log}`
}

/** What a disk holds of a log, one line for each entry. */
export function imageLines(image: LogImage, durableTo: number): string[] {
  const lines: string[] = []
  if (image.snapshot !== undefined) {
    lines.push(`snapshot ${image.snapshot.index}/${image.snapshot.epoch}`)
  }
  for (const entry of image.entries) {
    lines.push(`${entryText(entry)}${entry.index > durableTo ? ' (not durable)' : ''}`)
  }
  return lines.length === 0 ? ['empty'] : lines
}

/** Printable ASCII as it is, anything else in hexadecimal. */
function payloadText(payload: Uint8Array): string {
  if (payload.every((byte) => byte >= 0x20 && byte < 0x7f)) return String.fromCharCode(...payload)
  return [...payload].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}
