// Reads records from files of the formats that people have: a line of JSON each, CSV with a header,
// or one JSON array. Input is streamed where its format allows.
import type { Readable } from 'node:stream'
import { createInterface } from 'node:readline'
import { parse } from 'csv-parse'
import { CommandEnd } from '../output/exit-codes.ts'

/** One record, and where it stood. */
export interface SourceRecord {
  /** Counts records from 1. */
  readonly number: number
  /** Its fields by name. */
  readonly fields: Readonly<Record<string, unknown>>
  /** Its bytes as a value: the line of JSON, or the fields as JSON. */
  readonly value: string
}

/** The formats that `--format` knows. */
export const formats = ['ndjson', 'csv', 'json'] as const

/** A format of records. */
export type Format = (typeof formats)[number]

const LINE_CHARACTERS_MAX = 4_194_304
const ARRAY_CHARACTERS_MAX = 268_435_456

/** The format that a file's name stands for. */
export function formatOf(path: string): Format | undefined {
  const extension = /\.([a-z]+)$/i.exec(path)?.[1]?.toLowerCase()
  if (extension === 'ndjson' || extension === 'jsonl') return 'ndjson'
  return formats.find((format) => format === extension)
}

/** The records of a stream. A record that cannot be read ends the command, naming its line. */
export async function* readRecords(source: Readable, format: Format): AsyncGenerator<SourceRecord> {
  if (format === 'ndjson') yield* readLines(source)
  else if (format === 'csv') yield* readCsv(source)
  else yield* readArray(source)
}

async function* readLines(source: Readable): AsyncGenerator<SourceRecord> {
  let line = 0
  let number = 0
  for await (const text of createInterface({ input: source, crlfDelay: Infinity })) {
    line++
    if (text.length > LINE_CHARACTERS_MAX)
      throw malformed(line, `longer than ${LINE_CHARACTERS_MAX} characters`)
    if (text.trim() === '') continue
    yield record(++number, parseJson(text, line), text, line)
  }
}

async function* readCsv(source: Readable): AsyncGenerator<SourceRecord> {
  const parser = source.pipe(
    parse({
      columns: true,
      bom: true,
      skip_empty_lines: true,
      max_record_size: LINE_CHARACTERS_MAX,
      info: true,
    }),
  )
  source.on('error', (error) => parser.destroy(error))
  let number = 0
  try {
    for await (const { record: fields } of parser as AsyncIterable<{
      record: Record<string, string>
    }>) {
      number++
      yield { number, fields, value: JSON.stringify(fields) }
    }
  } catch (error) {
    if (error instanceof CommandEnd) throw error
    throw new CommandEnd('usage', `the CSV cannot be read: ${(error as Error).message}`)
  }
}

async function* readArray(source: Readable): AsyncGenerator<SourceRecord> {
  let text = ''
  source.setEncoding('utf8')
  for await (const part of source as AsyncIterable<string>) {
    text += part
    if (text.length > ARRAY_CHARACTERS_MAX) {
      throw new CommandEnd(
        'usage',
        'a JSON array of this size must be given as lines of JSON (--format ndjson)',
      )
    }
  }
  const array = parseWhole(text)
  if (!Array.isArray(array)) throw new CommandEnd('usage', 'the JSON file does not hold an array')
  for (const [at, item] of array.entries()) yield record(at + 1, item, JSON.stringify(item), at + 1)
}

function record(number: number, fields: unknown, value: string, line: number): SourceRecord {
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) {
    throw malformed(line, 'not an object')
  }
  return { number, fields: fields as Record<string, unknown>, value }
}

/** Where an array ends too early or is no JSON, no single record is to blame. */
function parseWhole(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    const { message } = error as Error
    const at = Number(/position (\d+)/.exec(message)?.[1] ?? text.length)
    const line = text.slice(0, at).split('\n').length
    throw new CommandEnd('usage', `the JSON array cannot be read, line ${line}: ${message}`)
  }
}

function parseJson(text: string, line: number): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw malformed(line, (error as Error).message)
  }
}

function malformed(line: number, why: string): CommandEnd {
  return new CommandEnd('usage', `record ${line} cannot be read: ${why}`)
}
