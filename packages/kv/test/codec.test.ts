// Every decoder against hostile bytes: what it reads it can write again, everything else is a
// typed error, and a state machine answers whatever stands in its log.
import { ByteWriter, createRandom, equalBytes, isQuorateError, randomSeed } from '@quorate/core'
import type { Random } from '@quorate/core'
import { describe, expect, test } from 'vitest'
import { FrameWriter, eachRecord, readHello, readReplyRecord } from '../src/client/frames.ts'
import { readRequestRecord, readWelcome } from '../src/client/frames.ts'
import { decodeCommand, encodeCommand, peekHeader } from '../src/machine/command.ts'
import { decodeAnswer, decodeQuery, encodeQuery } from '../src/machine/query.ts'
import { beginResult, decodeResult, errorResult, writeOpResult } from '../src/machine/result.ts'
import { shardMachine } from '../src/machine/shard-machine.ts'
import { decodeMap, encodeMap } from '../src/routing/routes.ts'
import { readReply, readRequest, writeReply, writeRequest } from '../src/routing/wire.ts'
import type { KvRequest } from '../src/routing/wire.ts'
import { decodeWatchPage, encodeWatchPage } from '../src/store/watch-page.ts'
import { decodeToken, encodeToken } from '../src/store/watch-token.ts'
import { EVERYTHING, Log, add, bytes, inChunks, put, read, remove } from './support/machine.ts'
import { snapshotBytes } from './support/machine.ts'

const seed = Number(process.env['KV_SEED'] ?? randomSeed())
const inputs = Number(process.env['KV_FUZZ_INPUTS'] ?? 60_000)

const written = (write: (writer: ByteWriter) => void): Uint8Array => {
  const writer = new ByteWriter()
  write(writer)
  return writer.finish()
}

const map = {
  version: 7,
  shards: [
    { epoch: 1, leader: undefined, members: ['a', 'b', 'c'] },
    { epoch: 900, leader: 'b', members: ['b'] },
  ],
  addresses: new Map([['a', 'ws://127.0.0.1:7001']]),
}
const header = { shard: 3, epoch: 2, timeMs: 1_700_000_000_000 }
const commands = [
  encodeCommand({ type: 'open', ...header }),
  encodeCommand({ type: 'tick', ...header }),
  encodeCommand({ type: 'fence', ...header, next: 9 }),
  encodeCommand({
    type: 'transaction',
    ...header,
    session: 12,
    seq: 300,
    floor: 298,
    comparisons: [
      { on: 'version', key: bytes('k'), relation: '>', version: 9_007_199_254_740_991 },
      { on: 'value', key: bytes('__proto__'), relation: '!=', value: bytes('x') },
    ],
    success: [put('k', 'v', 5_000), remove('k'), read('k'), add('n', -9_007_199_254_740_991)],
    failure: [put('q', 'v'.repeat(200))],
  }),
]
const results = [
  errorResult('EPOCH_MISMATCH', 'the shard has epoch 9', 9),
  written((writer) => {
    const result = beginResult(77, true, 6)
    writeOpResult(result, { type: 'put' })
    writeOpResult(result, { type: 'delete', existed: true })
    writeOpResult(result, { type: 'delete', existed: false })
    writeOpResult(result, { type: 'get', found: undefined })
    writeOpResult(result, { type: 'get', found: { version: 4, value: bytes('found') } })
    writeOpResult(result, { type: 'increment', value: -4 })
    writer.raw(result.view())
  }),
]
const queries = [
  encodeQuery({ type: 'info' }),
  encodeQuery({ type: 'get', keys: [bytes('a'), bytes('b')] }),
  encodeQuery({ type: 'range', ...EVERYTHING, start: bytes('a'), reverse: true }),
]
const requests: KvRequest[] = [
  { kind: 'command', timeoutMs: 1_000, payload: commands[3] as Uint8Array },
  { kind: 'admin', timeoutMs: 1, payload: bytes('x') },
  ...(['quorum', 'lease', 'local', 'follower', { maxStalenessMs: 5 }] as const).map(
    (mode): KvRequest => ({
      kind: 'query',
      timeoutMs: 9,
      shard: 1,
      epoch: 2,
      level: { mode, revisionMin: 400 },
      payload: queries[1] as Uint8Array,
    }),
  ),
  { kind: 'watch', timeoutMs: 9, shard: 1, epoch: 3, after: undefined, prefix: bytes('') },
  { kind: 'watch', timeoutMs: 9, shard: 1, epoch: 3, after: 0, prefix: bytes('p') },
  { kind: 'barrier', timeoutMs: 9, shard: 1, epoch: 4 },
  { kind: 'map', timeoutMs: 9 },
  { kind: 'report', timeoutMs: 9 },
  { kind: 'status', timeoutMs: 9 },
]
const error = { message: 'no', leader: 'b', epoch: 4, retryable: true }
const replies = [
  written((writer) => writeReply(writer, { ok: true, mapVersion: 3, body: bytes('body') })),
  written((writer) =>
    writeReply(writer, { ok: false, mapVersion: 3, error: { code: 'NOT_LEADER', ...error } }),
  ),
]
const frames = (() => {
  const writer = new FrameWriter()
  writer.hello('kv')
  const hello = writer.take()
  for (const [at, request] of requests.entries()) writer.request(at + 1, at % 2 ? 'b' : '', request)
  const asked = writer.take()
  writer.welcome({
    host: 'a',
    cluster: 'quorate',
    fingerprint: 1,
    commandBytesMax: 1_000_000,
    inFlightMax: 4,
    map,
  })
  return [hello, asked, writer.take()]
})()

const readFrame = (frame: Uint8Array): void =>
  eachRecord(frame, (record) => {
    for (const reader of [readHello, readRequestRecord, readReplyRecord])
      mustBeTyped(reader, record)
  })

/** Each decoder with bytes that it can read. */
const decoders: readonly (readonly [
  string,
  (input: Uint8Array) => unknown,
  readonly Uint8Array[],
])[] = [
  ['commands', decodeCommand, commands],
  ['headers', peekHeader, commands],
  ['results', decodeResult, results],
  ['queries', decodeQuery, queries],
  ['answers', decodeAnswer, answers()],
  ['requests', readRequest, requests.map((one) => written((w) => writeRequest(w, one)))],
  ['replies', readReply, replies],
  ['maps', decodeMap, [encodeMap(map)]],
  ['watch pages', decodeWatchPage, [watchPage()]],
  ['frames', readFrame, frames],
  ['welcomes', readWelcome, [welcomeBody()]],
]

function answers(): Uint8Array[] {
  const log = new Log(shardMachine({ shard: 0 }))
  log.run(log.open(), 1, [put('a', 'x'), put('b', 'y'.repeat(300))])
  return queries.map((query) => log.machine.query(query))
}

function watchPage(): Uint8Array {
  return encodeWatchPage(9, [
    { revision: 8, key: 'a', value: bytes('x') },
    { revision: 9, key: '\u00ff', value: undefined },
  ])
}

function welcomeBody(): Uint8Array {
  let body = new Uint8Array(0)
  eachRecord(frames[2] as Uint8Array, (record) => {
    const { reply } = readReplyRecord(record)
    if (reply.ok) body = reply.body.slice()
  })
  return body
}

function mustBeTyped(decode: (input: Uint8Array) => unknown, input: Uint8Array): void {
  try {
    decode(input)
  } catch (thrown) {
    if (!isQuorateError(thrown)) throw thrown
  }
}

/** Bytes near to `sample`: bits flipped, cut off, filled with extremes, doubled. */
function mutated(random: Random, sample: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(sample)
  for (let left = 1 + random.below(4); left > 0 && copy.length > 0; left--) {
    const at = random.below(copy.length)
    const how = random.below(4)
    if (how === 0) copy[at] = (copy[at] as number) ^ (1 << random.below(8))
    else if (how === 1) copy[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)] as number
    else if (how === 2) return copy.subarray(0, at)
    else copy.copyWithin(at, random.below(copy.length))
  }
  return copy
}

describe('decoders', () => {
  test.each(decoders)('of %s read what is written', (_name, decode, samples) => {
    expect(samples.length).toBeGreaterThan(0)
    for (const sample of samples) decode(sample)
  })

  test.each(decoders)(
    'of %s refuse every shorter input or read it whole',
    (_name, decode, samples) => {
      expect.hasAssertions()
      for (const sample of samples) {
        for (let length = 0; length < sample.length; length++) {
          expect(() => mustBeTyped(decode, sample.subarray(0, length))).not.toThrow()
        }
      }
    },
  )

  test(`refuse ${inputs} hostile inputs with a typed error, seed ${seed}`, () => {
    const random = createRandom(seed)
    let refused = 0
    for (let at = 0; at < inputs; at++) {
      const [name, decode, samples] = decoders[at % decoders.length] as (typeof decoders)[number]
      const sample = samples[random.below(samples.length)] as Uint8Array
      const input =
        random.below(5) === 0
          ? Uint8Array.from({ length: random.below(40) }, () => random.below(256))
          : mutated(random, sample)
      try {
        decode(input)
      } catch (thrown) {
        refused++
        if (!isQuorateError(thrown)) {
          throw new Error(`${name}, seed ${seed}, input ${at}: [${input.join()}]`, {
            cause: thrown,
          })
        }
      }
    }
    expect(refused).toBeGreaterThan(inputs / 20)
  })

  test(`what is read can be written again, seed ${seed}`, () => {
    const random = createRandom(seed)
    let read = 0
    for (let at = 0; at < 20_000; at++) {
      const input = mutated(random, commands[at % commands.length] as Uint8Array)
      let command: ReturnType<typeof decodeCommand>
      try {
        command = decodeCommand(input)
      } catch {
        continue
      }
      read++
      expect(equalBytes(encodeCommand(command), input)).toBe(true)
    }
    expect(read).toBeGreaterThan(1_000)
  })

  test('a count that cannot be is refused before anything is allocated', () => {
    const hostile = written((writer) => {
      writer.raw(Uint8Array.of(1, 1))
      writer.uint53(1)
      for (const field of [0, 1, 1, 1, 0]) writer.varint(field)
      writer.varint(4_294_967_296)
    })
    expect(() => decodeCommand(hostile)).toThrow(/cannot follow/)
  })

  test('tokens of other stores are refused', () => {
    expect(decodeToken(encodeToken([1, 2, 300]), 3)).toEqual([1, 2, 300])
    const hostile = [
      '',
      'zz',
      '0',
      '01',
      '02010203',
      encodeToken([1, 2]),
      `${encodeToken([1, 2, 3])}00`,
    ]
    for (const token of hostile) expect(() => decodeToken(token, 3)).toThrow(/does not belong/)
  })
})

describe('a state machine', () => {
  test(`answers whatever stands in its log, and a replica does the same, seed ${seed}`, async () => {
    const random = createRandom(seed)
    const log = new Log(shardMachine({ shard: 3, epoch: 2 }))
    log.epoch = 2
    const payloads = Array.from({ length: 15_000 }, (_, at) =>
      at < 4
        ? (commands[0] as Uint8Array)
        : random.below(10) === 0
          ? Uint8Array.from({ length: random.below(30) }, () => random.below(256))
          : mutated(random, commands[random.below(commands.length)] as Uint8Array),
    )
    for (const payload of payloads) decodeResult(log.raw(payload))
    const other = shardMachine({ shard: 3, epoch: 2 })
    other.apply(payloads.map((payload, at) => ({ index: at + 1, payload })))
    const image = await snapshotBytes(log.machine)
    expect(equalBytes(await snapshotBytes(other), image)).toBe(true)
    const restored = shardMachine({ shard: 3 })
    await restored.restore(inChunks(image, 4_096))
    expect(equalBytes(await snapshotBytes(restored), image)).toBe(true)
  })
})
