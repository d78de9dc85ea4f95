// Compare-and-set, counters and time to live: writes that depend on what is there.
import { describe, expect, test } from 'vitest'
import type { Expected, KvOperations } from '../../src/index.ts'
import type { ContractContext } from './context.ts'

/** Registers the cases. */
export function conditions(context: ContractContext): void {
  compareAndSet(context)
  counters(context)
  timeToLive(context)
}

function compareAndSet({ store, other, prefix }: ContractContext): void {
  describe('compare and set', () => {
    const held = async (): Promise<{ key: string; version: number }> => {
      const key = `${prefix()}k`
      const { version } = await store().put(key, 'held')
      return { key, version }
    }

    test('by version, where it is the one', async () => {
      const { key, version } = await held()
      const result = await other().compareAndSet(key, { version }, 'new')
      expect(result.swapped).toBe(true)
      const entry = await store().get(key)
      expect(entry?.text()).toBe('new')
      expect(result).toEqual({ swapped: true, version: entry?.version })
    })

    test.each([
      ['an older version', (version: number): Expected => ({ version: version - 1 })],
      ['a newer version', (version: number): Expected => ({ version: version + 1 })],
      ['version 0', (): Expected => ({ version: 0 })],
      ['absence', (): Expected => ({ absent: true })],
      ['another value', (): Expected => ({ value: 'hel' })],
      ['a longer value', (): Expected => ({ value: 'held ' })],
      ['the empty value', (): Expected => ({ value: '' })],
    ])('not where %s is expected', async (_name, expected) => {
      const { key, version } = await held()
      const result = await other().compareAndSet(key, expected(version), 'new')
      expect(result).toMatchObject({ swapped: false, current: { version } })
      expect((await store().get(key))?.text()).toBe('held')
    })

    test('by value, as bytes', async () => {
      const { key } = await held()
      const value = new TextEncoder().encode('held')
      expect((await store().compareAndSet(key, { value }, 'new')).swapped).toBe(true)
    })

    test.each([
      ['absence', { absent: true }],
      ['version 0', { version: 0 }],
    ] as const)('where nothing is there, by %s', async (_name, expected) => {
      const key = `${prefix()}k`
      expect((await store().compareAndSet(key, expected, 'new')).swapped).toBe(true)
      expect((await other().compareAndSet(key, expected, 'newer')).swapped).toBe(false)
      expect((await store().get(key))?.text()).toBe('new')
    })

    test.each([{ version: 5 }, { value: '' }])(
      'not where nothing is there, by %j',
      async (expected) => {
        const result = await store().compareAndSet(`${prefix()}k`, expected, 'new')
        expect(result).toEqual({ swapped: false, current: undefined })
      },
    )

    test('to nothing: a conditional delete', async () => {
      const { key, version } = await held()
      expect((await store().compareAndSet(key, { version: version + 1 }, undefined)).swapped).toBe(
        false,
      )
      expect((await store().compareAndSet(key, { version }, undefined)).swapped).toBe(true)
      expect(await other().get(key)).toBeUndefined()
    })

    test('a version never comes again, so what was removed in between is noticed', async () => {
      const { key, version } = await held()
      await other().delete(key)
      await other().put(key, 'held')
      expect((await store().compareAndSet(key, { version }, 'new')).swapped).toBe(false)
    })

    test('of many at once exactly one wins', async () => {
      const { key, version } = await held()
      const results = await Promise.all(
        Array.from({ length: 40 }, (_, at) =>
          (at % 2 === 0 ? store() : other()).compareAndSet(key, { version }, `winner ${at}`),
        ),
      )
      const winners = [...results.keys()].filter((at) => results[at]?.swapped)
      expect(winners).toHaveLength(1)
      expect((await store().get(key))?.text()).toBe(`winner ${winners[0]}`)
    })

    test.each([-1, 0.5, Number.NaN, 2 ** 53])('%d is no version', async (version) => {
      const call = store().compareAndSet(`${prefix()}k`, { version }, 'v')
      await expect(call).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    })
  })
}

function counters({ store, other, prefix }: ContractContext): void {
  describe('counters', () => {
    test('begin at nothing and add up', async () => {
      const key = `${prefix()}n`
      expect(await store().increment(key)).toBe(1)
      expect(await other().increment(key, 41)).toBe(42)
      expect(await store().increment(key, -50)).toBe(-8)
      expect(await store().increment(key, 0)).toBe(-8)
      expect((await other().get(key))?.text()).toBe('-8')
    })

    test('go on from a number that was put', async () => {
      const key = `${prefix()}n`
      await store().put(key, '100')
      expect(await store().increment(key)).toBe(101)
    })

    test.each(['x', '', '1.5', '01', '+1', ' 1', '1e3', '-0', '9007199254740992', '٣'])(
      'refuse to add to %j, which stays',
      async (value) => {
        const key = `${prefix()}n`
        await store().put(key, value)
        const adding = store().increment(key)
        await expect(adding).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
        expect((await store().get(key))?.text()).toBe(value)
      },
    )

    test('refuse to leave the safe integers', async () => {
      const key = `${prefix()}n`
      expect(await store().increment(key, Number.MAX_SAFE_INTEGER)).toBe(Number.MAX_SAFE_INTEGER)
      await expect(store().increment(key)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
      expect(await store().increment(key, -Number.MAX_SAFE_INTEGER)).toBe(0)
    })

    test.each([0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])(
      'refuse to add %d',
      async (by) => {
        const adding = store().increment(`${prefix()}n`, by)
        await expect(adding).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
      },
    )

    test('count each of many at once', async () => {
      const key = `${prefix()}n`
      const sums = await Promise.all(
        Array.from({ length: 100 }, (_, at) => (at % 2 === 0 ? store() : other()).increment(key)),
      )
      expect(sums.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, at) => at + 1))
    })
  })
}

async function gone(store: KvOperations, key: string): Promise<void> {
  while ((await store.get(key)) !== undefined)
    await new Promise((resolve) => setTimeout(resolve, 5))
}

function timeToLive({ store, other, prefix }: ContractContext): void {
  describe('time to live', () => {
    test('a key goes by itself when nobody writes', async () => {
      const key = `${prefix()}t`
      await store().put(key, 'short', { ttlMs: 30 })
      await gone(other(), key)
      expect(await store().delete(key)).toBe(false)
    })

    test('a key with a long time stays', async () => {
      const key = `${prefix()}t`
      await store().put(key, 'long', { ttlMs: 3_600_000 })
      await store().put(`${key}2`, 'short', { ttlMs: 20 })
      await gone(store(), `${key}2`)
      expect((await store().get(key))?.text()).toBe('long')
    })

    test('a put without a time takes it away', async () => {
      const at = prefix()
      await store().put(`${at}{t}1`, 'short', { ttlMs: 40 })
      await store().put(`${at}{t}2`, 'short', { ttlMs: 40 })
      await store().put(`${at}{t}1`, 'kept')
      await gone(store(), `${at}{t}2`)
      expect((await store().get(`${at}{t}1`))?.text()).toBe('kept')
    })

    test('adding to a counter keeps its time', async () => {
      const key = `${prefix()}n`
      const { results } = await store().transact({
        do: [
          { type: 'put', key, value: '1', ttlMs: 40 },
          { type: 'increment', key },
          { type: 'get', key },
        ],
      })
      expect(results).toMatchObject([{ type: 'put' }, { value: 2 }, { entry: {} }])
      await gone(store(), key)
      expect(await store().increment(key)).toBe(1)
    })

    test.each([0, -1, 0.5, Number.NaN])('%d is no time', async (ttlMs) => {
      const write = store().put(`${prefix()}t`, 'v', { ttlMs })
      await expect(write).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    })
  })
}
