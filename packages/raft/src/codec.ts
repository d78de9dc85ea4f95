// Messages as bytes: a version, a kind, the term, then what the kind's layout lists. Indexes of
// entries are not written, since they follow from the message, and terms only where they change.
import type { ByteReader, Codec, NodeId } from '@quorate/core'
import { QuorateError, isId, snapshotMetaCodec } from '@quorate/core'
import { readEntries, writeEntries } from '@quorate/core/algorithm'
import type { AppendRequest, RaftMessage, SnapshotOffer } from './messages.ts'

/** The version of the messages. */
export const WIRE_VERSION = 1

/** What a kind of message holds: flags in one byte, then numbers, then single ids, then a list of ids. */
interface Layout {
  readonly type: RaftMessage['type']
  readonly flags: readonly string[]
  readonly numbers: readonly string[]
  readonly id?: readonly string[]
  readonly ids?: string
}

// The position of a layout is its kind's byte.
const LAYOUTS: readonly Layout[] = [
  {
    type: 'vote',
    flags: ['pre', 'transfer', 'relay'],
    numbers: ['lastIndex', 'lastTerm'],
    id: ['candidate'],
  },
  { type: 'voteReply', flags: ['pre', 'granted'], numbers: [], id: ['candidate', 'voter'] },
  { type: 'append', flags: [], numbers: ['id', 'prevIndex', 'prevTerm', 'commit'] },
  {
    type: 'appendReply',
    flags: ['ok'],
    numbers: ['id', 'index', 'hint', 'hintTerm', 'blank'],
  },
  {
    type: 'heartbeat',
    flags: ['hibernate'],
    numbers: ['round', 'commit', 'leaderCommit', 'echo', 'vouch'],
  },
  {
    type: 'heartbeatReply',
    flags: ['hibernating'],
    numbers: ['round', 'stamp', 'priority', 'blank'],
    ids: 'starved',
  },
  { type: 'commit', flags: [], numbers: ['commit'] },
  { type: 'snapshotOffer', flags: [], numbers: ['id'], ids: 'others' },
  { type: 'timeoutNow', flags: [], numbers: [] },
  { type: 'read', flags: ['lease'], numbers: ['token'] },
  { type: 'readReply', flags: [], numbers: ['token', 'index'] },
  { type: 'wake', flags: [], numbers: [] },
  { type: 'refill', flags: [], numbers: ['index'] },
]

const KINDS: ReadonlyMap<string, number> = new Map(LAYOUTS.map(({ type }, kind) => [type, kind]))

/** A message as its layout sees it. */
type Fields = Record<string, unknown>

/** How Raft's messages are written. Entries' payloads may be views into the bytes read. */
export const raftCodec: Codec<RaftMessage> = {
  write(writer, message) {
    const kind = KINDS.get(message.type) as number
    const { flags, numbers, id, ids } = LAYOUTS[kind] as Layout
    const fields = message as unknown as Fields
    writer.uint8(WIRE_VERSION)
    writer.uint8(kind)
    writer.varint(message.term)
    if (flags.length > 0) {
      writer.uint8(
        flags.reduce((bits, name, at) => bits | (fields[name] === true ? 1 << at : 0), 0),
      )
    }
    for (const name of numbers) writer.varint(fields[name] as number)
    for (const name of id ?? []) writer.text(fields[name] as NodeId)
    if (ids !== undefined) {
      const list = fields[ids] as readonly NodeId[]
      writer.varint(list.length)
      for (const each of list) writer.text(each)
    }
    if (message.type === 'append') writeEntries(writer, message.entries, message.prevTerm)
    else if (message.type === 'snapshotOffer') snapshotMetaCodec.write(writer, message.snapshot)
  },
  read(reader) {
    const version = reader.uint8()
    if (version !== WIRE_VERSION) throw malformed('another version')
    const layout = LAYOUTS[reader.uint8()]
    if (layout === undefined) throw malformed('an unknown kind')
    const { type, flags, numbers, id, ids } = layout
    const fields: Fields = { type, term: reader.varint() }
    if (flags.length > 0) {
      const bits = reader.uint8()
      if (bits >> flags.length !== 0) throw malformed('unknown flags')
      for (const [at, name] of flags.entries()) fields[name] = (bits & (1 << at)) !== 0
    }
    for (const name of numbers) fields[name] = reader.varint()
    for (const name of id ?? []) fields[name] = readId(reader)
    if (ids !== undefined) fields[ids] = readIds(reader)
    if (type === 'append') {
      const append = fields as unknown as Writable<AppendRequest>
      append.entries = readEntries(reader, append.prevIndex, append.prevTerm, append.term)
    } else if (type === 'snapshotOffer') {
      ;(fields as unknown as Writable<SnapshotOffer>).snapshot = snapshotMetaCodec.read(reader)
    }
    return fields as unknown as RaftMessage
  },
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }

function readIds(reader: ByteReader): readonly NodeId[] {
  const count = reader.count(2)
  const ids: NodeId[] = []
  for (let at = 0; at < count; at++) ids.push(readId(reader))
  return ids
}

function readId(reader: ByteReader): NodeId {
  const id = reader.text()
  if (!isId(id)) throw malformed('an id of another alphabet')
  return id
}

function malformed(what: string): QuorateError {
  return new QuorateError('MALFORMED', `malformed bytes: ${what}`)
}
