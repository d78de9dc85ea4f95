// Byte readers and writers: what is written is read back, and no input makes the reader do worse
// than say MALFORMED.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  ByteReader,
  ByteWriter,
  compareBytes,
  decodeUtf8,
  encodeUtf8,
  equalBytes,
  isQuorateError,
} from '@quorate/core'

const safe = fc.nat({ max: Number.MAX_SAFE_INTEGER })

type Field =
  | { kind: 'uint8' | 'uint32' | 'uint53' | 'varint'; value: number }
  | { kind: 'bytes'; value: Uint8Array }
  | { kind: 'text'; value: string }

const field: fc.Arbitrary<Field> = fc.oneof(
  fc.record({ kind: fc.constant('uint8' as const), value: fc.nat(255) }),
  fc.record({ kind: fc.constant('uint32' as const), value: fc.nat(0xffffffff) }),
  fc.record({ kind: fc.constant('uint53' as const), value: safe }),
  fc.record({ kind: fc.constant('varint' as const), value: safe }),
  fc.record({ kind: fc.constant('bytes' as const), value: fc.uint8Array({ maxLength: 300 }) }),
  fc.record({
    kind: fc.constant('text' as const),
    value: fc.string({ unit: 'binary', maxLength: 100 }),
  }),
)

function write(writer: ByteWriter, item: Field): void {
  if (item.kind === 'bytes') writer.bytes(item.value)
  else if (item.kind === 'text') writer.text(item.value)
  else writer[item.kind](item.value)
}

describe('ByteWriter and ByteReader', () => {
  it('read back what was written, and leave nothing over', () => {
    fc.assert(
      fc.property(fc.array(field, { maxLength: 40 }), (fields) => {
        const writer = new ByteWriter(1)
        for (const item of fields) write(writer, item)
        const reader = new ByteReader(writer.finish())
        for (const item of fields) expect(reader[item.kind]()).toEqual(item.value)
        reader.end()
      }),
    )
  })

  it('refuse every truncation', () => {
    const writer = new ByteWriter()
    writer.varint(300)
    writer.text('name')
    writer.bytes(new Uint8Array(20))
    writer.uint53(2 ** 50)
    const bytes = writer.finish()
    for (let length = 0; length < bytes.length; length++) {
      const reader = new ByteReader(bytes.subarray(0, length))
      const read = (): void => {
        reader.varint()
        reader.text()
        reader.bytes()
        reader.uint53()
      }
      expect(read).toThrow(expect.objectContaining({ code: 'MALFORMED' }))
    }
  })

  it.each([
    ['a varint that never ends', [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 'varint'],
    ['a varint over 2^53 - 1', [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f], 'varint'],
    ['a varint with a needless byte', [0x80, 0x00], 'varint'],
    ['an integer over 2^53 - 1', [0, 0, 0, 0, 0, 0, 0x20, 0], 'uint53'],
    ['a length beyond the end', [0xff, 0xff, 0xff, 0x7f, 1], 'bytes'],
    ['text that is not UTF-8', [2, 0xc3, 0x28], 'text'],
    ['text with an encoded surrogate', [3, 0xed, 0xa0, 0x80], 'text'],
  ] as const)('refuse %s', (_, bytes, kind) => {
    const reader = new ByteReader(Uint8Array.from(bytes))
    expect(() => reader[kind]()).toThrow(expect.objectContaining({ code: 'MALFORMED' }))
  })

  it('accept the largest varint', () => {
    const writer = new ByteWriter()
    writer.varint(Number.MAX_SAFE_INTEGER)
    expect(writer.length).toBe(8)
    expect(new ByteReader(writer.finish()).varint()).toBe(Number.MAX_SAFE_INTEGER)
  })

  it('refuse a count that cannot follow, before anything is allocated', () => {
    const writer = new ByteWriter()
    writer.varint(2 ** 40)
    writer.raw(new Uint8Array(100))
    expect(() => new ByteReader(writer.finish()).count(1)).toThrow(/cannot follow/)
  })

  it('never throw anything but MALFORMED on garbage', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 40 }),
        fc.array(field, { maxLength: 8 }),
        (bytes, plan) => {
          const reader = new ByteReader(bytes)
          try {
            for (const { kind } of plan) reader[kind]()
            return true
          } catch (error) {
            return isQuorateError(error, 'MALFORMED')
          }
        },
      ),
    )
  })

  it('refuse to write what cannot be read back', () => {
    const writer = new ByteWriter()
    for (const value of [-1, 0.5, Number.NaN, 2 ** 53]) {
      expect(() => writer.varint(value)).toThrow('53-bit')
      expect(() => writer.uint53(value)).toThrow('53-bit')
    }
  })

  it('patch four bytes in place', () => {
    const writer = new ByteWriter()
    writer.uint32(0)
    writer.text('after')
    writer.setUint32(0, 0xdeadbeef)
    expect(new ByteReader(writer.finish()).uint32()).toBe(0xdeadbeef)
    expect(() => writer.setUint32(writer.length - 3, 1)).toThrow('overwrites only')
  })
})

describe('byte strings', () => {
  it('order like unsigned bytes, a prefix first', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 6 }), fc.uint8Array({ maxLength: 6 }), (a, b) => {
        expect(Math.sign(compareBytes(a, b))).toBe(Math.sign(Buffer.compare(a, b)))
        expect(equalBytes(a, b)).toBe(Buffer.compare(a, b) === 0)
      }),
    )
  })

  it('turn into text and back, and a byte order mark is content', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 80 }), (text) => {
        expect(decodeUtf8(encodeUtf8(text))).toBe(text)
      }),
    )
    expect(decodeUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61))).toBe('\ufeffa')
  })
})
