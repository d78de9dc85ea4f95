// Batches and transactions: what belongs together is done together, or not at all.
import { describe, expect, test } from 'vitest'
import { kvLimits } from '../../src/index.ts'
import type { Condition, TransactionOp } from '../../src/index.ts'
import type { ContractContext } from './context.ts'

/** Registers the cases. */
export function transactions(context: ContractContext): void {
  batches(context)
  transact(context)
}

function batches({ store, other, prefix }: ContractContext): void {
  describe('batches', () => {
    test('write over all shards, with a result for each', async () => {
      const at = prefix()
      const keys = Array.from({ length: 60 }, (_, n) => `${at}${n}`)
      const results = await store().batch(keys.map((key) => ({ type: 'put', key, value: key })))
      const entries = await other().getMany(keys)
      expect(entries.map((entry) => entry?.version)).toEqual(results.map(({ version }) => version))
      expect(entries.map((entry) => entry?.text())).toEqual(keys)
    })

    test('put and remove', async () => {
      const at = prefix()
      await store().put(`${at}{t}old`, 'v')
      await store().batch([
        { type: 'delete', key: `${at}{t}old` },
        { type: 'put', key: `${at}{t}new`, value: 'v', ttlMs: 60_000 },
        { type: 'delete', key: `${at}{t}never` },
      ])
      const entries = await other().getMany([`${at}{t}old`, `${at}{t}new`])
      expect(entries.map((entry) => entry?.text())).toEqual([undefined, 'v'])
    })

    test('of nothing do nothing', async () => {
      expect(await store().batch([])).toEqual([])
    })

    test('with a key twice end with the last', async () => {
      const key = `${prefix()}k`
      await store().batch([
        { type: 'put', key, value: 'first' },
        { type: 'delete', key },
        { type: 'put', key, value: 'last' },
      ])
      expect((await store().get(key))?.text()).toBe('last')
    })

    test('that are atomic stay in one shard', async () => {
      const at = prefix()
      const ops = Array.from({ length: 50 }, (_, n) => ({
        type: 'put' as const,
        key: `${at}${n}`,
        value: 'v',
      }))
      // First and last of all keys are apart where shards are sorted ranges, too.
      const far = [`a/${at}`, `z/${at}`].map((key) => ({ type: 'put' as const, key, value: 'v' }))
      await expect(store().batch([...ops, ...far], { atomic: true })).rejects.toMatchObject({
        code: 'CROSS_SHARD',
      })
      expect(await store().get(`${at}0`)).toBeUndefined()
      const tagged = ops.map((op, n) => ({ ...op, key: `${at}{one}${n}` }))
      const results = await store().batch(tagged, { atomic: true })
      expect(new Set(results.map(({ version }) => version)).size).toBe(1)
    })

    test('of a shard show as a whole or not at all', async () => {
      const at = prefix()
      const keys = Array.from({ length: 10 }, (_, n) => `${at}{whole}${n}`)
      let stop = false
      const writing = (async () => {
        for (let round = 0; round < 60; round++) {
          await store().batch(keys.map((key) => ({ type: 'put', key, value: `${round}` })))
        }
        stop = true
      })()
      while (!stop) {
        const seen = await other().getMany(keys)
        expect(new Set(seen.map((entry) => entry?.text())).size).toBe(1)
      }
      await writing
    })

    test('with too many or too large writes for a shard are refused', async () => {
      const at = prefix()
      const many = Array.from({ length: kvLimits.opsMax + 1 }, (_, n) => ({
        type: 'delete' as const,
        key: `${at}{t}${n}`,
      }))
      await expect(store().batch(many)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' })
      const large = Array.from({ length: 3 }, (_, n) => ({
        type: 'put' as const,
        key: `${at}{t}${n}`,
        value: new Uint8Array(400_000),
      }))
      await expect(store().batch(large)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' })
      expect(await store().get(`${at}{t}0`)).toBeUndefined()
    })

    test('with one bad key write nothing', async () => {
      const at = prefix()
      const batch = store().batch([
        { type: 'put', key: `${at}fine`, value: 'v' },
        { type: 'put', key: '', value: 'v' },
      ])
      await expect(batch).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
      expect(await store().get(`${at}fine`)).toBeUndefined()
    })
  })
}

function transact({ store, other, prefix }: ContractContext): void {
  describe('transactions', () => {
    const two = (): [string, string] => {
      const at = prefix()
      return [`${at}{t}a`, `${at}{t}b`]
    }

    test('do the first branch where the conditions hold, the other where not', async () => {
      const [a, b] = two()
      await store().put(a, '1')
      const move = {
        if: [{ key: a, value: '1' }],
        do: [
          { type: 'delete', key: a },
          { type: 'put', key: b, value: '1' },
        ],
        else: [{ type: 'get', key: b }],
      } as const
      const first = await store().transact(move)
      expect(first).toMatchObject({
        succeeded: true,
        results: [{ existed: true }, { type: 'put' }],
      })
      const second = await other().transact(move)
      expect(second).toMatchObject({
        succeeded: false,
        results: [{ entry: { version: first.version } }],
      })
    })

    test('without conditions do the first branch', async () => {
      const [a] = two()
      const result = await store().transact({ do: [{ type: 'put', key: a, value: 'v' }] })
      expect(result.succeeded).toBe(true)
      expect((await other().get(a))?.version).toBe(result.version)
    })

    test('may do nothing', async () => {
      const [a] = two()
      const result = await store().transact({ if: [{ key: a, version: 0 }] })
      expect(result).toMatchObject({ succeeded: true, results: [] })
    })

    test('see what their earlier steps did', async () => {
      const [a, b] = two()
      const { results, version } = await store().transact({
        do: [
          { type: 'put', key: a, value: '5' },
          { type: 'get', key: a },
          { type: 'increment', key: a, by: 2 },
          { type: 'get', key: a },
          { type: 'delete', key: a },
          { type: 'get', key: a },
          { type: 'delete', key: a },
          { type: 'increment', key: b },
        ],
      })
      expect(results).toMatchObject([
        { type: 'put' },
        { entry: { version } },
        { value: 7 },
        { entry: { version } },
        { existed: true },
        { entry: undefined },
        { existed: false },
        { value: 1 },
      ])
      expect(await store().get(a)).toBeUndefined()
    })

    test('that fail in one step do none', async () => {
      const [a, b] = two()
      await store().put(b, 'no number')
      const failing = store().transact({
        do: [
          { type: 'put', key: a, value: 'v' },
          { type: 'increment', key: b },
        ],
      })
      await expect(failing).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
      expect(await store().get(a)).toBeUndefined()
    })

    const versions: readonly (readonly [string, boolean, boolean, boolean])[] = [
      ['=', false, true, false],
      ['!=', true, false, true],
      ['<', false, false, true],
      ['>', true, false, false],
    ]
    test.each(versions)('compare versions: is %s', async (relation, less, equal, more) => {
      const [a] = two()
      const { version } = await store().put(a, 'v')
      const outcomes: boolean[] = []
      for (const other of [version - 1, version, version + 1]) {
        const condition = { key: a, version: other, relation } as Condition
        outcomes.push((await store().transact({ if: [condition] })).succeeded)
      }
      expect(outcomes).toEqual([less, equal, more])
    })

    test.each(versions)('compare values as bytes: is %s', async (relation, less, equal, more) => {
      const [a] = two()
      await store().put(a, Uint8Array.of(0x80))
      const outcomes: boolean[] = []
      for (const value of [
        Uint8Array.of(0x7f, 0xff),
        Uint8Array.of(0x80),
        Uint8Array.of(0x80, 0),
      ]) {
        const condition = { key: a, value, relation } as Condition
        outcomes.push((await store().transact({ if: [condition] })).succeeded)
      }
      expect(outcomes).toEqual([less, equal, more])
    })

    test.each(['=', '!=', '<', '>'] as const)(
      'no value %s a value that is not there',
      async (relation) => {
        const [a] = two()
        const { succeeded } = await store().transact({ if: [{ key: a, value: '', relation }] })
        expect(succeeded).toBe(false)
      },
    )

    test('need all conditions', async () => {
      const [a, b] = two()
      await store().put(a, '1')
      const conditions: Condition[] = [
        { key: a, value: '1' },
        { key: b, version: 0, relation: '>' },
      ]
      expect((await store().transact({ if: conditions })).succeeded).toBe(false)
      await store().put(b, '2')
      expect((await store().transact({ if: conditions })).succeeded).toBe(true)
    })

    test('over several shards are refused', async () => {
      const at = prefix()
      const keys = [...Array.from({ length: 30 }, (_, n) => `${at}${n}`), `a/${at}`, `z/${at}`]
      const ops = keys.map((key): TransactionOp => ({ type: 'get', key }))
      await expect(store().transact({ do: ops })).rejects.toMatchObject({ code: 'CROSS_SHARD' })
      const [first, ...rest] = ops
      const split = store().transact({ do: [first as TransactionOp], else: rest })
      await expect(split).rejects.toMatchObject({ code: 'CROSS_SHARD' })
    })

    test('of nothing at all are refused', async () => {
      await expect(store().transact({})).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    })

    test('with an unknown step or relation are refused', async () => {
      const step = store().transact({ do: [{ type: 'append', key: 'k' } as never] })
      await expect(step).rejects.toThrow(TypeError)
      const relation = store().transact({ if: [{ key: 'k', version: 1, relation: '>=' as never }] })
      await expect(relation).rejects.toThrow(TypeError)
    })

    test('that would answer with too much are refused before anything is done', async () => {
      const [a, b] = two()
      await store().put(a, new Uint8Array(600_000))
      const reading = store().transact({
        do: [
          { type: 'put', key: b, value: 'v' },
          { type: 'get', key: a },
          { type: 'get', key: a },
        ],
      })
      await expect(reading).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' })
      expect(await store().get(b)).toBeUndefined()
    })

    test('move money between accounts without losing any', async () => {
      const [a, b] = two()
      await store().batch([
        { type: 'put', key: a, value: '500' },
        { type: 'put', key: b, value: '500' },
      ])
      const transfer = async (at: number): Promise<void> => {
        const [from, to] = at % 2 === 0 ? [a, b] : [b, a]
        await (at % 3 === 0 ? store() : other()).transact({
          do: [
            { type: 'increment', key: from, by: -at },
            { type: 'increment', key: to, by: at },
          ],
        })
      }
      const moving = Promise.all(Array.from({ length: 60 }, (_, at) => transfer(at)))
      for (let look = 0; look < 10; look++) {
        const [x, y] = await other().getMany([a, b])
        expect(Number(x?.text()) + Number(y?.text())).toBe(1_000)
      }
      await moving
    })
  })
}
