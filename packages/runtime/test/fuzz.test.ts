// Frames of a peer, damaged: a host reads them or refuses them with a typed error, in bounded time
// and memory, and goes on. QUORATE_FUZZ_INPUTS makes the run longer, QUORATE_SEED repeats one.
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { Random } from '@quorate/core'
import {
  ByteReader,
  ByteWriter,
  createRandom,
  encodeUtf8,
  isQuorateError,
  QuorateError,
  randomSeed,
} from '@quorate/core'
import { unwrapCommand, wrapCommand } from '../src/envelope.ts'
import { FORWARD_SERVICE } from '../src/forwarding.ts'
import {
  algorithmTag,
  FRAME_VERSION,
  readRecord,
  writeCall,
  writeFailure,
  writeMessage,
  writeResult,
} from '../src/frame.ts'
import { HANDOVER_SERVICE } from '../src/handover.ts'
import { SNAPSHOT_SERVICE } from '../src/snapshot-exchange.ts'
import { damaged } from './fixtures/damage.ts'
import { scriptedGroup } from './fixtures/group.ts'
import { scriptedConsensus } from './fixtures/scripted-core.ts'

const INPUTS = Number(process.env['QUORATE_FUZZ_INPUTS'] ?? 200_000)
const seed = Number(process.env['QUORATE_SEED'] ?? randomSeed())
const factory = scriptedConsensus()
const tag = algorithmTag(factory)
const pick = <T>(random: Random, items: readonly T[]): T => items[random.below(items.length)] as T

/** What one of the host's own services is asked. */
function request(service: string, random: Random): Uint8Array {
  const writer = new ByteWriter(64)
  writer.text(pick(random, ['g', 'none', '__proto__', 'x'.repeat(64)]))
  if (service === SNAPSHOT_SERVICE) {
    writer.text(pick(random, ['s1', 'constructor']))
    writer.varint(random.below(100))
    writer.varint(random.below(1_000))
  } else if (service === FORWARD_SERVICE) {
    writer.varint(random.below(1_000))
    writer.bytes(new Uint8Array(random.below(40)))
  }
  return writer.finish()
}

/** A frame as a sound peer sends it: one to three records of any type. */
function frame(random: Random, lastId: { value: number }): Uint8Array {
  const writer = new ByteWriter(256)
  writer.uint8(FRAME_VERSION)
  for (let count = 1 + random.below(3); count > 0; count--) {
    const service = pick(random, [SNAPSHOT_SERVICE, HANDOVER_SERVICE, FORWARD_SERVICE, 'unknown'])
    switch (random.below(4)) {
      case 0:
        writeMessage(writer, pick(random, ['g', 'none']), tag, factory.codec, 'hello')
        break
      case 1:
        writeCall(writer, ++lastId.value, service, request(service, random))
        break
      case 2:
        writeResult(writer, random.below(1_000), new Uint8Array(random.below(20)))
        break
      default:
        writeFailure(
          writer,
          random.below(1_000),
          new QuorateError('NOT_LEADER', 'no', { details: { leader: 'b' } }),
        )
    }
  }
  return writer.finish()
}

/** Reads a whole frame; `undefined` where it is refused with a typed error. */
function records(bytes: Uint8Array): readonly unknown[] | undefined {
  try {
    const reader = new ByteReader(bytes)
    const found: unknown[] = []
    reader.uint8()
    while (reader.remaining > 0) found.push(readRecord(reader))
    return found
  } catch (error) {
    if (isQuorateError(error, 'MALFORMED')) return undefined
    throw error
  }
}

function memory(): number {
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

describe(`${INPUTS} damaged inputs, seed ${seed}`, () => {
  it('records of frames', () => {
    const random = createRandom(seed)
    const lastId = { value: 0 }
    const before = memory()
    let read = 0
    let slow = 0
    for (let input = 0; input < INPUTS; input++) {
      const bytes = damaged(frame(random, lastId), random)
      const startMs = performance.now()
      try {
        if (records(bytes) !== undefined) read++
      } catch (cause) {
        const hex = Buffer.from(bytes).toString('hex')
        throw new Error(`seed ${seed}, input ${input}: ${hex}`, { cause })
      }
      if (performance.now() - startMs > 50) slow++
    }
    console.log(`records of frames: ${INPUTS} inputs, ${read} read, ${INPUTS - read} refused`)
    expect(read).toBeGreaterThan(INPUTS / 100)
    expect(INPUTS - read).toBeGreaterThan(INPUTS / 4)
    expect(memory() - before).toBeLessThan(64 * 1_048_576)
    expect(slow).toBeLessThan(INPUTS / 1_000)
  })

  it('payloads of entries', () => {
    const random = createRandom(seed)
    const origin = { high: 1, low: 2 }
    let read = 0
    for (let input = 0; input < INPUTS; input++) {
      const sequence = pick(random, [1, 127, 128, 2 ** 31, Number.MAX_SAFE_INTEGER])
      const payload = wrapCommand(origin, sequence, new Uint8Array(random.below(30)))
      const bytes = damaged(payload, random)
      try {
        const { command } = unwrapCommand(origin, bytes)
        expect(command.length).toBeLessThanOrEqual(bytes.length)
        read++
      } catch (error) {
        // An entry is what a quorum has committed: one that makes no sense ends its replica.
        const typed = isQuorateError(error, 'STATE_MACHINE_FAILED')
        if (!typed && (error as Error).name !== 'AssertionError') {
          const hex = Buffer.from(bytes).toString('hex')
          throw new Error(`seed ${seed}, input ${input}: ${hex}`, { cause: error })
        }
      }
    }
    console.log(`payloads of entries: ${INPUTS} inputs, ${read} read, ${INPUTS - read} refused`)
    expect(read).toBeGreaterThan(INPUTS / 100)
    expect(INPUTS - read).toBeGreaterThan(INPUTS / 100)
  })

  it('whole hosts, with every service that they answer each other', async () => {
    const { clock, wires, get } = await scriptedGroup('a', 'b')
    const random = createRandom(seed)
    const lastId = { value: 0 }
    const { host, replica, core, machine } = get('a')
    let proposals = 0
    // Peers of the cluster may propose anything; what a state machine makes of it is its affair.
    machine.apply = (commands) => commands.map(() => encodeUtf8(`${++proposals}`))
    const before = memory()
    for (let input = 0; input < INPUTS; input++) {
      const sound = frame(random, lastId)
      wires.inject('b', 'a', random.below(4) === 0 ? sound : damaged(sound, random))
      if (input % 256 !== 255) continue
      await clock.settle()
      // A peer that names a call far ahead shuts itself out, until its next connection.
      wires.tell('a', 'b', 'unreachable')
      wires.tell('a', 'b', 'reachable')
      wires.sent.length = 0
      core.inputs.length = 0
    }
    await clock.settle()
    console.log(`whole hosts: ${INPUTS} inputs, ${proposals} of them proposals`)
    expect(proposals).toBeGreaterThan(INPUTS / 1_000)
    expect([host.status, replica.status]).toEqual(['open', 'open'])
    expect(memory() - before).toBeLessThan(64 * 1_048_576)
    // It still does its work.
    const result = replica.propose(encodeUtf8('after'))
    await clock.settle()
    expect(Buffer.from(await result).toString()).toBe(`${proposals}`)
  })
})

describe('the corpus', () => {
  const corpus = readFileSync(new URL('testdata/frames.txt', import.meta.url), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(' ') as [string, string, string])

  it.each(corpus)('%s: %s', (expected, _what, hex) => {
    const bytes = new Uint8Array(Buffer.from(hex === '-' ? '' : hex, 'hex'))
    expect(records(bytes) === undefined ? 'refused' : 'read').toBe(expected)
  })
})
