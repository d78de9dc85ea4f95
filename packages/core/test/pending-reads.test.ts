// The reads that wait: each goes by a round that began no earlier than it came, in the order in which they
// came, or is given up.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { LeaderRead } from '../src/algorithm/index.ts'
import { pendingReads } from '../src/algorithm/index.ts'

function read(id: number, index: number, deadline = 1_000): LeaderRead {
  return { from: 'a', id, index, round: -1, deadline }
}

const ids = (reads: readonly { id: number }[]): number[] => reads.map(({ id }) => id)

describe('reads that wait at a leader', () => {
  test('are confirmed by the first round after they came, in order', () => {
    const act = fc.oneof(
      fc.constant('read' as const),
      fc.constant('begin' as const),
      fc.constant('confirm' as const),
    )
    fc.assert(
      fc.property(fc.array(act, { maxLength: 60 }), fc.nat(3), (acts, lag) => {
        const reads = pendingReads()
        let model: { id: number; after: number }[] = []
        let round = 0
        acts.forEach((each, id) => {
          const upTo = Math.max(0, each === 'confirm' ? round - lag : 0)
          const due = model.filter(({ after }) => after < upTo)
          model = model.filter(({ after }) => after >= upTo)
          expect(ids(reads.confirmed(upTo))).toEqual(ids(due))
          if (each === 'read') {
            reads.led.push(read(id, 1))
            model.push({ id, after: round })
          }
          if (each === 'begin') reads.roundBegins(++round)
          expect(ids(reads.led)).toEqual(ids(model))
          expect(reads.wantRound).toBe(model.some(({ after }) => after === round))
          expect(reads.size).toBe(model.length)
        })
      }),
    )
  })

  test('want no round before it is known what earlier leaders committed', () => {
    const reads = pendingReads()
    reads.led.push(read(1, -1))
    expect(reads.wantRound).toBe(false)
    reads.roundBegins(1)
    expect(reads.confirmed(1)).toEqual([])
    for (const each of reads.led) each.index = 4
    expect(reads.wantRound).toBe(true)
    reads.roundBegins(2)
    expect(reads.wantRound).toBe(false)
    expect(reads.confirmed(1)).toEqual([])
    expect(ids(reads.confirmed(2))).toEqual([1])
  })

  test('are given up once their time is over, whatever came before them', () => {
    const reads = pendingReads()
    reads.led.push(read(1, 1, 30), read(2, 1, 10), read(3, 1, 20))
    expect(reads.expired(9)).toEqual([])
    expect(ids(reads.expired(20))).toEqual([2, 3])
    expect(ids(reads.led)).toEqual([1])
  })
})

test('a copy has all reads, and changes none of the original', () => {
  const reads = pendingReads()
  reads.led.push(read(1, 1))
  reads.forwarded.set(7, { id: 2, token: 7, lease: true, deadline: 10, sentAt: 0 })
  const copy = reads.clone()
  expect(copy).toEqual(reads)
  copy.roundBegins(1)
  for (const each of copy.forwarded.values()) each.sentAt = 5
  copy.led.push(read(3, 1))
  expect([reads.size, copy.size]).toEqual([2, 3])
  expect(reads.led[0]?.round).toBe(-1)
  expect(reads.forwarded.get(7)?.sentAt).toBe(0)
  copy.take(reads)
  expect(copy).toEqual(reads)
})
