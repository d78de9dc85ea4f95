// Answers that other systems published, reproduced bit for bit: data, with where it is from.
import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  crc16,
  hashTag,
  jumpBucket,
  ketama,
  maglev,
  redisSlots,
  xxh64Digest,
} from '../src/index.ts'

const halves = (key: bigint): [number, number] => [Number(key >> 32n), Number(key & 0xffffffffn)]

describe('jump', () => {
  // From the tests of dgryski/go-jump (MIT), made there with the reference code of the paper:
  // the buckets of one key among 1, 2, 3, ... buckets.
  it.each([
    [1n, [0, 0, 0, 0, 0, 0, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 17, 17]],
    [0xdeadbeefn, [0, 1, 2, 3, 3, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 16, 16, 16]],
    [0x0ddc0ffeebadf00dn, [0, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 15, 15, 15, 15]],
    [0n, Array.from({ length: 20 }, () => 0)],
  ])('of key %d', (key, buckets) => {
    const [high, low] = halves(key)
    expect(buckets.map((_, i) => jumpBucket(high, low, i + 1))).toEqual(buckets)
  })

  // From the tests of Google Guava's Hashing.consistentHash (Apache-2.0).
  it('agrees with Guava', () => {
    const hundred = [0, 55, 62, 8, 45, 59, 86, 97, 82, 59, 73, 37, 17, 56, 86, 21, 90, 37, 38, 83]
    expect(hundred.map((_, key) => jumpBucket(0, key, 100))).toEqual(hundred)
    expect(jumpBucket(...halves(10863919174838991n), 11)).toBe(6)
    expect(jumpBucket(...halves(2016238256797177309n), 11)).toBe(3)
    expect(jumpBucket(...halves(1673758223894951030n), 11)).toBe(5)
    expect(jumpBucket(0, 2, 100_001)).toBe(80_343)
    expect(jumpBucket(0, 2201, 100_001)).toBe(22_152)
    expect(jumpBucket(0, 2202, 100_001)).toBe(15_018)
  })

  it('agrees with the definition in 64-bit integers', () => {
    const byDefinition = (key: bigint, buckets: number): number => {
      let state = key
      let bucket = -1n
      let next = 0n
      while (next < BigInt(buckets)) {
        bucket = next
        state = BigInt.asUintN(64, state * 2862933555777941757n + 1n)
        next = BigInt(Math.floor(Number(bucket + 1n) * (2 ** 31 / (Number(state >> 33n) + 1))))
      }
      return Number(bucket)
    }
    let key = 0x9e3779b97f4a7c15n
    for (let i = 0; i < 20_000; i++) {
      key = BigInt.asUintN(64, key * 6364136223846793005n + 1442695040888963407n)
      const buckets = Number(key % 1_000_000n) + 1
      expect(jumpBucket(...halves(key), buckets)).toBe(byDefinition(key, buckets))
    }
  })
})

describe('Envoy', () => {
  const hosts = ['90', '91', '92', '93', '94', '95'].map((port) => `127.0.0.1:${port}`)

  // From Envoy's maglev_lb_test.cc (Apache-2.0): host by slot.
  it('maglev by address, by name, and weighted', () => {
    const table = (
      members: Parameters<typeof maglev>[0]['members'],
      tableSize: number,
    ): number[] => [...maglev({ members, tableSize }).table]
    expect(table(hosts, 7)).toEqual([2, 4, 0, 1, 5, 0, 3])
    expect(table(['90', '91', '92', '93', '94', '95'], 7)).toEqual([2, 5, 0, 3, 4, 1, 0])
    const weighted = hosts.slice(0, 2).map((id, i) => ({ id, weight: i + 1 }))
    const expected = [1, 0, 0, 1, 0, 1, 1, 0, 1, 1, 1, 1, 1, 0, 1, 0, 1]
    expect(table(weighted, 17)).toEqual(expected)
  })

  // From Envoy's ring_hash_lb_test.cc (Apache-2.0): the twelve points of six hosts.
  it('ring points by XXH64', () => {
    const points = hosts
      .flatMap((host) => [0, 1].map((i) => ({ host, point: xxh64Digest(`${host}_${i}`) })))
      .sort((a, b) => (a.point < b.point ? -1 : 1))
    expect(points.map(({ host, point }) => [host.slice(-2), point])).toEqual([
      ['94', 833437586790550860n],
      ['92', 928266305478181108n],
      ['90', 1033482794131418490n],
      ['95', 3551244743356806947n],
      ['93', 3851675632748031481n],
      ['91', 5583722120771150861n],
      ['91', 6311230543546372928n],
      ['93', 7700377290971790572n],
      ['95', 13144177310400110813n],
      ['92', 13444792449719432967n],
      ['94', 15516499411664133160n],
      ['90', 16117243373044804889n],
    ])
  })
})

describe('Redis Cluster', () => {
  const table = redisSlots({ members: ['a', 'b', 'c'], replicas: 2 })

  // Division of the message by the polynomial, bit by bit, as CRC-16/XMODEM is defined.
  const crcByDefinition = (text: string): number => {
    let crc = 0
    for (const byte of new TextEncoder().encode(text)) {
      for (let bit = 7; bit >= 0; bit--) {
        const out = (crc >>> 15) ^ ((byte >>> bit) & 1)
        crc = ((crc << 1) & 0xffff) ^ (out === 1 ? 0x1021 : 0)
      }
    }
    return crc
  }

  it('finds a key for each of the 16,384 slots by the definition, and the same slot for it', () => {
    const found = new Map<number, string>()
    for (let i = 0; found.size < 16_384; i++) {
      const key = i.toString(36)
      const slot = crcByDefinition(key) & 0x3fff
      if (!found.has(slot)) found.set(slot, key)
    }
    for (const [slot, key] of found) {
      expect(crc16.hash(key) & 0x3fff).toBe(slot)
      expect(table.shardOf(key)).toBe(slot)
      expect(table.shardOf(`prefix{${key}}suffix`)).toBe(slot)
    }
    expect(found.size).toBe(16_384)
  })

  // The rules for hash tags are in the Redis Cluster specification; the slots follow from CRC-16.
  it('honours hash tags as the specification has them', () => {
    expect(table.shardOf('{user1000}.following')).toBe(3443)
    expect(table.shardOf('{user1000}.followers')).toBe(3443)
    expect(table.shardOf('foo{}{bar}')).toBe(8363)
    expect(table.shardOf('foo{{bar}}zap')).toBe(4015)
    expect(table.shardOf('foo{bar}{zap}')).toBe(5061)
    expect(table.shardOf(new TextEncoder().encode('foo{bar}{zap}'))).toBe(5061)
    expect(['foo{}{bar}', 'foo{{bar}}zap', 'foo{bar}{zap}', 'a}b{c', '{x'].map(hashTag)).toEqual([
      'foo{}{bar}',
      '{bar',
      'bar',
      'a}b{c',
      '{x',
    ])
  })
})

describe('libketama', () => {
  // The servers are those of ketama.servers, the digest is that of libketama/test.sh, both in
  // RJ/ketama (BSD); the output is an empty line, then hash, point and server of a million keys.
  it('reproduces the digest of one million look-ups', () => {
    const memory = [600, 300, 200, 350, 1000, 800, 950, 100]
    const ring = ketama({
      members: memory.map((weight, i) => ({ id: `10.0.1.${i + 1}:11211`, weight })),
    })
    const digest = createHash('md5').update('\n')
    let lines = ''
    for (let i = 0; i < 1_000_000; i++) {
      const { hash, position, owner } = ring.point(String(i))!
      lines += `${hash} ${position} ${owner}\n`
      if (i % 1000 !== 999) continue
      digest.update(lines)
      lines = ''
    }
    expect(digest.digest('hex')).toBe('5672b131391f5aa2b280936aec1eea74')
  })
})
