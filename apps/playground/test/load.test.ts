// Loading: every format gives the same records, keys come out as the template says, bad input names
// its record, and no more writes are under way than allowed.
import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { loadRecords } from '../src/load/load.ts'
import type { Format, SourceRecord } from '../src/load/records.ts'
import { formatOf, readRecords } from '../src/load/records.ts'
import { compileTemplate } from '../src/load/template.ts'

async function read(text: string, format: Format): Promise<SourceRecord[]> {
  const records: SourceRecord[] = []
  for await (const record of readRecords(Readable.from([Buffer.from(text)]), format))
    records.push(record)
  return records
}

const people = [
  { name: 'Ada', note: 'a "quote", a comma' },
  { name: 'Łukasz', note: '' },
]

describe('readRecords', () => {
  it.each<[Format, string]>([
    ['ndjson', '{"name":"Ada","note":"a \\"quote\\", a comma"}\n\n{"name":"Łukasz","note":""}\r\n'],
    ['csv', '\ufeffname,note\nAda,"a ""quote"", a comma"\nŁukasz,\n'],
    ['json', JSON.stringify(people)],
  ])('reads %s', async (format, text) => {
    const records = await read(text, format)
    expect(records.map(({ fields }) => ({ ...fields }))).toEqual(people)
    expect(records.map(({ number }) => number)).toEqual([1, 2])
    expect(records.map(({ value }) => JSON.parse(value) as unknown)).toEqual(people)
  })

  it('keeps the bytes of a line of JSON as they are', async () => {
    const [record] = await read('{ "b": 1.0,  "a": 2 }', 'ndjson')
    expect(record?.value).toBe('{ "b": 1.0,  "a": 2 }')
  })

  it.each<[string, Format, string]>([
    ['{"a":1}\n{"a":', 'ndjson', 'record 2'],
    ['{"a":1}\n[1]', 'ndjson', 'record 2 cannot be read: not an object'],
    ['a,b\n1,2\n3\n', 'csv', 'the CSV cannot be read'],
    ['{"a":1}', 'json', 'does not hold an array'],
    ['[1]', 'json', 'record 1'],
  ])('names what is wrong in %j', async (text, format, message) => {
    await expect(read(text, format)).rejects.toMatchObject({
      exit: 'usage',
      message: expect.stringContaining(message) as string,
    })
  })

  it('goes by the name of the file', () => {
    expect(['a.ndjson', 'a.jsonl', 'a.CSV', 'a.json', 'a.txt', 'a'].map(formatOf)).toEqual([
      'ndjson',
      'ndjson',
      'csv',
      'json',
      undefined,
      undefined,
    ])
  })
})

describe('compileTemplate', () => {
  const record: SourceRecord = {
    number: 7,
    fields: { country: 'PL', id: 12, ok: true, list: [] },
    value: '',
  }
  it('fills in fields and the number', () => {
    expect(compileTemplate('city/{country}/{id}-{ok}/{#}')(record)).toBe('city/PL/12-true/7')
  })
  it('refuses what is not there or no text', () => {
    for (const field of ['missing', 'list', 'toString', '__proto__']) {
      expect(() => compileTemplate(`{${field}}`)(record)).toThrow('record 7 has no usable field')
    }
  })
  it('refuses an open brace', () => {
    expect(() => compileTemplate('a{b')).toThrow('brace')
    expect(() => compileTemplate('a}b')).toThrow('brace')
  })
})

describe('loadRecords', () => {
  async function* numbers(count: number): AsyncGenerator<SourceRecord> {
    for (let number = 1; number <= count; number++)
      yield { number, fields: {}, value: `v${number}` }
  }

  it('keeps to the number of writes under way, and reports what was acknowledged', async () => {
    const stored = new Map<string, string>()
    let underWay = 0
    let most = 0
    const store = {
      async put(key: unknown, value: unknown) {
        most = Math.max(most, ++underWay)
        await new Promise((resolve) => setImmediate(resolve))
        underWay--
        stored.set(String(key), String(value))
        return { version: 1 }
      },
    }
    const total = await loadRecords(store, numbers(100), {
      keyOf: (record) => `k${record.number}`,
      valueOf: (record) => record.value,
      inFlight: 7,
      timeoutMs: 1_000,
    })
    expect(total).toEqual({ read: 100, acknowledged: 100, bytes: 2 * (9 * 2 + 90 * 3 + 4) })
    expect(stored.size).toBe(100)
    expect(most).toBe(7)
  })

  it('ends with the first failure once the writes under way have ended', async () => {
    let ended = 0
    const store = {
      async put(key: unknown) {
        await new Promise((resolve) => setImmediate(resolve))
        ended++
        if (key === 'k5') throw new Error('refused')
        return { version: 1 }
      },
    }
    const load = loadRecords(store, numbers(1_000), {
      keyOf: (record) => `k${record.number}`,
      valueOf: (record) => record.value,
      inFlight: 4,
      timeoutMs: 1_000,
    })
    await expect(load).rejects.toThrow('refused')
    expect(ended).toBeLessThan(20)
  })
})
