// Scans: every key once, in the order of bytes, over all shards and pages, in both directions.
import { describe, expect, test } from 'vitest'
import type { ScanOptions } from '../../src/index.ts'
import { collect, keysOf } from './context.ts'
import type { ContractContext } from './context.ts'

const NAMES = ['a', 'a\u0000', 'aa', 'ab', 'b', 'b/1', 'b/2', 'ba', '\u00e9', '\uffff', '\u{10000}']

/** Registers the cases. */
export function scans({ store, other, prefix }: ContractContext): void {
  const filled = async (names: readonly string[] = NAMES): Promise<string> => {
    const at = prefix()
    await store().batch(names.map((name) => ({ type: 'put', key: at + name, value: name })))
    return at
  }
  const bytewise = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))
  const sorted = NAMES.toSorted(bytewise)

  describe('scans', () => {
    test('are in the order of bytes, not of code units', async () => {
      const at = await filled()
      const found = await keysOf(other().scan({ prefix: at }), at)
      expect(found).toEqual(sorted)
      expect(found.indexOf('\uffff')).toBeLessThan(found.indexOf('\u{10000}'))
    })

    test('in reverse are the same, backwards', async () => {
      const at = await filled()
      expect(await keysOf(other().scan({ prefix: at, reverse: true }), at)).toEqual(
        sorted.toReversed(),
      )
    })

    test.each(['a', 'b', 'b/', 'aa', 'é', 'nothing'])(
      'with prefix %j show what begins with it',
      async (name) => {
        const at = await filled()
        const wanted = sorted.filter((one) => one.startsWith(name))
        expect(await keysOf(store().scan({ prefix: at + name }), at)).toEqual(wanted)
        expect(await keysOf(store().scan({ prefix: at + name, reverse: true }), at)).toEqual(
          wanted.toReversed(),
        )
      },
    )

    test.each([
      ['a', 'b'],
      ['a', 'a'],
      ['b', 'a'],
      ['aa', 'b/2'],
      ['aaa', 'b/22'],
      ['a\u0000', 'a\u0001'],
    ])('from %j to %j leave out the end', async (start, end) => {
      const at = await filled()
      const wanted = sorted.filter((one) => bytewise(one, start) >= 0 && bytewise(one, end) < 0)
      for (const reverse of [false, true]) {
        const range = { start: at + start, end: at + end, reverse }
        const expected = reverse ? wanted.toReversed() : wanted
        expect(await keysOf(other().scan(range), at)).toEqual(expected)
      }
    })

    test('with a start alone go on to the end', async () => {
      const at = await filled()
      const found = await keysOf(store().scan({ start: `${at}ba`, limit: 4 }))
      expect(found).toEqual(['ba', 'é', '\uffff', '\u{10000}'].map((name) => at + name))
    })

    test('with an end alone begin at the beginning', async () => {
      const at = await filled()
      const found = await keysOf(store().scan({ end: `${at}aa`, reverse: true, limit: 2 }))
      expect(found).toEqual([`${at}a\u0000`, `${at}a`])
    })

    test.each([0, 1, 3, 10, 11, 100])('with limit %i end there', async (limit) => {
      const at = await filled()
      expect(await keysOf(store().scan({ prefix: at, limit }), at)).toEqual(sorted.slice(0, limit))
      expect(await keysOf(store().scan({ prefix: at, limit, reverse: true }), at)).toEqual(
        sorted.toReversed().slice(0, limit),
      )
    })

    test.each([1, 2, 7, 64, 4_096])('in pages of %i show all', async (pageEntries) => {
      const names = Array.from({ length: 150 }, (_, n) => `${(n * 7_919) % 150}`)
      const at = await filled(names)
      const options: ScanOptions = { prefix: at, pageEntries }
      expect(await keysOf(other().scan(options), at)).toEqual(names.toSorted())
      expect(await keysOf(other().scan({ ...options, reverse: true }), at)).toEqual(
        names.toSorted().toReversed(),
      )
    })

    test('of large values come in pages of bytes', async () => {
      const at = prefix()
      const keys = Array.from({ length: 8 }, (_, n) => `${at}{big}${n}`)
      await Promise.all(keys.map((key) => store().put(key, key.padEnd(150_000, '.'))))
      const entries = await collect(other().scan({ prefix: at }))
      expect(entries.map((entry) => entry.keyText())).toEqual(keys)
      expect(entries.every((entry) => entry.value.length === 150_000)).toBe(true)
    })

    test('of keys alone have no values', async () => {
      const at = await filled(['x', 'y'])
      const entries = await collect(store().scan({ prefix: at, keysOnly: true }))
      expect(entries.map((entry) => entry.value.length)).toEqual([0, 0])
      const [x] = await store().getMany([`${at}x`])
      expect(entries[0]?.version).toBe(x?.version)
    })

    test('of nothing show nothing', async () => {
      expect(await collect(store().scan({ prefix: prefix() }))).toEqual([])
    })

    test('by bytes take bytes', async () => {
      const at = Buffer.from(prefix())
      const keys = [0x00, 0x7f, 0x80, 0xff].map((byte) => Buffer.concat([at, Buffer.of(byte)]))
      for (const key of keys) await store().put(key, 'v')
      const entries = await collect(store().scan({ prefix: at }))
      expect(entries.map(({ key }) => key.at(-1))).toEqual([0x00, 0x7f, 0x80, 0xff])
      const last = await collect(store().scan({ prefix: keys[3] as Uint8Array }))
      expect(last).toHaveLength(1)
    })

    test('end early without harm', async () => {
      const at = await filled(Array.from({ length: 200 }, (_, n) => `${n}`))
      for await (const entry of store().scan({ prefix: at, pageEntries: 4 })) {
        if (entry.keyText() === `${at}101`) break
      }
      expect(await keysOf(store().scan({ prefix: at, limit: 1 }), at)).toEqual(['0'])
    })

    test('while others write show what stays, and nothing twice', async () => {
      const names = Array.from({ length: 200 }, (_, n) => `${n}`.padStart(3, '0'))
      const at = await filled(names)
      let stop = false
      const writing = (async () => {
        for (let n = 0; !stop; n++) {
          await store().put(`${at}${`${n % 200}`.padStart(3, '0')}`, `${n}`)
          await store().put(`${at}x${n}`, 'other')
        }
      })()
      const found = await keysOf(other().scan({ prefix: at, pageEntries: 10 }), at)
      stop = true
      await writing
      expect(found.filter((name) => !name.startsWith('x'))).toEqual(names)
      expect(new Set(found).size).toBe(found.length)
    })

    test('see what was written before they began', async () => {
      const at = prefix()
      for (let round = 1; round <= 10; round++) {
        await store().put(`${at}${round}`, 'v')
        expect(await keysOf(other().scan({ prefix: at }))).toHaveLength(round)
      }
    })

    test.each<[string, ScanOptions, string]>([
      ['a prefix and a start', { prefix: 'a', start: 'b' }, 'INVALID_ARGUMENT'],
      ['a prefix and an end', { prefix: 'a', end: 'b' }, 'INVALID_ARGUMENT'],
      ['a negative limit', { limit: -1 }, 'INVALID_ARGUMENT'],
      ['half a limit', { limit: 0.5 }, 'INVALID_ARGUMENT'],
      ['pages of nothing', { pageEntries: 0 }, 'INVALID_ARGUMENT'],
      ['a lone surrogate', { prefix: '\ud800' }, 'INVALID_ARGUMENT'],
    ])('with %s are refused', async (_name, options, code) => {
      await expect(collect(store().scan(options))).rejects.toMatchObject({ code })
    })

    test('that are aborted end', async () => {
      const at = await filled()
      const signal = AbortSignal.abort()
      const scan = collect(store().scan({ prefix: at, signal }))
      await expect(scan).rejects.toMatchObject({ code: 'ABORTED' })
    })
  })
}
