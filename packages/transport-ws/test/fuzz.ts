// Makes inputs for decoders: well-formed messages, damaged where damage hurts, from a seed.
import { createRandom, type Random } from '@quorate/core'
import { framedBytes, writeFrame } from '../src/batch.ts'
import { encodeHello, encodeProof, encodeRefusal, kind, type Hello } from '../src/wire.ts'

/** Numbers that lengths and counts are replaced by, as varints. */
const EXTREMES = [
  0,
  1,
  127,
  128,
  1_024,
  65_535,
  65_536,
  16_777_216,
  16_777_217,
  0x7fffffff,
  0x80000000,
  0xffffffff,
  Number.MAX_SAFE_INTEGER,
]

export interface Fuzzer {
  readonly random: Random
  handshake(): Uint8Array
  /** A hello of host a to host b of cluster c, which holds the secret of this name. */
  greeting(keyName: Uint8Array): Uint8Array
  batch(): Uint8Array
  damage(message: Uint8Array): Uint8Array
}

export function varint(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80)
  bytes.push(rest)
  return bytes
}

export function fuzzer(seed: number): Fuzzer {
  const random = createRandom(seed)
  const some = (length: number): Uint8Array => {
    const bytes = new Uint8Array(length)
    for (let at = 0; at < length; at++) bytes[at] = random.uint32()
    return bytes
  }
  const pick = <T>(items: readonly T[]): T => items[random.below(items.length)] as T
  const id = (): string => pick(['a', 'b', 'host-1', 'x'.repeat(64), '__proto__', 'constructor'])

  const hello = (): Hello => ({
    cluster: id(),
    from: id(),
    to: id(),
    wireVersion: pick(EXTREMES),
    instance: some(8),
    nonce: some(32),
    store: pick(['', 'store', id()]),
    epoch: pick(EXTREMES),
    rejoin: random.below(2) === 0,
    keys: Array.from({ length: random.below(5) }, () => some(8)),
    proof: random.below(2) === 0 ? some(0) : some(32),
  })

  const damages: ((message: Uint8Array) => Uint8Array)[] = [
    (message) => message.subarray(0, random.below(message.length + 1)),
    (message) => flip(message, random.below(message.length * 8 || 1)),
    // A byte of structure becomes a number that nobody should believe.
    (message) => splice(message, random.below(message.length + 1), 1, varint(pick(EXTREMES))),
    (message) => splice(message, random.below(message.length + 1), 0, varint(pick(EXTREMES))),
    // The same number in more bytes than it needs.
    (message) => splice(message, random.below(message.length + 1), 1, [0x80, 0x80, 0x00]),
    (message) => splice(message, random.below(message.length + 1), random.below(9), []),
    (message) => splice(message, message.length, 0, some(random.below(9))),
    (message) => {
      const at = random.below(message.length + 1)
      return splice(message, at, 0, message.subarray(at, at + random.below(17)))
    },
    (message) => splice(message, 0, 1, [random.below(256)]),
  ]

  return {
    random,
    handshake() {
      switch (random.below(6)) {
        case 0:
          return encodeProof(random.below(2) === 0 ? some(0) : some(32))
        case 1:
          return Uint8Array.of(kind.accept)
        case 2:
          return encodeRefusal({
            code: 'UNAUTHORIZED',
            reason: pick(['no', '\n[FATAL]', '\u202e']),
          })
        default:
          return encodeHello(hello())
      }
    },
    greeting: (keyName) =>
      encodeHello({
        ...hello(),
        cluster: 'c',
        from: 'a',
        to: 'b',
        wireVersion: 1,
        keys: [keyName],
        proof: some(0),
      }),
    batch() {
      const frames = Array.from({ length: 1 + random.below(6) }, () =>
        some(pick([0, 1, 2, 5, 127, 128, 200])),
      )
      const message = new Uint8Array(
        frames.reduce((sum, { length }) => sum + framedBytes(length), 0),
      )
      let at = 0
      for (const frame of frames) at = writeFrame(message, at, frame)
      return message
    },
    damage(message) {
      let damaged = message
      for (let count = 1 + random.below(3); count > 0; count--) damaged = pick(damages)(damaged)
      return damaged
    },
  }
}

function flip(message: Uint8Array, bit: number): Uint8Array {
  const changed = message.slice()
  if (changed.length > 0) changed[bit >> 3]! ^= 1 << (bit & 7)
  return changed
}

function splice(message: Uint8Array, at: number, drop: number, put: ArrayLike<number>): Uint8Array {
  const rest = message.subarray(at + drop)
  const spliced = new Uint8Array(at + put.length + rest.length)
  spliced.set(message.subarray(0, at))
  spliced.set(put, at)
  spliced.set(rest, at + put.length)
  return spliced
}
