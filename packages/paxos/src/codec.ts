// Messages as bytes: a version, a kind, then fields as varints. Indexes of entries are not
// written, since they follow from the message, and epochs of entries only where they change.
import type { ByteReader, ByteWriter, Codec, NodeId } from '@quorate/core'
import {
  QuorateError,
  checkId,
  isQuorateError,
  membershipCodec,
  snapshotMetaCodec,
} from '@quorate/core'
import { readEntries, writeEntries } from '@quorate/core/algorithm'
import { readFloor, writeFloor } from './hard-state.ts'
import type { HeartbeatReply, PaxosMessage, Promise1b, Pulled } from './messages.ts'

/** The version of the messages. */
export const WIRE_VERSION = 1

const KINDS = [
  'prepare',
  'promise',
  'nack',
  'accept',
  'accepted',
  'decide',
  'heartbeat',
  'heartbeatReply',
  'ask',
  'answer',
  'pull',
  'pulled',
  'offer',
  'takeOver',
  'read',
  'readReply',
  'inspect',
  'inspected',
  'wake',
  'refill',
] as const satisfies readonly PaxosMessage['type'][]

/** How Paxos's messages are written. Entries' payloads are views into the bytes read. */
export const paxosCodec: Codec<PaxosMessage> = {
  write(writer, message) {
    writer.uint8(WIRE_VERSION)
    writer.uint8(KINDS.indexOf(message.type))
    writer.varint(message.config)
    writer.varint(message.ballot)
    writeBody(writer, message)
  },
  read(reader) {
    const version = reader.uint8()
    if (version !== WIRE_VERSION) throw malformed(`a message of version ${version}`)
    const kind = KINDS[reader.uint8()]
    if (kind === undefined) throw malformed('an unknown kind of message')
    const [config, ballot] = [reader.varint(), reader.varint()]
    return readBody(reader, kind, config, ballot)
  },
}

function writeBody(writer: ByteWriter, m: PaxosMessage): void {
  switch (m.type) {
    case 'prepare':
      writer.varint(m.accepted)
      writer.varint(m.length)
      writer.varint(m.decided)
      return writer.uint8(flags(m.transfer))
    case 'promise':
      return writePromise(writer, m)
    case 'accept':
      writer.varint(m.prev)
      writer.varint(m.prevEpoch)
      writer.varint(m.syncTo)
      writer.varint(m.decided)
      return writeEntries(writer, m.entries, 0)
    case 'accepted':
      writer.varint(m.index)
      return writer.uint8(flags(m.gap, m.partial, m.blank))
    case 'decide':
      return writer.varint(m.decided)
    case 'refill':
      return writer.varint(m.index)
    case 'heartbeat':
      writer.varint(m.round)
      writer.varint(m.decided)
      writer.varint(m.echo)
      return writer.uint8(flags(m.happy, m.hibernate))
    case 'heartbeatReply':
      return writeHeartbeatReply(writer, m)
    case 'ask':
      return writer.varint(m.round)
    case 'answer':
      writer.varint(m.round)
      writer.varint(m.priority)
      writer.varint(m.decided)
      return writer.uint8(flags(m.happy, m.led))
    case 'pull':
      writer.varint(m.first)
      return writer.varint(m.last)
    case 'pulled':
      return writePulled(writer, m)
    case 'offer':
      snapshotMetaCodec.write(writer, m.snapshot)
      return writeIds(writer, m.others)
    case 'read':
      writer.varint(m.token)
      return writer.uint8(flags(m.lease))
    case 'readReply':
      writer.varint(m.token)
      return writer.varint(m.index)
    case 'inspect':
      return writer.varint(m.token)
    case 'inspected':
      writer.varint(m.token)
      writer.varint(m.length)
      return writer.uint8(flags(m.blank))
    case 'nack':
    case 'takeOver':
    case 'wake':
      return
  }
}

function readBody(
  reader: ByteReader,
  type: PaxosMessage['type'],
  config: number,
  ballot: number,
): PaxosMessage {
  const head = { config, ballot }
  switch (type) {
    case 'prepare': {
      const [accepted, length, decided] = [reader.varint(), reader.varint(), reader.varint()]
      return { type, ...head, accepted, length, decided, transfer: readFlags(reader, 1) !== 0 }
    }
    case 'promise':
      return readPromise(reader, head)
    case 'accept': {
      const [prev, prevEpoch] = [reader.varint(), reader.varint()]
      const [syncTo, decided] = [reader.varint(), reader.varint()]
      const entries = readEntries(reader, prev, 0, ballot)
      return { type, config, ballot, prev, prevEpoch, syncTo, decided, entries }
    }
    case 'accepted': {
      const index = reader.varint()
      const bits = readFlags(reader, 3)
      const [gap, partial, blank] = [(bits & 1) !== 0, (bits & 2) !== 0, (bits & 4) !== 0]
      return { type, config, ballot, index, gap, partial, blank }
    }
    case 'decide':
      return { type, config, ballot, decided: reader.varint() }
    case 'refill':
      return { type, ...head, index: reader.varint() }
    case 'heartbeat': {
      const [round, decided, echo] = [reader.varint(), reader.varint(), reader.varint()]
      const bits = readFlags(reader, 2)
      const [happy, hibernate] = [(bits & 1) !== 0, (bits & 2) !== 0]
      return { type, ...head, round, decided, echo, happy, hibernate }
    }
    case 'heartbeatReply':
      return readHeartbeatReply(reader, head)
    case 'ask':
      return { type, ...head, round: reader.varint() }
    case 'answer': {
      const [round, priority, decided] = [reader.varint(), reader.varint(), reader.varint()]
      const bits = readFlags(reader, 2)
      const [happy, led] = [(bits & 1) !== 0, (bits & 2) !== 0]
      return { type, ...head, round, priority, decided, happy, led }
    }
    case 'pull':
      return { type, ...head, first: reader.varint(), last: reader.varint() }
    case 'pulled':
      return readPulled(reader, head)
    case 'offer': {
      const snapshot = snapshotMetaCodec.read(reader)
      return { type, ...head, snapshot, others: readIds(reader) }
    }
    default:
      return readSmall(reader, type, head)
  }
}

type Small = 'nack' | 'takeOver' | 'wake' | 'read' | 'readReply' | 'inspect' | 'inspected'

interface Head {
  readonly config: number
  readonly ballot: number
}

function readSmall(reader: ByteReader, type: Small, head: Head): PaxosMessage {
  switch (type) {
    case 'read': {
      const token = reader.varint()
      return { type, ...head, token, lease: readFlags(reader, 1) !== 0 }
    }
    case 'readReply':
      return { type, ...head, token: reader.varint(), index: reader.varint() }
    case 'inspect':
      return { type, ...head, token: reader.varint() }
    case 'inspected': {
      const [token, length] = [reader.varint(), reader.varint()]
      return { type, ...head, token, length, blank: readFlags(reader, 1) !== 0 }
    }
    default:
      return { type, ...head }
  }
}

function writePromise(writer: ByteWriter, m: Promise1b): void {
  writer.varint(m.accepted)
  writer.varint(m.length)
  writer.varint(m.decided)
  writer.uint8(flags(m.blank, m.floor !== undefined))
  if (m.floor !== undefined) writeFloor(writer, m.floor)
  writer.varint(m.prev)
  writeEntries(writer, m.entries, 0)
}

function readPromise(reader: ByteReader, head: Head): Promise1b {
  const [accepted, length, decided] = [reader.varint(), reader.varint(), reader.varint()]
  const bits = readFlags(reader, 2)
  const blank = (bits & 1) !== 0
  const floor = (bits & 2) === 0 ? undefined : readFloor(reader)
  const prev = reader.varint()
  const entries = readEntries(reader, prev, 0, head.ballot)
  return { type: 'promise', ...head, accepted, length, decided, blank, floor, prev, entries }
}

function writeHeartbeatReply(writer: ByteWriter, m: HeartbeatReply): void {
  writer.varint(m.round)
  writer.varint(m.stamp)
  writer.varint(m.priority)
  writer.varint(m.decided)
  writer.uint8(flags(m.blank, m.hibernating, m.briefed))
  writeIds(writer, m.starved)
}

function readHeartbeatReply(reader: ByteReader, head: Head): HeartbeatReply {
  const [round, stamp, priority] = [reader.varint(), reader.varint(), reader.varint()]
  const decided = reader.varint()
  const bits = readFlags(reader, 3)
  const [blank, hibernating, briefed] = [(bits & 1) !== 0, (bits & 2) !== 0, (bits & 4) !== 0]
  const standing = { priority, decided, blank, briefed, hibernating, starved: readIds(reader) }
  return { type: 'heartbeatReply', ...head, round, stamp, ...standing }
}

function writePulled(writer: ByteWriter, m: Pulled): void {
  writer.varint(m.prev)
  writer.varint(m.decided)
  writer.uint8(flags(m.base !== undefined))
  if (m.base !== undefined) membershipCodec.write(writer, m.base)
  writeEntries(writer, m.entries, 0)
}

function readPulled(reader: ByteReader, head: Head): Pulled {
  const [prev, decided] = [reader.varint(), reader.varint()]
  const base = readFlags(reader, 1) === 0 ? undefined : membershipCodec.read(reader)
  const entries = readEntries(reader, prev, 0, head.ballot)
  return { type: 'pulled', ...head, prev, decided, base, entries }
}

function writeIds(writer: ByteWriter, ids: readonly NodeId[]): void {
  writer.varint(ids.length)
  for (const id of ids) writer.text(id)
}

function readIds(reader: ByteReader): readonly NodeId[] {
  const count = reader.count(2)
  const ids: NodeId[] = []
  for (let at = 0; at < count; at++) ids.push(readId(reader))
  return ids
}

function readId(reader: ByteReader): NodeId {
  try {
    return checkId(reader.text(), 'a member')
  } catch (cause) {
    if (isQuorateError(cause, 'MALFORMED')) throw cause
    throw new QuorateError('MALFORMED', 'malformed bytes: an id of another alphabet', { cause })
  }
}

function flags(first: boolean, second = false, third = false): number {
  return (first ? 1 : 0) | (second ? 2 : 0) | (third ? 4 : 0)
}

function readFlags(reader: ByteReader, bits: number): number {
  const value = reader.uint8()
  if (value >> bits !== 0) throw malformed('unknown flags')
  return value
}

function malformed(what: string): QuorateError {
  return new QuorateError('MALFORMED', `malformed bytes: ${what}`)
}
