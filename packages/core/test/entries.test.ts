// Entries as they travel: what is written is read, nothing else is, and what is kept of a frame is no
// more than the entries.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Entry } from '@quorate/core'
import { ByteReader, ByteWriter, isQuorateError } from '@quorate/core'
import { readEntries, writeEntries } from '../src/algorithm/index.ts'

const bytes = fc.uint8Array({ maxLength: 40 })

/** Entries after `prevIndex`, of epochs from `epoch` on. */
const logs = fc
  .record({
    prevIndex: fc.nat(2 ** 30),
    epoch: fc.nat(2 ** 30),
    rest: fc.array(
      fc.record({
        growth: fc.nat(3),
        kind: fc.constantFrom('command', 'noop', 'membership'),
        payload: bytes,
      }),
      { maxLength: 12 },
    ),
  })
  .map(({ prevIndex, epoch, rest }) => {
    let last = epoch
    const entries = rest.map(({ growth, kind, payload }, at): Entry => ({
      index: prevIndex + 1 + at,
      epoch: (last += growth),
      kind,
      payload,
    }))
    return { prevIndex, epoch, last, entries }
  })

function written(entries: readonly Entry[], epoch: number, before = 0, after = 0): Uint8Array {
  const writer = new ByteWriter()
  writer.raw(new Uint8Array(before))
  writeEntries(writer, entries, epoch)
  writer.raw(new Uint8Array(after))
  return writer.finish()
}

describe('entries under way', () => {
  test('are read as they were written, wherever in a frame they stand', () => {
    fc.assert(
      fc.property(logs, fc.nat(200), fc.nat(200), (log, before, after) => {
        const { prevIndex, epoch, last, entries } = log
        const reader = new ByteReader(written(entries, epoch, before, after))
        reader.raw(before)
        expect(readEntries(reader, prevIndex, epoch, last)).toEqual(entries)
        expect(reader.remaining).toBe(after)
      }),
    )
  })

  test('hold no more memory than twice their own, whatever came in the same frame', () => {
    fc.assert(
      fc.property(logs, fc.nat(5_000), ({ prevIndex, epoch, last, entries }, before) => {
        const reader = new ByteReader(written(entries, epoch, before))
        reader.raw(before)
        const read = readEntries(reader, prevIndex, epoch, last)
        const size = entries.reduce((sum, { payload }) => sum + payload.length, 0)
        for (const { payload } of read)
          expect(payload.buffer.byteLength).toBeLessThanOrEqual(2 * size)
      }),
    )
  })

  test('are refused where no log has them', () => {
    const entry: Entry = { index: 1, epoch: 5, kind: 'command', payload: Uint8Array.of(1) }
    const of = (input: Uint8Array, prevIndex = 0, epochMax = 9): string => {
      try {
        readEntries(new ByteReader(input), prevIndex, 3, epochMax)
        return 'read'
      } catch (error) {
        return isQuorateError(error) ? error.code : String(error)
      }
    }
    const good = written([entry], 3)
    expect(of(good)).toBe('read')
    for (let end = 0; end < good.length; end++) expect(of(good.slice(0, end))).toBe('MALFORMED')
    expect(of(good, 0, 4)).toBe('MALFORMED')
    expect(of(good, Number.MAX_SAFE_INTEGER)).toBe('MALFORMED')
    expect(of(Uint8Array.of(1, 0x80, 0, 0))).toBe('MALFORMED')
    expect(of(Uint8Array.of(1, 3, 0))).toBe('MALFORMED')
    expect(of(Uint8Array.of(200, 1, 0, 0))).toBe('MALFORMED')
  })
})
