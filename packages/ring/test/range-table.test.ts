// Ranges of keys against a model: a plain sorted list of starts.
import { assert, isQuorateError } from '@quorate/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { rangeTable, rangeTableFrom } from '../src/index.ts'
import type { RangeTable } from '../src/index.ts'
import { cases } from './seeds.ts'

const text = new TextDecoder()
const bytes = new TextEncoder()

const byBytes = (a: string, b: string): number => {
  const [x, y] = [bytes.encode(a), bytes.encode(b)]
  for (let i = 0; i < Math.min(x.length, y.length); i++) if (x[i] !== y[i]) return x[i]! - y[i]!
  return x.length - y.length
}

const key = fc.string({ unit: 'binary', maxLength: 3 }).filter((value) => value.isWellFormed())

interface Stage {
  readonly table: RangeTable
  readonly starts: readonly string[]
}

function take(table: RangeTable, starts: readonly string[], split: boolean, at: string): Stage {
  const range = starts.findLastIndex((start) => byBytes(start, at) <= 0)
  const left = table.shardOf(starts[range]!)
  if (split) {
    if (starts.includes(at)) {
      assert(fails(() => table.split(at)) === 'INVALID_ARGUMENT', 'split twice at one key')
      return { table, starts }
    }
    const owners = table.rangeOf(at).owners.join()
    const next = table.split(at)
    assert(next.rangeOf(at).owners.join() === owners, 'a split moved replicas')
    assert(next.shardOf(starts[range]!) === left, 'a split took the id from the left half')
    assert(next.version === table.version + 1, 'a split must make a new version')
    return { table: next, starts: [...starts, at].sort(byBytes) }
  }
  if (range + 1 === starts.length) return { table, starts }
  const { owners } = table.rangeOf(starts[range + 1]!)
  const next = table.place(at, owners).merge(at)
  assert(next.shardOf(at) === left, 'a merge took the id from the left half')
  return { table: next, starts: starts.toSpliced(range + 1, 1) }
}

function fails(body: () => unknown): string {
  try {
    body()
    return 'nothing'
  } catch (error) {
    return isQuorateError(error) ? error.code : String(error)
  }
}

describe('a table of key ranges', () => {
  it('finds what a list of starts finds, through any splits and merges', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), key), { maxLength: 40 }), key, (steps, probe) => {
        let table: RangeTable = rangeTable({ members: ['a', 'b', 'c', 'd'], replicas: 2 })
        let starts: readonly string[] = ['']
        for (const [split, at] of steps) {
          ;({ table, starts } = take(table, starts, split, at))
        }
        expect(table.ranges.map((range) => text.decode(range.start))).toEqual(starts)
        expect(new Set(table.ranges.map((range) => range.shard)).size).toBe(starts.length)
        for (const each of [probe, ...starts]) {
          const range = starts.findLast((start) => byBytes(start, each) <= 0)!
          expect(text.decode(table.rangeOf(each).start)).toBe(range)
          expect(table.shardOf(bytes.encode(each))).toBe(table.shardOf(each))
        }
        const restored = rangeTableFrom(JSON.parse(JSON.stringify(table)))
        expect(restored.ranges).toEqual(table.ranges)
        expect(restored.fingerprint).toBe(table.fingerprint)
      }),
      cases(200),
    )
  })

  it('splits without moving anything, and balances when told to', () => {
    let table = rangeTable({ members: ['a', 'b', 'c', 'd'], replicas: 2 })
    const owners = table.ranges[0]!.owners
    for (let i = 1; i < 40; i++) table = table.split(`k${String(i).padStart(2, '0')}`)
    for (const range of table.ranges) expect(range.owners).toEqual(owners)
    const even = table.with({})
    const counts = new Map<string, number>()
    for (const id of even.ranges.flatMap((range) => range.owners)) {
      counts.set(id, (counts.get(id) ?? 0) + 1)
    }
    expect([...counts.values()]).toEqual([20, 20, 20, 20])
  })

  it('gives the ranges that a scan has to visit', () => {
    const table = rangeTable({ members: ['a'], splits: ['d', 'h', 'm'] })
    const starts = (from: string, to?: string): string[] =>
      table.rangesBetween(from, to).map((range) => text.decode(range.start))
    expect(starts('e', 'm')).toEqual(['d', 'h'])
    expect(starts('', 'd')).toEqual([''])
    expect(starts('h')).toEqual(['h', 'm'])
    expect(table.ranges.at(-1)!.end).toBeUndefined()
  })

  it('says why it cannot', () => {
    const table = rangeTable({
      members: ['a', 'b', 'c', 'd'],
      replicas: 2,
      splits: ['m'],
      shards: 2,
    })
    const code = (name: string): unknown => expect.objectContaining({ code: name })
    expect(() => table.split('x')).toThrow(code('LIMIT_EXCEEDED'))
    expect(() => table.merge('z')).toThrow(code('INVALID_ARGUMENT'))
    expect(() => table.owners(7)).toThrow(code('INVALID_ARGUMENT'))
    expect(() => table.place('a', ['a', 'a'])).toThrow(code('INVALID_ARGUMENT'))
    expect(() => table.place('a', ['a', 'nobody'])).toThrow(code('INVALID_ARGUMENT'))
    const apart = table.place('a', ['a', 'b']).place('m', ['c', 'd'])
    expect(() => apart.merge('a')).toThrow(code('CONFLICT'))
    expect(() => rangeTable({ members: ['a'], splits: ['m', 'm'] })).toThrow(
      code('INVALID_OPTIONS'),
    )
    expect(() => rangeTable({ members: ['a'], splits: [''] })).toThrow(code('INVALID_OPTIONS'))
    expect(() => rangeTableFrom({ ...table.toJSON(), ranges: [] })).toThrow(code('MALFORMED'))
  })
})
