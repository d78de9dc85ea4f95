// XXH64 in 32-bit halves: the hash of Envoy's rings and Maglev tables.
import type { Key } from '@quorate/core'
import type { KeyHash } from './hash.ts'
import { checkKey, utf8, utf8Length } from './key.ts'
import { add, high, low, multiply, rotate } from './u64.ts'

const P1H = 0x9e3779b1
const P1L = 0x85ebca87
const P2H = 0xc2b2ae3d
const P2L = 0x27d4eb4f
const P3H = 0x165667b1
const P3L = 0x9e3779f9
const P4H = 0x85ebca77
const P4L = 0xc2b2ae63
const P5H = 0x27d4eb2f
const P5L = 0x165667c5

/** The upper 32 bits of XXH64 (Yann Collet, BSD-2-Clause specification), seeded with 32 bits. */
export const xxh64: KeyHash = {
  name: 'xxh64',
  bits: 32,
  hash(key: Key, seed = 0, from = 0, to = key.length): number {
    compute(key, seed, from, to)
    return high
  },
}

/** All 64 bits of XXH64. For places that are not visited for every key: a bigint allocates. */
export function xxh64Digest(key: Key, seed = 0): bigint {
  compute(key, seed, 0, key.length)
  return (BigInt(high) << 32n) | BigInt(low)
}

/** XXH64 modulo `modulus`, which is below 2^21. */
export function xxh64Modulo(key: Key, seed: number, modulus: number): number {
  compute(key, seed, 0, key.length)
  return ((high % modulus) * (4_294_967_296 % modulus) + (low % modulus)) % modulus
}

function compute(key: Key, seed: number, from: number, to: number): void {
  if (typeof key === 'string') {
    const bytes = utf8(key, from, to)
    ofBytes(bytes, seed, 0, utf8Length)
  } else {
    checkKey(key)
    ofBytes(key, seed, from, to)
  }
}

function word(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
}

// One round: sum + input * P2, rotated by 31, times P1.
function round(sumHigh: number, sumLow: number, inputHigh: number, inputLow: number): void {
  multiply(inputHigh, inputLow, P2H, P2L)
  add(sumHigh, sumLow, high, low)
  rotate(high, low, 31)
  multiply(high, low, P1H, P1L)
}

// The four lanes of long inputs, as high and low halves in turn.
const lanes = new Int32Array(8)

function stripes(bytes: Uint8Array, seed: number, from: number, to: number): number {
  add(P1H, P1L, P2H, P2L)
  add(high, low, 0, seed)
  setLane(0)
  add(P2H, P2L, 0, seed)
  setLane(1)
  add(0, seed, 0, 0)
  setLane(2)
  // Minus P1 is its complement plus one.
  add(~P1H, ~P1L, 0, 1)
  add(high, low, 0, seed)
  setLane(3)
  let at = from
  for (; at + 32 <= to; at += 32) {
    for (let i = 0; i < 4; i++) {
      const input = at + i * 8
      round(lanes[i * 2]!, lanes[i * 2 + 1]!, word(bytes, input + 4), word(bytes, input))
      setLane(i)
    }
  }
  return at
}

function setLane(i: number): void {
  lanes[i * 2] = high
  lanes[i * 2 + 1] = low
}

function mergeLanes(): void {
  let sumHigh = 0
  let sumLow = 0
  for (let i = 0; i < 4; i++) {
    rotate(lanes[i * 2]!, lanes[i * 2 + 1]!, i === 0 ? 1 : i === 1 ? 7 : i === 2 ? 12 : 18)
    add(sumHigh, sumLow, high, low)
    sumHigh = high
    sumLow = low
  }
  for (let i = 0; i < 4; i++) {
    round(0, 0, lanes[i * 2]!, lanes[i * 2 + 1]!)
    multiply(sumHigh ^ high, sumLow ^ low, P1H, P1L)
    add(high, low, P4H, P4L)
    sumHigh = high
    sumLow = low
  }
}

function ofBytes(bytes: Uint8Array, seed: number, from: number, to: number): void {
  let at = from
  if (to - from >= 32) {
    at = stripes(bytes, seed, from, to)
    mergeLanes()
  } else {
    add(P5H, P5L, 0, seed)
  }
  add(high, low, 0, to - from)
  let h = high
  let l = low
  for (; at + 8 <= to; at += 8) {
    round(0, 0, word(bytes, at + 4), word(bytes, at))
    rotate(h ^ high, l ^ low, 27)
    multiply(high, low, P1H, P1L)
    add(high, low, P4H, P4L)
    h = high
    l = low
  }
  if (at + 4 <= to) {
    multiply(0, word(bytes, at), P1H, P1L)
    rotate(h ^ high, l ^ low, 23)
    multiply(high, low, P2H, P2L)
    add(high, low, P3H, P3L)
    h = high
    l = low
    at += 4
  }
  for (; at < to; at++) {
    multiply(0, bytes[at]!, P5H, P5L)
    rotate(h ^ high, l ^ low, 11)
    multiply(high, low, P1H, P1L)
    h = high
    l = low
  }
  finish(h, l)
}

function finish(h: number, l: number): void {
  multiply(h, l ^ (h >>> 1), P2H, P2L)
  const shifted = (low >>> 29) | (high << 3)
  multiply(high ^ (high >>> 29), low ^ shifted, P3H, P3L)
  add(high, low ^ high, 0, 0)
}
