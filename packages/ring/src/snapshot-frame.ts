// The frame of every binary snapshot: what it is, who the members are, and a checksum, so that
// damage is an error and never a wrong owner.
import { ByteReader, ByteWriter, crc32c, QuorateError } from '@quorate/core'
import { readMembers } from './members.ts'
import type { Member } from './members.ts'
import { readRules } from './zones.ts'
import type { ZoneRule } from './zones.ts'

const MAGIC = 0x5152
const FORMAT = 1

/** The kinds of snapshots by the number that stands for them. */
export type FrameKind = 1 | 2

/** What every snapshot has. */
export interface FrameHead {
  /** The version of the snapshot. */
  readonly version: number
  /** The name of the hash or shard rule. */
  readonly hash: string
  /** The zone rules. */
  readonly zones: ZoneRule | readonly ZoneRule[]
  /** The members in order. */
  readonly members: readonly Member[]
}

/** Starts a snapshot of `kind`. */
export function openFrame(kind: FrameKind, head: FrameHead): ByteWriter {
  const writer = new ByteWriter(4096)
  writer.uint8(MAGIC >> 8)
  writer.uint8(MAGIC & 0xff)
  writer.uint8(kind)
  writer.uint8(FORMAT)
  writer.varint(head.version)
  writer.text(head.hash)
  const rules = typeof head.zones === 'string' ? [head.zones] : head.zones
  writer.uint8(typeof head.zones === 'string' ? 0 : 1)
  writer.varint(rules.length)
  for (const rule of rules) writer.uint8(rule === 'hard' ? 1 : 0)
  writer.varint(head.members.length)
  for (const { id, weight, zone } of head.members) {
    writer.text(id)
    writeDouble(writer, weight)
    writer.varint(zone.length)
    for (const part of zone) writer.text(part)
  }
  return writer
}

function writeDouble(writer: ByteWriter, value: number): void {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setFloat64(0, value, true)
  writer.raw(bytes)
}

/** Ends a snapshot with its checksum. */
export function closeFrame(writer: ByteWriter): Uint8Array {
  writer.uint32(crc32c(writer.view()))
  return writer.finish()
}

/**
 * Opens a snapshot of `kind` that was made with the hash or rule `hash`.
 *
 * @throws QuorateError `MALFORMED` where it is damaged, of another kind or made with another hash
 */
export function readFrame(
  bytes: Uint8Array,
  kind: FrameKind,
  hash: string,
): { readonly head: FrameHead; readonly body: ByteReader } {
  if (!(bytes instanceof Uint8Array)) throw new TypeError('A snapshot must be a Uint8Array')
  if (bytes.length < 8) throw malformed('it is too short')
  const body = new ByteReader(bytes.subarray(0, bytes.length - 4))
  const sum = new ByteReader(bytes.subarray(bytes.length - 4)).uint32()
  const magic = (body.uint8() << 8) | body.uint8()
  const found = body.uint8()
  const format = body.uint8()
  if (magic !== MAGIC || found !== kind || format !== FORMAT)
    throw malformed('it is of another kind')
  if (crc32c(bytes, 0, 0, bytes.length - 4) !== sum) throw malformed('its checksum does not fit')
  const version = body.varint()
  const name = body.text()
  if (name !== hash) throw malformed(`it was made with ${name}, not ${hash}`)
  const many = body.uint8() === 1
  const rules = Array.from({ length: body.count(1) }, () => (body.uint8() === 1 ? 'hard' : 'soft'))
  const zones = readRules(many ? rules : rules[0])
  const members = Array.from({ length: body.count(10) }, () => ({
    id: body.text(),
    weight: readDouble(body),
    zone: Array.from({ length: body.count(1) }, () => body.text()),
  }))
  return { head: { version, hash, zones, members: readMembers(members) }, body }
}

function readDouble(body: ByteReader): number {
  const bytes = body.raw(8)
  return new DataView(bytes.buffer, bytes.byteOffset, 8).getFloat64(0, true)
}

/** Makes the error for bytes that are not a snapshot. */
export function malformed(why: string): QuorateError {
  return new QuorateError('MALFORMED', `The bytes are not a snapshot of this: ${why}`)
}
