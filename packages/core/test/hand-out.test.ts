// Entries to be applied: committed and durable ones only, in order, once each, and no more at a time than
// the limit, wherever they are read from.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Entry, EntriesRequest } from '@quorate/core'
import { AssertionError } from '@quorate/core'
import type { Applying } from '../src/algorithm/index.ts'
import {
  handOutRead,
  handOutUpTo,
  inflight,
  noteApplied,
  outbox,
  replicaLog,
} from '../src/algorithm/index.ts'

const LIMIT = 100

/** A replica that does nothing but apply what its log holds. */
class Replica implements Applying {
  readonly log = replicaLog(1, 0, [{ from: 0, epoch: 1 }], [], 200)
  readonly limits = { applyBytesMax: LIMIT }
  readonly out = outbox<never>()
  readonly applyInflight = inflight()
  applying = 0
  applied = 0
  applyReading = 0
  readId = 0

  /** All entries ever appended. */
  readonly stored: Entry[] = []
  /** All that was handed out. */
  readonly given: Entry[] = []
  /** The read that has not been answered. */
  request: EntriesRequest | undefined

  append(sizes: readonly number[]): void {
    const entries = sizes.map((size): Entry => {
      const payload = new Uint8Array(size)
      const entry: Entry = { index: this.stored.length + 1, epoch: 1, kind: 'command', payload }
      this.stored.push(entry)
      return entry
    })
    this.log.append(entries)
  }

  persist(seq: number): void {
    this.log.persisting(seq)
    this.log.persisted(seq)
  }

  /** The end of a step: what is handed out by it. */
  settle(committed: number): readonly Entry[] {
    handOutUpTo(this, committed)
    this.log.trim(this.applying)
    const { apply, readEntries } = this.out.take(undefined, false)
    if (readEntries.length > (this.request === undefined ? 1 : 0)) throw new Error('reads twice')
    this.request ??= readEntries[0]
    this.given.push(...apply)
    return apply
  }

  /** What storage answers to the read under way: as much as fits, but at least one. */
  answer(): readonly Entry[] {
    const { first, last, bytesMax } = this.request as EntriesRequest
    this.request = undefined
    let bytes = 0
    const wanted = this.stored.slice(first - 1, last)
    const end = wanted.findIndex(
      ({ payload }, at) => (bytes += payload.length) > bytesMax && at > 0,
    )
    return end < 0 ? wanted : wanted.slice(0, end)
  }
}

describe('what is handed out to be applied', () => {
  test('is what is committed and durable: in order, once, within the limit', () => {
    const act = fc.oneof(
      fc.record({ do: fc.constant('append' as const), by: fc.nat(4), size: fc.nat(90) }),
      fc.record({
        do: fc.constantFrom('persist', 'commit', 'applied', 'read'),
        by: fc.nat(6),
        size: fc.constant(0),
      }),
    )
    fc.assert(
      fc.property(fc.array(act, { maxLength: 80 }), (acts) => {
        const replica = new Replica()
        let committed = 0
        acts.forEach((each, seq) => {
          if (each.do === 'append') {
            replica.append(Array.from({ length: each.by }, (_, at) => (each.size * (at + 1)) % 91))
          }
          if (each.do === 'persist') replica.persist(seq)
          if (each.do === 'commit') {
            committed = Math.min(committed + each.by, replica.log.lastIndex)
          }
          if (each.do === 'applied') {
            noteApplied(replica, Math.min(replica.applied + each.by, replica.applying))
          }
          const answered = each.do !== 'read' || replica.request === undefined
          expect(answered || handOutRead(replica, replica.answer())).toBe(true)
          const before = replica.given.length
          const apply = replica.settle(committed)
          expect(replica.applying).toBeLessThanOrEqual(
            Math.max(before, Math.min(committed, replica.log.stableIndex)),
          )
          expect(replica.applying).toBe(replica.given.length)
          const waiting = replica.given.slice(replica.applied)
          const bytes = waiting.reduce((sum, { payload }) => sum + payload.length, 0)
          expect(bytes - (apply[0]?.payload.length ?? 0)).toBeLessThanOrEqual(LIMIT + 90)
        })
        expect(replica.given).toEqual(replica.stored.slice(0, replica.applying))
      }),
    )
  })

  test('is everything in the end', () => {
    const replica = new Replica()
    replica.append(Array.from({ length: 40 }, (_, at) => at))
    replica.persist(1)
    for (let rounds = 0; replica.applied < 40; rounds++) {
      expect(rounds).toBeLessThan(200)
      if (replica.request !== undefined) handOutRead(replica, replica.answer())
      replica.settle(40)
      noteApplied(replica, replica.applying)
    }
    expect(replica.given).toEqual(replica.stored)
  })

  test('is nothing of what was read back after a snapshot took its place', () => {
    const replica = new Replica()
    replica.append([60, 60, 60, 60, 60, 60])
    replica.persist(1)
    replica.applying = 1
    replica.log.compactTo(1)
    replica.log.trim(6)
    replica.settle(6)
    expect(replica.request).toMatchObject({ id: 1, first: 2 })
    const entries = replica.answer()
    replica.applying = 4
    expect(handOutRead(replica, entries)).toBe(false)
    expect(handOutRead(replica, undefined)).toBe(false)
    expect([replica.applyReading, replica.out.applies]).toEqual([0, false])
  })

  test('is what can be reported as applied', () => {
    const replica = new Replica()
    replica.append([1])
    replica.persist(1)
    expect(() => noteApplied(replica, 1)).toThrow(AssertionError)
    replica.settle(1)
    noteApplied(replica, 1)
    noteApplied(replica, 0)
    expect([replica.applied, replica.applyInflight.count]).toEqual([1, 0])
  })
})
