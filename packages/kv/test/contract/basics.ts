// Keys, values and how they come back: whatever a key or a value is made of, it is only bytes.
import { describe, expect, test } from 'vitest'
import { jsonCodec, kvLimits, textCodec } from '../../src/index.ts'
import type { Consistency } from '../../src/index.ts'
import type { ContractContext } from './context.ts'

const KEYS: readonly (readonly [string, string])[] = [
  ['__proto__', '__proto__'],
  ['constructor', 'constructor'],
  ['prototype', 'prototype'],
  ['toString', 'toString'],
  ['hasOwnProperty', 'hasOwnProperty'],
  ['a NUL', 'a\u0000b'],
  ['a newline', 'a\nb'],
  ['a path', '../../etc/passwd'],
  ['an escape', '\u001b[31m'],
  ['markup', '<script>alert(1)</script>'],
  ['a format', '%s %o'],
  ['a composed letter', '\u00e9'],
  ['a decomposed letter', 'e\u0301'],
  ['the last unit', '\uffff'],
  ['beyond the basic plane', '\u{10000}'],
  ['an emoji', '👩‍🚀'],
  ['a right-to-left mark', '\u202e'],
  ['one byte', 'a'],
  ['a tag', 'x{tag}y'],
  ['an empty tag', 'x{}y'],
  ['an open tag', 'x{y'],
  ['4,000 bytes', 'k'.repeat(4_000)],
]
const VALUES: readonly (readonly [string, Uint8Array | string])[] = [
  ['empty', ''],
  ['no bytes', new Uint8Array(0)],
  ['a zero', Uint8Array.of(0)],
  ['every byte', Uint8Array.from({ length: 256 }, (_, at) => at)],
  ['no text', Uint8Array.of(0xff, 0xfe, 0xc0)],
  ['text', 'grüße 👋'],
  ['64 KiB', new Uint8Array(65_536).fill(7)],
  ['the largest', new Uint8Array(kvLimits.valueBytesMax).fill(255)],
]
const LEVELS: readonly Consistency[] = [
  'linearizable',
  'lease',
  'follower',
  'session',
  'local',
  { maxStalenessMs: 60_000 },
]

/** Registers the cases. */
export function basics(context: ContractContext): void {
  const { store, other, prefix } = context

  describe('keys', () => {
    test.each(KEYS)('%s: put, got, scanned, removed, put again', async (_name, key) => {
      const full = prefix() + key
      const first = await store().put(full, key)
      const entry = await other().get(full)
      expect(entry?.text()).toBe(key)
      expect(entry?.keyText()).toBe(full)
      expect(entry?.version).toBe(first.version)
      const found: string[] = []
      for await (const one of other().scan({ prefix: full })) found.push(one.keyText())
      expect(found).toEqual([full])
      expect(await other().delete(full)).toBe(true)
      expect(await store().get(full)).toBeUndefined()
      const again = await other().put(full, 'again')
      expect(again.version).toBeGreaterThan(first.version)
      expect(({} as Record<string, unknown>)['again']).toBeUndefined()
    })

    test('bytes and text that are equal as bytes are one key', async () => {
      const key = `${prefix()}é`
      await store().put(key, 'text')
      expect((await store().get(new TextEncoder().encode(key)))?.text()).toBe('text')
    })

    test('bytes that are no text are a key', async () => {
      const key = Uint8Array.from([...new TextEncoder().encode(prefix()), 0xff, 0x00, 0xc0])
      await store().put(key, 'v')
      const entry = await other().get(key)
      expect(entry?.key).toEqual(key)
      expect(() => entry?.keyText()).toThrow(/UTF-8/)
    })

    test.each([
      ['an empty key', '', 'INVALID_ARGUMENT'],
      ['no bytes', new Uint8Array(0), 'INVALID_ARGUMENT'],
      ['a high surrogate', 'a\ud800', 'INVALID_ARGUMENT'],
      ['a low surrogate', '\udc00a', 'INVALID_ARGUMENT'],
      ['4,097 bytes', 'k'.repeat(4_097), 'LIMIT_EXCEEDED'],
      ['4,098 bytes of two', 'é'.repeat(2_049), 'LIMIT_EXCEEDED'],
    ])('%s is refused by every operation', async (_name, key, code) => {
      const calls = [
        () => store().put(key, 'v'),
        () => store().get(key),
        () => store().getMany(['fine', key]),
        () => store().delete(key),
        () => store().compareAndSet(key, { absent: true }, 'v'),
        () => store().batch([{ type: 'put', key, value: 'v' }]),
        () => store().transact({ do: [{ type: 'get', key }] }),
        () => store().increment(key),
      ]
      for (const call of calls) await expect(call()).rejects.toMatchObject({ code })
    })

    test.each([[undefined], [null], [1], [{}], [['a']]])('%s is no key', async (key) => {
      await expect(store().put(key as never, 'v')).rejects.toThrow(TypeError)
      await expect(store().get(key as never)).rejects.toThrow(TypeError)
    })
  })

  describe('values', () => {
    test.each(VALUES)('%s: comes back byte for byte', async (_name, value) => {
      const key = `${prefix()}v`
      await store().put(key, value)
      const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : value
      expect(Buffer.compare((await other().get(key))?.value ?? Buffer.from('none'), bytes)).toBe(0)
    })

    test('one byte too many is refused', async () => {
      const value = new Uint8Array(kvLimits.valueBytesMax + 1)
      await expect(store().put(`${prefix()}v`, value)).rejects.toMatchObject({
        code: 'LIMIT_EXCEEDED',
        details: { limit: kvLimits.valueBytesMax, size: kvLimits.valueBytesMax + 1 },
      })
    })

    test('a lone surrogate is refused', async () => {
      const write = store().put(`${prefix()}v`, '\ud800')
      await expect(write).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    })

    test.each([[undefined], [null], [1], [{}]])('%s is no value', async (value) => {
      await expect(store().put(`${prefix()}v`, value as never)).rejects.toThrow(TypeError)
    })

    test('what a caller does with its bytes afterwards does not matter', async () => {
      const key = `${prefix()}v`
      const value = Uint8Array.of(1, 2, 3)
      const write = store().put(key, value)
      value.fill(9)
      await write
      value.fill(8)
      expect((await store().get(key))?.value).toEqual(Uint8Array.of(1, 2, 3))
    })

    test('what a caller does with bytes that it got does not matter', async () => {
      const key = `${prefix()}v`
      await store().put(key, 'abc')
      ;(await store().get(key))?.value.fill(0)
      expect((await store().get(key))?.text()).toBe('abc')
    })

    test('a value is replaced, and its version grows', async () => {
      const key = `${prefix()}v`
      const versions: number[] = []
      for (const value of ['a', 'b', 'b']) versions.push((await store().put(key, value)).version)
      expect(versions).toEqual(versions.toSorted((a, b) => a - b))
      expect(new Set(versions).size).toBe(3)
      expect((await other().get(key))?.version).toBe(versions[2])
    })
  })

  describe('reads', () => {
    test('a key that is not there is undefined', async () => {
      expect(await store().get(`${prefix()}absent`)).toBeUndefined()
    })

    test('a delete says whether there was something', async () => {
      const key = `${prefix()}v`
      expect(await store().delete(key)).toBe(false)
      await store().put(key, 'v')
      expect(await store().delete(key)).toBe(true)
      expect(await store().delete(key)).toBe(false)
    })

    test('several keys come in their order, also twice', async () => {
      const at = prefix()
      await store().batch(
        ['a', 'b', 'c'].map((key) => ({ type: 'put', key: at + key, value: key })),
      )
      const keys = ['c', 'nothing', 'a', 'c'].map((key) => at + key)
      const entries = await other().getMany(keys)
      expect(entries.map((entry) => entry?.text())).toEqual(['c', undefined, 'a', 'c'])
    })

    test('no keys give no entries', async () => {
      expect(await store().getMany([])).toEqual([])
    })

    test('more than one answer can hold is read in several', async () => {
      const at = prefix()
      const keys = Array.from({ length: 12 }, (_, index) => `${at}{big}${index}`)
      await Promise.all(keys.map((key) => store().put(key, key.padEnd(200_000, 'x'))))
      const entries = await other().getMany(keys)
      expect(entries.map((entry) => entry?.text().startsWith(entry.keyText()))).toEqual(
        keys.map(() => true),
      )
    })

    test.each(LEVELS)(
      'at level %j: one sees what one wrote and waited for',
      async (consistency) => {
        const key = `${prefix()}v`
        await store().put(key, 'v')
        // Reads that may be stale see it in the end; the others at once.
        const stale = consistency === 'local' || typeof consistency === 'object'
        let entry = await store().get(key, { consistency })
        while (stale && entry === undefined) {
          // A read that asks nobody ends without a turn of the loop, which the others need to come by.
          await new Promise((resolve) => setImmediate(resolve))
          entry = await store().get(key, { consistency })
        }
        expect(entry?.text()).toBe('v')
      },
    )

    test.each(['linearizable', 'lease', 'follower'] as const)(
      'at level %s: each sees what another has written before',
      async (consistency) => {
        const key = `${prefix()}v`
        for (let round = 0; round < 20; round++) {
          const [writer, reader] = round % 2 === 0 ? [store(), other()] : [other(), store()]
          await writer.put(key, `${round}`)
          expect((await reader.get(key, { consistency }))?.text()).toBe(`${round}`)
        }
      },
    )

    test('at level session: reads never go back', async () => {
      const key = `${prefix()}n`
      let last = 0
      for (let round = 1; round <= 20; round++) {
        await other().put(key, `${round}`)
        if (round % 5 === 0) last = Number((await store().get(key))?.text())
        const seen = Number((await store().get(key, { consistency: 'session' }))?.text() ?? 0)
        expect(seen).toBeGreaterThanOrEqual(last)
        last = seen
      }
    })

    test('an unknown level is refused', async () => {
      const reading = store().get('k', { consistency: 'strong' as never })
      await expect(reading).rejects.toThrow(TypeError)
      const negative = store().get('k', { consistency: { maxStalenessMs: -1 } })
      await expect(negative).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    })
  })

  describe('calls', () => {
    test('an aborted call is not made', async () => {
      const key = `${prefix()}v`
      const signal = AbortSignal.abort(new Error('enough'))
      await expect(store().put(key, 'v', { signal })).rejects.toMatchObject({ code: 'ABORTED' })
      await expect(store().get(key, { signal })).rejects.toMatchObject({ code: 'ABORTED' })
      expect(await store().get(key)).toBeUndefined()
    })

    test('a signal that outlives a call keeps no listener', async () => {
      const controller = new AbortController()
      const { signal } = controller
      let listeners = 0
      const counted = Object.assign(signal, {
        addEventListener: (...args: Parameters<AbortSignal['addEventListener']>) => {
          listeners++
          EventTarget.prototype.addEventListener.apply(signal, args)
        },
        removeEventListener: (...args: Parameters<AbortSignal['removeEventListener']>) => {
          listeners--
          EventTarget.prototype.removeEventListener.apply(signal, args)
        },
      })
      await store().put(`${prefix()}v`, 'v', { signal: counted })
      await store().get(`${prefix()}v`, { signal: counted })
      expect(listeners).toBe(0)
    })

    test('a thousand calls at once are all made', async () => {
      const at = prefix()
      await Promise.all(
        Array.from({ length: 1_000 }, (_, n) =>
          (n % 2 === 0 ? store() : other()).put(`${at}${n}`, `${n}`),
        ),
      )
      const entries = await store().getMany(Array.from({ length: 1_000 }, (_, n) => `${at}${n}`))
      expect(entries.every((entry, n) => entry?.text() === `${n}`)).toBe(true)
    })

    test('status tells of every shard, its leader and its size', async () => {
      const at = prefix()
      await store().put(at, 'counted')
      for (const one of [store(), other()]) {
        const status = await one.status()
        expect(status.shards.length).toBeGreaterThan(1)
        expect(status.shards.map(({ shard }) => shard)).toEqual([...status.shards.keys()])
        expect(status.shards.reduce((sum, { keys }) => sum + keys, 0)).toBeGreaterThan(0)
        for (const { leader, voters } of status.shards) {
          expect(leader === undefined || voters.includes(leader)).toBe(true)
        }
      }
    })
  })

  describe('codecs', () => {
    test('values of a type of their own', async () => {
      const at = prefix()
      const users = store().withCodec(jsonCodec<{ name: string; age: number }>())
      const { version } = await users.put(`${at}1`, { name: 'Ada', age: 36 })
      const entry = await other().withCodec(jsonCodec()).get(`${at}1`)
      expect(entry).toMatchObject({ value: { name: 'Ada', age: 36 }, version })
      expect(entry?.text()).toBe('{"name":"Ada","age":36}')
    })

    test('compare, swap, run and scan with them', async () => {
      const at = prefix()
      const numbers = store().withCodec(jsonCodec<number>())
      await numbers.put(`${at}n`, 1)
      expect(await numbers.compareAndSet(`${at}n`, { value: 1 }, 2)).toMatchObject({
        swapped: true,
      })
      const failed = await numbers.compareAndSet(`${at}n`, { value: 1 }, 3)
      expect(failed).toMatchObject({ swapped: false, current: { value: 2 } })
      const { results } = await numbers.transact({ do: [{ type: 'get', key: `${at}n` }] })
      expect(results).toMatchObject([{ entry: { value: 2 } }])
      for await (const entry of numbers.scan({ prefix: at })) expect(entry.value).toBe(2)
    })

    test('text', async () => {
      const texts = store().withCodec(textCodec())
      const key = `${prefix()}t`
      await texts.put(key, 'grüße')
      expect((await texts.get(key))?.value).toBe('grüße')
      await expect(texts.put(key, '\ud800')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    })

    test('a value that the codec cannot read is MALFORMED', async () => {
      const key = `${prefix()}t`
      await store().put(key, '{')
      const reading = store().withCodec(jsonCodec()).get(key)
      await expect(reading).rejects.toMatchObject({ code: 'MALFORMED' })
    })
  })
}
