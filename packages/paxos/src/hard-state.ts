// What a replica must remember besides its log, as one small record that is replaced as a whole: a
// promise and an acceptance written apart could be torn apart by a crash.
import type { ByteReader, ByteWriter, Codec, LogIndex, Membership } from '@quorate/core'
import { QuorateError, membershipCodec } from '@quorate/core'
import type { Ballot } from './ballot.ts'
import type { Floor } from './floor.ts'
import type { Relearn } from './relearn.ts'

/** Paxos's small durable state. */
export interface HardState {
  /** Nothing of a smaller ballot will be accepted. */
  readonly promised: Ballot
  /** The log was last accepted as a whole under this ballot, of the membership in force; 0 where never. */
  readonly accepted: Ballot
  /** Known to be decided when it was written; a lower bound. */
  readonly decided: LogIndex
  /** Under memberships up to this version the replica may have voted and forgotten it, and must not be counted. */
  readonly blankTo: number
  /** What was accepted and then lost; `undefined` where nothing was. */
  readonly floor: Floor | undefined
  /** What has to be learned again before anything else; `undefined` where nothing has. */
  readonly relearn: Relearn | undefined
  /** The members before the first entry ever; `undefined` on a replica that joined. */
  readonly initial: Membership | undefined
}

/** {@link HardState.blankTo} of a replica that has not been told of any membership. */
export const NEVER_TOLD: number = Number.MAX_SAFE_INTEGER

/** The version of hard state and entries on disk. */
export const FORMAT = 1

/** A hard state: version, promised, accepted, decided, blank to, flags, floor, relearn, initial members. */
export const hardStateCodec: Codec<HardState> = {
  write(writer, state) {
    writer.uint8(FORMAT)
    writer.varint(state.promised)
    writer.varint(state.accepted)
    writer.varint(state.decided)
    writer.varint(state.blankTo)
    const { floor, relearn } = state
    const flags = (floor === undefined ? 0 : 2) | (relearn === undefined ? 0 : 4)
    writer.uint8((state.initial === undefined ? 0 : 1) | flags)
    if (floor !== undefined) writeFloor(writer, floor)
    if (relearn !== undefined) writeRelearn(writer, relearn)
    if (state.initial !== undefined) membershipCodec.write(writer, state.initial)
  },
  read(reader) {
    const version = reader.uint8()
    if (version !== FORMAT) {
      throw new QuorateError('MALFORMED', `a hard state of version ${version}`)
    }
    const promised = reader.varint()
    const accepted = reader.varint()
    const decided = reader.varint()
    const blankTo = reader.varint()
    const bits = reader.uint8()
    if (bits > 7) throw new QuorateError('MALFORMED', 'a hard state with unknown flags')
    if (accepted > promised) {
      throw new QuorateError('MALFORMED', 'a hard state that accepted more than it promised')
    }
    const floor = (bits & 2) === 0 ? undefined : readFloor(reader)
    const relearn = (bits & 4) === 0 ? undefined : readRelearn(reader)
    if (relearn !== undefined && relearn.accepted > promised) {
      throw new QuorateError('MALFORMED', 'a hard state that had accepted more than it promised')
    }
    const initial = (bits & 1) === 0 ? undefined : membershipCodec.read(reader)
    return { promised, accepted, decided, blankTo, floor, relearn, initial }
  },
}

function writeRelearn(writer: ByteWriter, { decided, accepted, floor, configMax }: Relearn): void {
  writer.varint(decided)
  writer.varint(accepted)
  writeFloor(writer, floor)
  writer.varint(configMax)
}

function readRelearn(reader: ByteReader): Relearn {
  const decided = reader.varint()
  const accepted = reader.varint()
  const floor = readFloor(reader)
  return { decided, accepted, floor, configMax: reader.varint() }
}

/** A floor: ballot, last entry. */
export function writeFloor(writer: ByteWriter, { accepted, length }: Floor): void {
  writer.varint(accepted)
  writer.varint(length)
}

/** Reads what {@link writeFloor} wrote. */
export function readFloor(reader: ByteReader): Floor {
  const accepted = reader.varint()
  return { accepted, length: reader.varint() }
}
