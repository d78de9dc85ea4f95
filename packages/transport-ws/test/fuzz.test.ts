// Every decoder against damaged input: it returns what was written or refuses with a typed error,
// in bounded time and memory. QUORATE_FUZZ_INPUTS makes the run longer, QUORATE_SEED repeats one.
import { readFileSync } from 'node:fs'
import { equalBytes, isQuorateError, randomSeed } from '@quorate/core'
import { expect, test } from 'vitest'
import { BATCH_FRAMES_MAX, framedBytes, readFrames, writeFrame } from '../src/batch.ts'
import { ClientConnection } from '../src/client-connection.ts'
import { drawInstance, Handshake } from '../src/handshake.ts'
import { sharedKeys } from '../src/secret.ts'
import { decodeHandshake, encodeHello, encodeProof, printable } from '../src/wire.ts'
import { fuzzer, varint } from './fuzz.ts'
import { Caller, context } from './rig.ts'

const INPUTS = Number(process.env['QUORATE_FUZZ_INPUTS'] ?? 200_000)
const seed = Number(process.env['QUORATE_SEED'] ?? randomSeed())
const FRAME_BYTES_MAX = 1_000

type Outcome = 'ok' | 'refused'

/** Decodes a batch; what was accepted must be exactly what an encoder writes. */
function batch(bytes: Uint8Array): Outcome {
  const frames = typed(() => readFrames(bytes, 0, bytes.length, FRAME_BYTES_MAX))
  if (frames === undefined) return 'refused'
  const again = new Uint8Array(frames.reduce((sum, { length }) => sum + framedBytes(length), 0))
  let at = 0
  for (const frame of frames) at = writeFrame(again, at, frame)
  if (!equalBytes(again, bytes)) throw new Error('accepted what no encoder writes')
  return 'ok'
}

/** The same for a message of a handshake. */
function handshake(bytes: Uint8Array): Outcome {
  const message = typed(() => decodeHandshake(bytes))
  if (message === undefined) return 'refused'
  const again =
    message.kind === 'hello'
      ? encodeHello(message.hello)
      : message.kind === 'proof'
        ? encodeProof(message.proof)
        : undefined
  if (again !== undefined && !equalBytes(again, bytes))
    throw new Error('accepted what no encoder writes')
  if (message.kind === 'refuse' && !/^[\x20-\x7e]*$/.test(message.refusal.reason)) {
    throw new Error('a reason that could forge a line of a log')
  }
  return 'ok'
}

const keys = sharedKeys('a secret of thirty-two characters')

/** A whole side of a handshake, in each of its states: it never throws, and never lets one in. */
function side(first: Uint8Array, second: Uint8Array): Outcome {
  const identity = { context: context('b'), instance: drawInstance(), keys: () => keys }
  const acceptor = new Handshake(identity, undefined, { checkPeer() {}, admit() {} })
  const steps = [acceptor.receive(first), acceptor.receive(second)]
  if (steps.some((step) => step.peer !== undefined)) throw new Error('a stranger was let in')
  return steps[0]?.refusal === undefined ? 'ok' : 'refused'
}

/** A client's connection: frames are told or the reason why it must end. */
function connection(bytes: Uint8Array): Outcome {
  const socket = { bufferedAmount: 0, send() {}, close() {}, defer() {} }
  const limits = { frameBytesMax: FRAME_BYTES_MAX, queueBytesMax: 1_000 }
  const receiver = new ClientConnection(socket, limits)
  const caller = new Caller()
  receiver.attach(caller)
  const fault = receiver.receive(bytes)
  // Nothing of a malformed message is told.
  if (fault !== undefined && caller.frames.length > 0) throw new Error('part of it was told')
  return fault === undefined ? 'ok' : 'refused'
}

function typed<T>(run: () => T): T | undefined {
  try {
    return run()
  } catch (error) {
    if (isQuorateError(error, 'MALFORMED') || isQuorateError(error, 'WIRE_VERSION_MISMATCH')) {
      return undefined
    }
    throw error
  }
}

type Make = ReturnType<typeof fuzzer>

const DECODERS: readonly (readonly [
  string,
  (make: Make) => Uint8Array,
  (bytes: Uint8Array, make: Make) => Outcome,
])[] = [
  ['batches of frames', (make) => make.damage(make.batch()), batch],
  ['messages of a handshake', (make) => make.damage(make.handshake()), handshake],
  ['a client’s connection', (make) => make.damage(make.batch()), connection],
  [
    'one side of a handshake',
    (make) => {
      const greeting = make.greeting((keys[0] as (typeof keys)[number]).name)
      return make.random.below(2) === 0 ? greeting : make.damage(greeting)
    },
    (bytes, make) => side(bytes, make.damage(make.handshake())),
  ],
]

test.each(DECODERS)(`${INPUTS} damaged inputs, seed ${seed}: %s`, (name, input, decode) => {
  const make = fuzzer(seed)
  const outcomes = { ok: 0, refused: 0 }
  const heapBefore = process.memoryUsage().heapUsed + process.memoryUsage().external
  let slow = 0
  for (let count = 0; count < INPUTS; count++) {
    const bytes = input(make)
    const startMs = performance.now()
    try {
      outcomes[decode(bytes, make)]++
    } catch (error) {
      const hex = Buffer.from(bytes).toString('hex')
      throw new Error(`seed ${seed}, input ${count}: ${hex}`, { cause: error })
    }
    if (performance.now() - startMs > 50) slow++
  }
  const grownBytes = process.memoryUsage().heapUsed + process.memoryUsage().external - heapBefore
  console.log(`${name}: ${INPUTS} inputs, ${outcomes.ok} accepted, ${outcomes.refused} refused`)
  // The inputs reach both ends: a fuzzer that is always refused at the first byte finds nothing.
  expect(outcomes.ok).toBeGreaterThan(INPUTS / 100)
  expect(outcomes.refused).toBeGreaterThan(INPUTS / 4)
  expect(grownBytes).toBeLessThan(64 * 1_048_576)
  // A pause of the whole machine counts here too, so that a few are no fault of a decoder.
  expect(slow).toBeLessThan(INPUTS / 1_000)
})

const corpus = readFileSync(new URL('testdata/corpus.txt', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => line.split(' ') as [string, string, string, string])

test.each(corpus)('the corpus: %s %s (%s)', (decoder, expected, _what, hex) => {
  const bytes = new Uint8Array(Buffer.from(hex === '-' ? '' : hex, 'hex'))
  const decoders = decoder === 'batch' ? [batch, connection] : [handshake]
  expect(decoders.map((decode) => decode(bytes))).toEqual(decoders.map(() => expected))
})

test('truncated at every byte and with every single bit flipped', () => {
  const make = fuzzer(7)
  for (let round = 0; round < 40; round++) {
    for (const [decode, message] of [
      [batch, make.batch()],
      [handshake, make.handshake()],
    ] as const) {
      expect(decode(message)).toBe('ok')
      for (let length = 0; length < message.length; length++) decode(message.subarray(0, length))
      for (let bit = 0; bit < message.length * 8; bit++) {
        const flipped = message.slice()
        flipped[bit >> 3]! ^= 1 << (bit & 7)
        decode(flipped)
      }
    }
  }
})

test('a length that cannot be true costs nothing', () => {
  const heap = process.memoryUsage().external
  for (const length of [2 ** 31, 2 ** 32 - 1, Number.MAX_SAFE_INTEGER, FRAME_BYTES_MAX + 1]) {
    for (let round = 0; round < 1_000; round++) {
      expect(batch(Uint8Array.from([...varint(length), 1, 2, 3]))).toBe('refused')
    }
  }
  expect(process.memoryUsage().external - heap).toBeLessThan(16 * 1_048_576)
})

test('a message of nothing but empty frames has a bound', () => {
  expect(batch(new Uint8Array(BATCH_FRAMES_MAX))).toBe('ok')
  expect(batch(new Uint8Array(BATCH_FRAMES_MAX + 1))).toBe('refused')
})

test('a stranger’s text cannot forge a line of a log', () => {
  expect(printable('\n[FATAL] fake\u001b[31m\u0000\u202e')).toBe(
    '\\u000a[FATAL] fake\\u001b[31m\\u0000\\u202e',
  )
  expect(printable('x'.repeat(1_048_576))).toHaveLength(256)
  expect(printable('%s %o \ud800')).toBe('%s %o \\ufffd')
})
