// How transcripts show Paxos's messages and hard state: one short line each. A ballot is shown as its
// round and the letter of its owner's rank; a priority other than 1 stands between them.
import { decode } from '@quorate/core'
import type { TranscriptFormat } from '@quorate/sim'
import { partsOf } from '../src/ballot.ts'
import { NEVER_TOLD, hardStateCodec } from '../src/hard-state.ts'
import type { PaxosMessage } from '../src/index.ts'

/** A ballot, such as `2c`. */
function ballotText(ballot: number): string {
  if (ballot === 0) return '0'
  const { round, priority, rank } = partsOf(ballot)
  return `${round}${priority === 1 ? '' : `p${priority}`}${String.fromCharCode(97 + rank)}`
}

function bits(flags: Readonly<Record<string, boolean>>): string {
  return Object.entries(flags)
    .map(([name, set]) => (set ? ` ${name}` : ''))
    .join('')
}

function formatMessage(m: PaxosMessage): string {
  const epoch = m.config === 1 ? '' : `@${m.config}`
  return `${m.type}${epoch}/${ballotText(m.ballot)}${bodyOf(m)}`
}

function entriesText(m: {
  readonly entries: readonly { index: number; epoch: number; kind: string }[]
}): string {
  return `[${m.entries.map((e) => `${e.index}/${ballotText(e.epoch)} ${e.kind}`).join(', ')}]`
}

function bodyOf(m: PaxosMessage): string {
  switch (m.type) {
    case 'prepare':
      return ` accepted=${ballotText(m.accepted)} length=${m.length} decided=${m.decided}${bits({ transfer: m.transfer })}`
    case 'promise': {
      const standing = ` accepted=${ballotText(m.accepted)} length=${m.length} decided=${m.decided}`
      return `${standing}${bits({ blank: m.blank })}${m.entries.length === 0 ? '' : ` ${entriesText(m)}`}`
    }
    case 'accept':
      return ` prev=${m.prev} sync=${m.syncTo} decided=${m.decided} ${entriesText(m)}`
    case 'accepted':
      return ` ${m.index}${bits({ gap: m.gap, partial: m.partial, blank: m.blank })}`
    case 'decide':
      return ` ${m.decided}`
    case 'heartbeat':
      return ` round=${m.round} decided=${m.decided}${bits({ unhappy: !m.happy, hibernate: m.hibernate })}`
    case 'heartbeatReply':
      return ` round=${m.round}${bits({ blank: m.blank, unbriefed: !m.briefed, hibernating: m.hibernating })}${m.starved.length === 0 ? '' : ` starved=${m.starved.join()}`}`
    case 'ask':
      return ` round=${m.round}`
    case 'answer':
      return ` round=${m.round}${bits({ happy: m.happy, led: m.led })}`
    case 'pull':
      return ` from=${m.first}${m.last === 0 ? '' : ` to=${m.last}`}`
    case 'pulled':
      return ` prev=${m.prev} decided=${m.decided} ${entriesText(m)}`
    case 'refill':
      return ` after=${m.index}`
    case 'offer':
      return ` ${m.snapshot.index}/${ballotText(m.snapshot.epoch)} others=${m.others.join()}`
    case 'read':
      return bits({ lease: m.lease })
    case 'readReply':
      return ` index=${m.index}`
    case 'inspected':
      return ` length=${m.length}`
    default:
      return ''
  }
}

function formatHardState(bytes: Uint8Array): string {
  const { promised, accepted, decided, blankTo } = decode(hardStateCodec, bytes)
  const blank = blankTo === 0 ? '' : ` blank-to=${blankTo === NEVER_TOLD ? 'told' : blankTo}`
  return `promised=${ballotText(promised)} accepted=${ballotText(accepted)} decided=${decided}${blank}`
}

/** Paxos's part of a transcript's form. Tokens of reads are random, and so not shown. */
export const format: TranscriptFormat<PaxosMessage> = { formatMessage, formatHardState }
