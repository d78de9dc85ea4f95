// The log in memory of a replica, against a model that is too simple to be wrong.
import type { Entry } from '../src/index.ts'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { replicaLog } from '../src/algorithm/index.ts'

interface Write {
  readonly seq: number
  /** What the disk holds once this write is done, by index. */
  readonly disk: ReadonlyMap<number, number>
}

/** All entries, all writes, nothing clever. */
class Model {
  base = 0
  baseTerm = 0
  terms: number[] = []
  seq = 0
  disk: ReadonlyMap<number, number> = new Map()
  writes: Write[] = []

  get last(): number {
    return this.base + this.terms.length
  }

  termAt(index: number): number | undefined {
    if (index === this.base) return this.baseTerm
    return this.terms[index - this.base - 1]
  }

  write(): number {
    this.seq += 1
    const disk = new Map(this.terms.map((term, at) => [this.base + 1 + at, term]))
    this.writes.push({ seq: this.seq, disk })
    return this.seq
  }

  persisted(seq: number): void {
    this.disk = this.writes.find((write) => write.seq === seq)?.disk ?? this.disk
    this.writes = this.writes.filter((write) => write.seq > seq)
  }

  /** Up to here the disk holds the log, and every write under way leaves it there. */
  get stable(): number {
    const disks = [this.disk, ...this.writes.map(({ disk }) => disk)]
    let index = this.base
    const held = (at: number): boolean => disks.every((disk) => disk.get(at) === this.termAt(at))
    while (index < this.last && held(index + 1)) index++
    return index
  }
}

const payload = new Uint8Array(10)

const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('append' as const),
      count: fc.integer({ min: 1, max: 4 }),
      later: fc.integer({ min: 0, max: 2 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('truncate' as const),
      at: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('persisted' as const),
      count: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('compact' as const),
      at: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('restore' as const),
      by: fc.integer({ min: 1, max: 5 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('trim' as const),
      at: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  },
)

test('the log is what was done to it, and durable as far as no write under way takes it back', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const log = replicaLog(1, 0, [{ from: 0, epoch: 0 }], [], 300)
      const model = new Model()
      let term = 1
      for (const each of steps) {
        if (each.do === 'append') {
          term += each.later
          const entries = Array.from({ length: each.count }, (_, at): Entry => ({
            index: log.lastIndex + 1 + at,
            epoch: term,
            kind: 'command',
            payload,
          }))
          log.append(entries)
          model.terms.push(...entries.map(({ epoch }) => epoch))
          log.persisting(model.write())
        } else if (each.do === 'truncate' && model.terms.length > 0) {
          const from = model.base + 1 + Math.floor(each.at * (model.terms.length - 1))
          log.truncateFrom(from)
          model.terms.length = from - model.base - 1
          // What is cut back is written together with what comes in its place.
          const entry: Entry = { index: from, epoch: ++term, kind: 'command', payload }
          log.append([entry])
          model.terms.push(term)
          log.persisting(model.write())
        } else if (each.do === 'persisted' && model.writes.length > 0) {
          const at = Math.min(each.count, model.writes.length) - 1
          const seq = model.writes[at]?.seq as number
          log.persisted(seq)
          model.persisted(seq)
        } else if (each.do === 'compact' && log.stableIndex > log.firstIndex) {
          const to =
            log.firstIndex - 1 + Math.floor(each.at * (log.stableIndex - log.firstIndex + 1))
          log.compactTo(to)
          model.baseTerm = model.termAt(to) as number
          model.terms = model.terms.slice(to - model.base)
          model.base = to
        } else if (each.do === 'restore') {
          term += 1
          const to = log.lastIndex + each.by
          log.restore(to, term)
          model.base = to
          model.baseTerm = term
          model.terms = []
          log.persisting(model.write())
        } else if (each.do === 'trim') {
          log.trim(log.firstIndex - 1 + Math.floor(each.at * (log.lastIndex - log.firstIndex + 1)))
        }
        expect(log.firstIndex).toBe(model.base + 1)
        expect(log.lastIndex).toBe(model.last)
        expect(log.stableIndex).toBeLessThanOrEqual(model.stable)
        for (let at = model.base - 1; at <= model.last + 1; at++)
          expect(log.epoch(at)).toBe(model.termAt(at))
        const { windowFirst, lastIndex } = log
        const held =
          windowFirst > lastIndex ? [] : log.slice(windowFirst, lastIndex, Number.MAX_SAFE_INTEGER)
        expect(held.map(({ index, epoch }) => [index, epoch])).toEqual(
          model.terms
            .slice(windowFirst - model.base - 1)
            .map((epoch, at) => [windowFirst + at, epoch]),
        )
        expect(log.windowBytes).toBe(held.length * (payload.length + 64))
      }
      if (model.writes.length > 0) {
        const seq = model.writes[model.writes.length - 1]?.seq as number
        log.persisted(seq)
        model.persisted(seq)
      }
      expect(log.stableIndex).toBe(log.lastIndex)
    }),
    { numRuns: 2_000 },
  )
})

test('a slice stops before the bytes that it may have, but holds one entry', () => {
  const log = replicaLog(1, 0, [{ from: 0, epoch: 0 }], [], 10_000)
  for (let index = 1; index <= 5; index++)
    log.append([{ index, epoch: 1, kind: 'command', payload }])
  const lengthOf = (bytes: number): number => log.slice(2, 5, bytes).length
  expect([1, 10, 19, 20, 39, 40, 99].map(lengthOf)).toEqual([1, 1, 1, 2, 3, 4, 4])
})
