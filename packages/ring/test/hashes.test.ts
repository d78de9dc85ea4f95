// Every hash against vectors that others published, and text against bytes.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { crc16, fnv1a, md5Ketama, murmur3, xxh32, xxh64, xxh64Digest } from '../src/index.ts'
import { digest, md5 } from '../src/md5.ts'

const utf8 = new TextEncoder()

// The generator of the xxHash project's own sanity check (BSD-2-Clause): bytes are the top byte
// of a 64-bit number that starts at PRIME32 and is multiplied by PRIME64 each time.
const PRIME32 = 2654435761
const sanityBytes = (length: number): Uint8Array => {
  let state = BigInt(PRIME32)
  return Uint8Array.from({ length }, () => {
    const byte = Number(state >> 56n)
    state = BigInt.asUintN(64, state * 11400714785074694797n)
    return byte
  })
}

describe('murmur3', () => {
  it('has the verification value of SMHasher for the x86_32 variant', () => {
    const results = new Uint8Array(1024)
    const view = new DataView(results.buffer)
    for (let i = 0; i < 256; i++) {
      const key = Uint8Array.from({ length: i }, (_, byte) => byte)
      view.setUint32(i * 4, murmur3.hash(key, 256 - i), true)
    }
    expect(murmur3.hash(results, 0)).toBe(0xb0f57ee3)
  })

  it('reproduces single values', () => {
    expect(murmur3.hash('', 0)).toBe(0)
    expect(murmur3.hash('', 1)).toBe(0x514e28b7)
    expect(murmur3.hash('', 0xffffffff)).toBe(0x81f16f39)
    expect(murmur3.hash('Hello, world!', 0x9747b28c)).toBe(0x24884cba)
    expect(murmur3.hash('ππππππππ', 0x9747b28c)).toBe(0xd58063c1)
  })
})

describe('xxh32', () => {
  it.each([
    [0, 0, 0x02cc5d05],
    [0, PRIME32, 0x36b78ae7],
    [1, 0, 0xcf65b03e],
    [1, PRIME32, 0xb4545aa4],
    [14, 0, 0x1208e7e2],
    [14, PRIME32, 0x6af1d1fe],
    [222, 0, 0x5bd11dbd],
    [222, PRIME32, 0x58803c5f],
  ])('of %i bytes with seed %i', (length, seed, hash) => {
    expect(xxh32.hash(sanityBytes(length), seed)).toBe(hash)
  })

  it('of text', () => {
    expect(xxh32.hash('abc')).toBe(0x32d153ff)
    expect(xxh32.hash('Nobody inspects the spammish repetition')).toBe(0xe2293b2f)
  })
})

describe('xxh64', () => {
  it.each([
    [0, 0, 0xef46db3751d8e999n],
    [0, PRIME32, 0xac75fda2929b17efn],
    [1, 0, 0xe934a84adb052768n],
    [1, PRIME32, 0x5014607643a9b4c3n],
    [4, 0, 0x9136a0dca57457een],
    [14, 0, 0x8282dcc4994e35c8n],
    [14, PRIME32, 0xc3bd6bf63deb6df0n],
    [222, 0, 0xb641ae8cb691c174n],
    [222, PRIME32, 0x20cb8ab7ae10c14an],
  ])('of %i bytes with seed %i', (length, seed, hash) => {
    expect(xxh64Digest(sanityBytes(length), seed)).toBe(hash)
    expect(xxh64.hash(sanityBytes(length), seed)).toBe(Number(hash >> 32n))
  })

  it('of text', () => {
    expect(xxh64Digest('abc')).toBe(0x44bc2cf5ad770999n)
    expect(xxh64Digest('Nobody inspects the spammish repetition')).toBe(0xfbcea83c8a378bf1n)
  })
})

describe('fnv1a', () => {
  it('reproduces the vectors of its authors', () => {
    expect(fnv1a.hash('')).toBe(0x811c9dc5)
    expect(fnv1a.hash('a')).toBe(0xe40c292c)
    expect(fnv1a.hash('foobar')).toBe(0xbf9cf968)
  })
})

describe('crc16', () => {
  it('has the check value of CRC-16/XMODEM', () => {
    expect(crc16.hash('123456789')).toBe(0x31c3)
  })
})

describe('md5', () => {
  // The test suite in the appendix of RFC 1321.
  it.each([
    ['', 'd41d8cd98f00b204e9800998ecf8427e'],
    ['a', '0cc175b9c0f1b6a831c399e269772661'],
    ['abc', '900150983cd24fb0d6963f7d28e17f72'],
    ['message digest', 'f96b697d7cb7938d525a2f31aaf161d0'],
    ['abcdefghijklmnopqrstuvwxyz', 'c3fcd3d76192e4007dfb496cca67e13b'],
    [
      'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789',
      'd174ab98d277d9f5a5611c2c9f419d9f',
    ],
    ['1234567890'.repeat(8), '57edf4a22be3c955ac49da2e2107b67a'],
  ])('of %j', (text, expected) => {
    md5(text)
    const bytes = new Uint8Array(16)
    const view = new DataView(bytes.buffer)
    digest.forEach((word, i) => view.setUint32(i * 4, word, true))
    expect([...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')).toBe(expected)
    expect(md5Ketama.hash(text)).toBe(view.getUint32(0, true))
  })
})

describe.each([murmur3, xxh32, xxh64, fnv1a, crc16, md5Ketama])('$name', (hash) => {
  it('hashes text as its UTF-8 bytes, and a part as the part alone', () => {
    const text = fc
      .string({ unit: 'binary', maxLength: 80 })
      .filter((value) => value.isWellFormed())
    fc.assert(
      fc.property(text, text, fc.nat(), (before, key, seed) => {
        const whole = hash.hash(key, seed)
        const bytes = utf8.encode(key)
        expect(hash.hash(bytes, seed)).toBe(whole)
        expect(whole).toBeGreaterThanOrEqual(0)
        expect(whole).toBeLessThan(2 ** hash.bits)
        const from = before.length
        expect(hash.hash(`${before}${key}${before}`, seed, from, from + key.length)).toBe(whole)
        const pad = utf8.encode(before)
        const padded = Uint8Array.from([...pad, ...bytes, ...pad])
        expect(hash.hash(padded, seed, pad.length, pad.length + bytes.length)).toBe(whole)
      }),
    )
  })

  it('hashes a megabyte of any script', () => {
    const text = 'aπ漢😀'.repeat(100_000)
    expect(hash.hash(text, 7)).toBe(hash.hash(utf8.encode(text), 7))
  })

  it('rejects lone surrogates and things that are not keys', () => {
    for (const key of ['\ud800', 'a\udc00b', 'x\ud83d']) {
      expect(() => hash.hash(key)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
    }
    expect(() => hash.hash(42 as never)).toThrow(TypeError)
  })
})
