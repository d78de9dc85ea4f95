// A ring as bytes: six for each point, read back without hashing anything.
import { QuorateError } from '@quorate/core'
import { checkHash } from './hash.ts'
import { ringOfParts, ringPartsOf } from './hash-ring.ts'
import type { HashRing, HashRingOptions } from './hash-ring.ts'
import { murmur3 } from './murmur3.ts'
import { checkInteger } from './placement.ts'
import { indexPoints } from './points.ts'
import type { Points } from './points.ts'
import { closeFrame, malformed, openFrame, readFrame } from './snapshot-frame.ts'
import { randomTokens } from './tokens.ts'

const KIND = 1

/** A ring as bytes, with a checksum. */
export function encodeRing(ring: HashRing): Uint8Array {
  const parts = ringPartsOf(ring)
  const { points } = parts
  const writer = openFrame(KIND, { ...parts, hash: parts.hash.name })
  writer.varint(parts.virtualNodes)
  writer.uint8(parts.hashTags ? 1 : 0)
  writer.text(parts.tokens.name)
  writer.varint(points.count)
  const body = new Uint8Array(points.count * 6)
  const view = new DataView(body.buffer)
  for (let i = 0; i < points.count; i++) view.setUint32(i * 4, points.position[i]!, true)
  for (let i = 0; i < points.count; i++) {
    view.setUint16(points.count * 4 + i * 2, points.owner[i]!, true)
  }
  writer.raw(body)
  return closeFrame(writer)
}

/**
 * Restores a ring from its bytes.
 *
 * @throws QuorateError `MALFORMED` where they are damaged or made with another hash or allocator
 */
export function decodeRing(
  bytes: Uint8Array,
  options: Pick<HashRingOptions, 'hash' | 'tokens'> = {},
): HashRing {
  const hash = checkHash(options.hash ?? murmur3)
  const tokens = options.tokens ?? randomTokens
  const { head, body } = readFrame(bytes, KIND, hash.name)
  const virtualNodes = checkInteger(body.varint(), 'virtualNodes', 1, 65_536)
  const hashTags = body.uint8() === 1
  const name = body.text()
  if (name !== tokens.name) throw malformed(`it has ${name} tokens, not ${tokens.name}`)
  const count = body.count(6)
  const points = readPoints(body.raw(count * 6), count, head.members.length)
  body.end()
  return ringOfParts({ ...head, hash, virtualNodes, hashTags, tokens, points })
}

function readPoints(bytes: Uint8Array, count: number, members: number): Points {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const position = new Uint32Array(count + 1)
  const owner = new Uint16Array(count + 1)
  for (let i = 0; i < count; i++) position[i] = view.getUint32(i * 4, true)
  for (let i = 0; i < count; i++) owner[i] = view.getUint16(count * 4 + i * 2, true)
  for (let i = 0; i < count; i++) {
    const ordered = i === 0 || position[i - 1]! <= position[i]!
    if (ordered && owner[i]! < members) continue
    throw new QuorateError('MALFORMED', `Point ${i} is out of order or has no member`)
  }
  return indexPoints(position, owner)
}
