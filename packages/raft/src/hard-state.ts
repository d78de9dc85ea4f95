// What a replica must remember besides its log, as one small record that is replaced as a whole:
// a term and a vote written apart could be torn apart by a crash, and a vote given twice.
import type { Codec, Epoch, LogIndex, Membership, NodeId } from '@quorate/core'
import { QuorateError, checkId, membershipCodec } from '@quorate/core'

/** Raft's small durable state. */
export interface HardState {
  /** The latest term seen. */
  readonly term: Epoch
  /** Who got this replica's vote in that term. */
  readonly vote: NodeId | undefined
  /** Known to be committed when it was written; a lower bound. */
  readonly commit: LogIndex
  /** The members before the first entry ever; `undefined` on a replica that joined. */
  readonly initial: Membership | undefined
  /** Whether the replica lacks its past and must be counted for nothing until vouched for. */
  readonly blank: boolean
  /** The last entry that it once acknowledged and may have lost to a damaged disk; 0 where none. */
  readonly floorIndex: LogIndex
  /** That entry's term. */
  readonly floorTerm: Epoch
}

/** The version of hard state and entries on disk. */
export const FORMAT = 1

/** The hard state of a replica that has none. */
export const noHardState: HardState = {
  term: 0,
  vote: undefined,
  commit: 0,
  initial: undefined,
  blank: false,
  floorIndex: 0,
  floorTerm: 0,
}

/** A hard state: version, term, vote (empty where none), commit, floor, flags, initial members. */
export const hardStateCodec: Codec<HardState> = {
  write(writer, state) {
    writer.uint8(FORMAT)
    writer.varint(state.term)
    writer.text(state.vote ?? '')
    writer.varint(state.commit)
    writer.varint(state.floorIndex)
    writer.varint(state.floorTerm)
    writer.uint8((state.blank ? 1 : 0) | (state.initial === undefined ? 0 : 2))
    if (state.initial !== undefined) membershipCodec.write(writer, state.initial)
  },
  read(reader) {
    const version = reader.uint8()
    if (version !== FORMAT) {
      throw new QuorateError('MALFORMED', `a hard state of version ${version}`)
    }
    const term = reader.varint()
    const vote = reader.text()
    const commit = reader.varint()
    const floorIndex = reader.varint()
    const floorTerm = reader.varint()
    const bits = reader.uint8()
    if (bits > 3) throw new QuorateError('MALFORMED', 'a hard state with unknown flags')
    return {
      term,
      vote: vote === '' ? undefined : checkId(vote, 'a vote'),
      commit,
      floorIndex,
      floorTerm,
      blank: (bits & 1) !== 0,
      initial: (bits & 2) === 0 ? undefined : membershipCodec.read(reader),
    }
  },
}
