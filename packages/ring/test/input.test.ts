// What is refused, and with which code: never a wrong owner, never a silent correction.
import { describe, expect, it } from 'vitest'
import {
  crc16,
  hashRing,
  jump,
  ketama,
  maglev,
  memento,
  multiProbe,
  rendezvous,
  shardTable,
} from '../src/index.ts'

const code = (name: string): unknown =>
  expect.objectContaining({ name: 'QuorateError', code: name })

const factories = {
  hashRing: (members: never) => hashRing({ members }),
  shardTable: (members: never) => shardTable({ members }),
  rendezvous: (members: never) => rendezvous({ members }),
  jump: (members: never) => jump({ members }),
  memento: (members: never) => memento({ members }),
  maglev: (members: never) => maglev({ members }),
  multiProbe: (members: never) => multiProbe({ members }),
  ketama: (members: never) => ketama({ members }),
}

describe.each(Object.entries(factories))('%s', (_name, make) => {
  it.each([
    ['a duplicate id', ['a', 'b', 'a']],
    ['an empty id', ['']],
    ['an id with a space', ['a b']],
    ['an id that is not ASCII', ['é']],
    ['an id that is too long', ['a'.repeat(256)]],
    ['an id that is no text', [{ id: 7 }]],
    ['weight zero', [{ id: 'a', weight: 0 }]],
    ['a negative weight', [{ id: 'a', weight: -1 }]],
    ['weight NaN', [{ id: 'a', weight: Number.NaN }]],
    ['an infinite weight', [{ id: 'a', weight: Infinity }]],
    ['a weight that is text', [{ id: 'a', weight: '2' }]],
    ['zones of different depth', [{ id: 'a', zone: 'x' }, 'b']],
    ['an empty zone', [{ id: 'a', zone: [''] }]],
    ['a zone too deep', [{ id: 'a', zone: ['1', '2', '3', '4', '5'] }]],
  ])('refuses %s', (_what, members) => {
    expect(() => make(members as never)).toThrow(code('INVALID_MEMBERSHIP'))
  })

  it('refuses members that are no list', () => {
    expect(() => make('abc' as never)).toThrow(TypeError)
  })

  it('refuses changes that cannot be', () => {
    const placement = make(['a', 'b'] as never)
    for (const change of [
      { remove: ['c'] },
      { remove: ['b', 'b'] },
      { add: ['a'] },
      { add: ['c', 'c'] },
      { reweight: { c: 2 } },
      { reweight: { a: 0 } },
      { reweight: { a: Number.NaN } },
    ]) {
      expect(() => placement.with(change)).toThrow(code('INVALID_MEMBERSHIP'))
    }
  })

  it('refuses keys that are none, and lists of no length', () => {
    const placement = make(['a', 'b'] as never)
    for (const key of [undefined, null, 7, {}, [], true]) {
      expect(() => placement.locate(key as never)).toThrow(TypeError)
    }
    expect(() => placement.locate('\ud800')).toThrow(code('INVALID_ARGUMENT'))
    for (const n of [0, -1, 1.5, Number.NaN, Infinity]) {
      expect(() => placement.preferenceList('k', n)).toThrow(code('INVALID_ARGUMENT'))
    }
  })

  it('replaces a member by one of the same id in one change', () => {
    const next = make(['a', 'b'] as never).with({ remove: ['b'], add: ['b'] })
    expect(next.members.map(({ id }) => id)).toEqual(['a', 'b'])
  })
})

describe('options', () => {
  it('out of range are refused', () => {
    const members = ['a', 'b']
    for (const wrong of [0, -1, 1.5, Number.NaN, 1e9]) {
      expect(() => hashRing({ members, virtualNodes: wrong })).toThrow(code('INVALID_OPTIONS'))
      expect(() => shardTable({ members, shards: wrong })).toThrow(code('INVALID_OPTIONS'))
      expect(() => shardTable({ members, replicas: wrong })).toThrow(code('INVALID_OPTIONS'))
      expect(() => multiProbe({ members, probes: wrong })).toThrow(code('INVALID_OPTIONS'))
    }
    for (const version of [0, -1, 1.5, 2 ** 60]) {
      expect(() => hashRing({ members, version })).toThrow(code('INVALID_OPTIONS'))
    }
    for (const tableSize of [0, 1, 8, 65_536, 1e9]) {
      expect(() => maglev({ members, tableSize })).toThrow(code('INVALID_OPTIONS'))
    }
    expect(() => maglev({ members: ['a', 'b', 'c', 'd'], tableSize: 3 })).toThrow(
      code('INVALID_OPTIONS'),
    )
    expect(() => hashRing({ members, hash: crc16 })).toThrow(code('INVALID_OPTIONS'))
    expect(() => hashRing({ members, hash: {} as never })).toThrow(TypeError)
    expect(() => hashRing({ members, zones: 'medium' as never })).toThrow(code('INVALID_OPTIONS'))
  })

  it('beyond the limits are refused', () => {
    const many = Array.from({ length: 65_536 }, (_, i) => `m${i}`)
    expect(() => rendezvous({ members: many })).toThrow(code('LIMIT_EXCEEDED'))
    expect(() => shardTable({ members: many.slice(0, 1025) })).toThrow(code('LIMIT_EXCEEDED'))
    const heavy = [{ id: 'a', weight: 1e6 }]
    expect(() => hashRing({ members: heavy })).toThrow(code('LIMIT_EXCEEDED'))
  })

  it('that an algorithm does not have are refused', () => {
    const members = ['a', { id: 'b', weight: 2 }]
    for (const make of [jump, memento, multiProbe]) {
      expect(() => make({ members })).toThrow(code('INVALID_MEMBERSHIP'))
      expect(() => make({ members: ['a'] }).with({ reweight: { a: 2 } })).toThrow(
        code('INVALID_MEMBERSHIP'),
      )
    }
    expect(() => jump({ members: ['a', 'b', 'c'] }).with({ remove: ['b'] })).toThrow(
      code('NOT_SUPPORTED'),
    )
    const tiny = [
      { id: 'a', weight: 0.001 },
      { id: 'b', weight: 1000 },
    ]
    expect(() => ketama({ members: tiny })).toThrow(code('INVALID_MEMBERSHIP'))
  })

  it('of a ring ask for members and arcs that exist', () => {
    const ring = hashRing({ members: ['a'] })
    expect(() => ring.ranges('b')).toThrow(code('INVALID_ARGUMENT'))
    expect(ring.ranges('a')).toHaveLength(1)
    expect(ring.ranges('a')[0]!.length).toBe(2 ** 32)
    expect(hashRing({ members: [] }).ranges()).toEqual([])
  })
})
