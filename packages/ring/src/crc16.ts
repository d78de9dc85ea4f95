// CRC-16/XMODEM, by which Redis Cluster numbers its slots. The table is worked out from the
// polynomial.
import type { Key } from '@quorate/core'
import type { KeyHash } from './hash.ts'
import { checkKey, utf8, utf8Length } from './key.ts'

const POLYNOMIAL = 0x1021

let table: Uint16Array | undefined

function makeTable(): Uint16Array {
  return Uint16Array.from({ length: 256 }, (_, byte) => {
    let crc = byte << 8
    for (let bit = 0; bit < 8; bit++) crc = (crc << 1) ^ (crc & 0x8000 ? POLYNOMIAL : 0)
    return crc
  })
}

/** CRC-16/XMODEM: polynomial 0x1021, initial value 0, no reflection. It knows no seed. */
export const crc16: KeyHash = {
  name: 'crc16',
  bits: 16,
  hash(key: Key, _seed = 0, from = 0, to = key.length): number {
    if (typeof key === 'string') {
      const bytes = utf8(key, from, to)
      return ofBytes(bytes, 0, utf8Length)
    }
    checkKey(key)
    return ofBytes(key, from, to)
  },
}

function ofBytes(bytes: Uint8Array, from: number, to: number): number {
  table ??= makeTable()
  let crc = 0
  for (let i = from; i < to; i++) crc = ((crc << 8) & 0xffff) ^ table[(crc >>> 8) ^ bytes[i]!]!
  return crc
}
