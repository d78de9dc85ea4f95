// Messages as bytes: a version, a kind, then fields as varints. Indexes of entries are not
// written, since they follow from the message, and terms of entries only where they change.
import type { ByteReader, ByteWriter, Codec, Entry, NodeId } from '@quorate/core'
import { QuorateError, checkId, entryKindByte, entryKindOf, snapshotMetaCodec } from '@quorate/core'
import type { AppendRequest, HeartbeatReply, RaftMessage } from './messages.ts'

/** The version of the messages. */
export const WIRE_VERSION = 1

const KINDS = [
  'vote',
  'voteReply',
  'append',
  'appendReply',
  'heartbeat',
  'heartbeatReply',
  'commit',
  'snapshotOffer',
  'timeoutNow',
  'read',
  'readReply',
  'wake',
] as const satisfies readonly RaftMessage['type'][]

/** How Raft's messages are written. Entries' payloads are views into the bytes read. */
export const raftCodec: Codec<RaftMessage> = {
  write(writer, message) {
    writer.uint8(WIRE_VERSION)
    writer.uint8(KINDS.indexOf(message.type))
    writer.varint(message.term)
    writeBody(writer, message)
  },
  read(reader) {
    const version = reader.uint8()
    if (version !== WIRE_VERSION) throw malformed(`a message of version ${version}`)
    const kind = KINDS[reader.uint8()]
    if (kind === undefined) throw malformed('an unknown kind of message')
    return readBody(reader, kind, reader.varint())
  },
}

function writeBody(writer: ByteWriter, message: RaftMessage): void {
  switch (message.type) {
    case 'vote':
      writer.uint8(flags(message.pre, message.transfer))
      writer.varint(message.lastIndex)
      return writer.varint(message.lastTerm)
    case 'voteReply':
      return writer.uint8(flags(message.pre, message.granted))
    case 'append':
      return writeAppend(writer, message)
    case 'appendReply':
      writer.varint(message.id)
      writer.uint8(flags(message.ok, message.blank))
      writer.varint(message.index)
      writer.varint(message.hint)
      return writer.varint(message.hintTerm)
    case 'heartbeat':
      writer.varint(message.round)
      writer.varint(message.commit)
      writer.varint(message.leaderCommit)
      writer.varint(message.echo)
      return writer.uint8(flags(message.hibernate, message.vouch))
    case 'heartbeatReply':
      return writeHeartbeatReply(writer, message)
    case 'commit':
      return writer.varint(message.commit)
    case 'snapshotOffer':
      writer.varint(message.id)
      snapshotMetaCodec.write(writer, message.snapshot)
      return writeIds(writer, message.others)
    case 'read':
      writer.varint(message.token)
      return writer.uint8(flags(message.lease))
    case 'readReply':
      writer.varint(message.token)
      return writer.varint(message.index)
    case 'timeoutNow':
    case 'wake':
      return
  }
}

function readBody(reader: ByteReader, type: RaftMessage['type'], term: number): RaftMessage {
  switch (type) {
    case 'vote': {
      const bits = readFlags(reader, 2)
      const [pre, transfer] = [(bits & 1) !== 0, (bits & 2) !== 0]
      return { type, term, pre, transfer, lastIndex: reader.varint(), lastTerm: reader.varint() }
    }
    case 'voteReply': {
      const bits = readFlags(reader, 2)
      return { type, term, pre: (bits & 1) !== 0, granted: (bits & 2) !== 0 }
    }
    case 'append':
      return readAppend(reader, term)
    case 'appendReply': {
      const id = reader.varint()
      const bits = readFlags(reader, 2)
      const [ok, blank] = [(bits & 1) !== 0, (bits & 2) !== 0]
      const [index, hint, hintTerm] = [reader.varint(), reader.varint(), reader.varint()]
      return { type, term, id, ok, index, hint, hintTerm, blank }
    }
    case 'heartbeat': {
      const [round, commit] = [reader.varint(), reader.varint()]
      const [leaderCommit, echo] = [reader.varint(), reader.varint()]
      const bits = readFlags(reader, 2)
      const [hibernate, vouch] = [(bits & 1) !== 0, (bits & 2) !== 0]
      return { type, term, round, commit, leaderCommit, echo, hibernate, vouch }
    }
    case 'heartbeatReply':
      return readHeartbeatReply(reader, term)
    case 'commit':
      return { type, term, commit: reader.varint() }
    case 'snapshotOffer': {
      const [id, snapshot] = [reader.varint(), snapshotMetaCodec.read(reader)]
      return { type, term, id, snapshot, others: readIds(reader) }
    }
    case 'read': {
      const token = reader.varint()
      return { type, term, token, lease: readFlags(reader, 1) !== 0 }
    }
    case 'readReply':
      return { type, term, token: reader.varint(), index: reader.varint() }
    case 'timeoutNow':
    case 'wake':
      return { type, term }
  }
}

function writeAppend(writer: ByteWriter, message: AppendRequest): void {
  writer.varint(message.id)
  writer.varint(message.prevIndex)
  writer.varint(message.prevTerm)
  writer.varint(message.commit)
  writer.varint(message.entries.length)
  let term = message.prevTerm
  for (const entry of message.entries) {
    // The kind's byte also says whether the term grows here, and only then by how much.
    const grows = entry.epoch !== term
    writer.uint8(entryKindByte(entry.kind) | (grows ? 0x80 : 0))
    if (grows) writer.varint(entry.epoch - term)
    term = entry.epoch
    writer.bytes(entry.payload)
  }
}

function readAppend(reader: ByteReader, term: number): AppendRequest {
  const [id, prevIndex, prevTerm] = [reader.varint(), reader.varint(), reader.varint()]
  const commit = reader.varint()
  const count = reader.count(2)
  if (prevIndex + count > Number.MAX_SAFE_INTEGER) throw malformed('an index over 2^53 - 1')
  const entries: Entry[] = []
  let epoch = prevTerm
  for (let at = 1; at <= count; at++) {
    const head = reader.uint8()
    if ((head & 0x80) !== 0) {
      const growth = reader.varint()
      if (growth === 0) throw malformed('a term that grows by nothing')
      epoch += growth
    }
    const kind = entryKindOf(head & 0x7f)
    entries.push({ index: prevIndex + at, epoch, kind, payload: reader.bytes() })
  }
  if (epoch > term) throw malformed('an entry of a later term than its message')
  return { type: 'append', term, id, prevIndex, prevTerm, commit, entries }
}

function writeHeartbeatReply(writer: ByteWriter, message: HeartbeatReply): void {
  writer.varint(message.round)
  writer.varint(message.stamp)
  writer.varint(message.priority)
  writer.uint8(flags(message.blank, message.hibernating))
  writeIds(writer, message.starved)
}

function readHeartbeatReply(reader: ByteReader, term: number): HeartbeatReply {
  const [round, stamp, priority] = [reader.varint(), reader.varint(), reader.varint()]
  const bits = readFlags(reader, 2)
  const [blank, hibernating] = [(bits & 1) !== 0, (bits & 2) !== 0]
  const starved = readIds(reader)
  return { type: 'heartbeatReply', term, round, stamp, priority, blank, hibernating, starved }
}

function writeIds(writer: ByteWriter, ids: readonly NodeId[]): void {
  writer.varint(ids.length)
  for (const id of ids) writer.text(id)
}

function readIds(reader: ByteReader): readonly NodeId[] {
  const count = reader.count(2)
  const ids: NodeId[] = []
  for (let at = 0; at < count; at++) {
    const id = reader.text()
    try {
      ids.push(checkId(id, 'a member'))
    } catch (cause) {
      throw new QuorateError('MALFORMED', 'malformed bytes: an id of another alphabet', { cause })
    }
  }
  return ids
}

function flags(first: boolean, second = false): number {
  return (first ? 1 : 0) | (second ? 2 : 0)
}

function readFlags(reader: ByteReader, bits: number): number {
  const value = reader.uint8()
  if (value >> bits !== 0) throw malformed('unknown flags')
  return value
}

function malformed(what: string): QuorateError {
  return new QuorateError('MALFORMED', `malformed bytes: ${what}`)
}
