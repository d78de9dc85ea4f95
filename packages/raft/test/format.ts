// How transcripts show Raft's messages and hard state: one short line each.
import { decode } from '@quorate/core'
import type { TranscriptFormat } from '@quorate/sim'
import { hardStateCodec } from '../src/hard-state.ts'
import type { RaftMessage } from '../src/index.ts'

function bits(flags: Readonly<Record<string, boolean>>): string {
  return Object.entries(flags)
    .map(([name, set]) => (set ? ` ${name}` : ''))
    .join('')
}

function formatMessage(m: RaftMessage): string {
  const head = `${m.type}/${m.term}`
  switch (m.type) {
    case 'vote':
      return `${head} ${m.candidate} last=${m.lastIndex}/${m.lastTerm}${bits({ pre: m.pre, transfer: m.transfer, relay: m.relay })}`
    case 'voteReply':
      return `${head} ${m.candidate} ${m.granted ? 'granted' : 'refused'} by ${m.voter}${bits({ pre: m.pre })}`
    case 'append': {
      const entries = m.entries
        .map(({ index, epoch, kind }) => `${index}/${epoch} ${kind}`)
        .join(', ')
      return `${head} #${m.id} prev=${m.prevIndex}/${m.prevTerm} commit=${m.commit} [${entries}]`
    }
    case 'appendReply':
      return m.ok
        ? `${head} #${m.id} ok ${m.index}${bits({ blank: m.blank !== 0 })}`
        : `${head} #${m.id} refused ${m.index} hint=${m.hint}/${m.hintTerm}${bits({ blank: m.blank !== 0 })}`
    case 'heartbeat': {
      const { hibernate, vouch } = m
      const echo = m.echo !== 0
      return `${head} round=${m.round} commit=${m.commit}/${m.leaderCommit}${bits({ echo, hibernate, vouch: vouch !== 0 })}`
    }
    case 'heartbeatReply': {
      const { blank, hibernating } = m
      const starved = m.starved.length === 0 ? '' : ` starved=${m.starved.join(',')}`
      return `${head} round=${m.round}${bits({ blank: blank !== 0, hibernating })}${starved}`
    }
    case 'commit':
      return `${head} ${m.commit}`
    case 'snapshotOffer':
      return `${head} #${m.id} ${m.snapshot.index}/${m.snapshot.epoch} others=${m.others.join(',')}`
    case 'refill':
      return `${head} after=${m.index}`
    case 'read':
      return `${head}${bits({ lease: m.lease })}`
    case 'readReply':
      return `${head} index=${m.index}`
    default:
      return head
  }
}

function formatHardState(bytes: Uint8Array): string {
  const { term, vote, commit, blank, floorIndex, floorTerm } = decode(hardStateCodec, bytes)
  const floor = floorIndex === 0 ? '' : ` floor=${floorIndex}/${floorTerm}`
  return `term=${term} vote=${vote ?? '-'} commit=${commit}${bits({ blank })}${floor}`
}

/** Raft's part of a transcript's form. Tokens of reads and stamps of heartbeats are random, and so not shown. */
export const format: TranscriptFormat<RaftMessage> = { formatMessage, formatHardState }
