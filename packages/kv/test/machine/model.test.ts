// The state machine against a plain map: any mix of transactions gives what the model gives, on
// the replica itself, on one restored from its snapshot at any point, and on one that replays.
import { equalBytes } from '@quorate/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Comparison, Op } from '../../src/machine/command.ts'
import { shardMachine } from '../../src/machine/shard-machine.ts'
import { Log, add, bytes, inChunks, put, read, remove, snapshotBytes } from '../support/machine.ts'

const KEYS = ['a', 'b', 'ab', '__proto__', 'constructor', 'toString', '\u0000', 'ÿ', 'z{t}']
const key = fc.constantFrom(...KEYS)
const value = fc.constantFrom('', '0', '7', '-3', 'x', '9007199254740991', 'long'.repeat(30))
const op: fc.Arbitrary<Op> = fc.oneof(
  fc.tuple(key, value, fc.constantFrom(0, 0, 5, 50)).map((args) => put(...args)),
  key.map(remove),
  key.map(read),
  fc.tuple(key, fc.constantFrom(1, -5, 9_007_199_254_740_991)).map((args) => add(...args)),
)
const relation = fc.constantFrom('=' as const, '!=' as const, '<' as const, '>' as const)
const comparison: fc.Arbitrary<Comparison> = fc.oneof(
  fc.tuple(key, relation, fc.nat({ max: 40 })).map(([at, how, version]): Comparison => ({
    on: 'version',
    key: bytes(at),
    relation: how,
    version,
  })),
  fc.tuple(key, relation, value).map(([at, how, text]): Comparison => ({
    on: 'value',
    key: bytes(at),
    relation: how,
    value: bytes(text),
  })),
)
const transaction = fc.record({
  comparisons: fc.array(comparison, { maxLength: 2 }),
  success: fc.array(op, { maxLength: 4 }),
  failure: fc.array(op, { maxLength: 2 }),
  passMs: fc.constantFrom(0, 0, 3, 60),
})

interface Held {
  readonly value: string
  readonly version: number
  readonly expires: number
}

/** What a store is, in the fewest words. */
class Model {
  held = new Map<string, Held>()
  revision = 1

  expire(now: number): void {
    for (const [at, { expires }] of this.held) {
      if (expires > 0 && expires <= now) this.held.delete(at)
    }
  }

  holds(item: Comparison): boolean {
    const held = this.held.get(text(item.key))
    if (item.on === 'value' && held === undefined) return false
    const left = item.on === 'version' ? (held?.version ?? 0) : (held?.value ?? '')
    const right = item.on === 'version' ? item.version : text(item.value)
    if (item.relation === '=') return left === right
    if (item.relation === '!=') return left !== right
    return item.relation === '<' ? left < right : left > right
  }

  run(ops: readonly Op[], now: number): unknown[] | undefined {
    const next = new Map(this.held)
    const results: unknown[] = []
    for (const item of ops) {
      const at = text(item.key)
      const held = next.get(at)
      if (item.type === 'put') {
        const expires = item.ttlMs === 0 ? 0 : now + item.ttlMs
        next.set(at, { value: text(item.value), version: this.revision, expires })
        results.push('put')
      } else if (item.type === 'delete') {
        results.push(next.delete(at))
      } else if (item.type === 'get') {
        results.push(held === undefined ? undefined : [held.value, held.version])
      } else {
        const before = held?.value ?? '0'
        if (!/^(0|-?[1-9]\d*)$/.test(before)) return undefined
        const sum = Number(before) + item.by
        if (!Number.isSafeInteger(Number(before)) || !Number.isSafeInteger(sum)) return undefined
        next.set(at, { value: `${sum}`, version: this.revision, expires: held?.expires ?? 0 })
        results.push(sum)
      }
    }
    this.held = next
    return results
  }
}

const text = (of: Uint8Array): string => new TextDecoder().decode(of)
const bytewise = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

describe('the state machine of a shard', () => {
  test('does what a map does, transaction by transaction', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(transaction, { maxLength: 40 }), async (transactions) => {
        const log = new Log()
        const session = log.open()
        const model = new Model()
        for (const [at, { comparisons, success, failure, passMs }] of transactions.entries()) {
          log.timeMs += passMs
          model.revision = log.payloads.length + 1
          model.expire(log.timeMs)
          const succeeded = comparisons.every((item) => model.holds(item))
          const expected = model.run(succeeded ? success : failure, log.timeMs)
          const result = log.run(session, at + 1, success, { comparisons, failure })
          const wanted =
            expected === undefined
              ? { ok: false, code: 'INVALID_ARGUMENT' }
              : { ok: true, succeeded, revision: model.revision }
          expect(result).toMatchObject(wanted)
          if (!result.ok) continue
          const shown = result.results.map((one) => {
            if (one.type === 'put') return 'put'
            if (one.type === 'delete') return one.existed
            if (one.type === 'increment') return one.value
            return one.found && [text(one.found.value), one.found.version]
          })
          expect(shown).toEqual(expected)
        }
        const entries = log
          .all()
          .map((entry) => [text(entry.key), text(entry.value), entry.version])
        const held = [...model.held].toSorted(([a], [b]) => bytewise(a, b))
        expect(entries).toEqual(held.map(([at, { value, version }]) => [at, value, version]))
        await expectEquivalent(log)
      }),
      { numRuns: 300 },
    )
  })

  test('keeps nothing of the memory that a command came in', () => {
    const log = new Log()
    const session = log.open()
    const frame = Buffer.alloc(10_000)
    const command = log.command(session, 1, [put('key', 'value')])
    const payload = frame.subarray(100, 100 + command.length)
    payload.set(command)
    log.raw(payload)
    const image = log.all()
    frame.fill(0)
    expect(log.all()).toEqual(image)
    expect(text(log.all()[0]?.value as Uint8Array)).toBe('value')
  })

  test('counts keys and bytes exactly', () => {
    fc.assert(
      fc.property(fc.array(transaction, { maxLength: 30 }), (transactions) => {
        const log = new Log()
        const session = log.open()
        for (const [at, { success, passMs }] of transactions.entries()) {
          log.timeMs += passMs
          log.run(session, at + 1, success)
        }
        const entries = log.all()
        const sum = entries.reduce((all, one) => all + one.key.length + one.value.length, 0)
        expect(log.machine.info()).toMatchObject({ keys: entries.length, bytes: sum })
      }),
    )
  })
})

/** A replica that replays, and one restored from a snapshot, end in the same bytes. */
async function expectEquivalent(log: Log): Promise<void> {
  const image = await snapshotBytes(log.machine)
  const replayed = shardMachine({ shard: 0 })
  replayed.apply(log.payloads.map((payload, at) => ({ index: at + 1, payload })))
  expect(equalBytes(await snapshotBytes(replayed), image)).toBe(true)
  const restored = shardMachine({ shard: 0 })
  await restored.restore(inChunks(image, 97))
  expect(equalBytes(await snapshotBytes(restored), image)).toBe(true)
  expect(restored.info()).toEqual(log.machine.info())
}
