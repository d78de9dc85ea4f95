// Where a watch stands in each shard, as text that its owner can keep. Hash slots are named by
// their order; ranges by their number, since they come and go.
import { ByteReader, ByteWriter, QuorateError } from '@quorate/core'
import type { ShardId } from '@quorate/core'
import type { Router } from '../routing/router.ts'

const SLOTS = 1
const RANGES = 2

/** The last revision that was shown, by shard. */
export type Positions = Map<ShardId, number>

/** Positions as text. */
export function tokenOf(router: Router, positions: Positions): string {
  if (router.ranged) return encodeRangesToken(positions)
  return encodeToken(Array.from(router.routes.all, ({ shard }) => positions.get(shard) ?? 0))
}

/**
 * The positions of a text.
 *
 * @throws QuorateError `INVALID_ARGUMENT` where it is none of such a store
 */
export function positionsOf(router: Router, token: string): Positions {
  if (router.ranged) return decodeRangesToken(token)
  return new Map(decodeToken(token, router.routes.all.length).entries())
}

/** A position in every slot, as text. */
export function encodeToken(positions: readonly number[]): string {
  const writer = new ByteWriter(positions.length * 3 + 4)
  writer.uint8(SLOTS)
  for (const position of positions) writer.varint(position)
  return digitsOf(writer)
}

/**
 * Reads a token.
 *
 * @throws QuorateError `INVALID_ARGUMENT` where it is none of a store with so many shards
 */
export function decodeToken(token: string, shards: number): number[] {
  return read(token, `a store with ${shards} shards`, SLOTS, (reader) =>
    Array.from({ length: shards }, () => reader.varint()),
  )
}

function encodeRangesToken(positions: Positions): string {
  const writer = new ByteWriter(positions.size * 5 + 4)
  writer.uint8(RANGES)
  writer.varint(positions.size)
  for (const [shard, position] of positions) {
    writer.varint(shard)
    writer.varint(position)
  }
  return digitsOf(writer)
}

function decodeRangesToken(token: string): Positions {
  return read(token, 'a store of sorted ranges', RANGES, (reader) => {
    const positions: Positions = new Map()
    for (let left = reader.count(2); left > 0; left--) {
      positions.set(reader.varint(), reader.varint())
    }
    return positions
  })
}

function read<T>(
  token: string,
  store: string,
  version: number,
  content: (reader: ByteReader) => T,
): T {
  try {
    if (!/^([0-9a-f]{2})+$/.test(token)) throw new QuorateError('MALFORMED', 'not hexadecimal')
    const reader = new ByteReader(
      Uint8Array.from({ length: token.length / 2 }, (_, at) =>
        Number.parseInt(token.slice(at * 2, at * 2 + 2), 16),
      ),
    )
    if (reader.uint8() !== version) throw new QuorateError('MALFORMED', 'another version')
    const found = content(reader)
    reader.end()
    return found
  } catch (cause) {
    const message = `the watch token does not belong to ${store}`
    throw new QuorateError('INVALID_ARGUMENT', message, { cause })
  }
}

function digitsOf(writer: ByteWriter): string {
  return Array.from(writer.view(), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
