// Transactions as people write them in a file: the store's own shape in JSON, with bytes that are
// no text as {"base64": …}. What does not fit is told by where it stands.
import type { Condition, Transaction, TransactionOp, TransactionResult } from '@quorate/kv'
import { CommandEnd } from '../output/exit-codes.ts'
import { bytesAsJson } from '../output/report.ts'

const RELATIONS = ['=', '!=', '<', '>'] as const

/** What the help says of the shape. */
export const TRANSACTION_HELP = `
{
  "if":   [ {"key": "{cart}/total", "version": 7},
            {"key": "{cart}/state", "value": "open", "relation": "="} ],
  "do":   [ {"type": "put", "key": "{cart}/state", "value": "paid", "ttlMs": 60000},
            {"type": "increment", "key": "{cart}/count", "by": 1},
            {"type": "get", "key": "{cart}/total"},
            {"type": "delete", "key": "{cart}/draft"} ],
  "else": [ {"type": "get", "key": "{cart}/state"} ]
}

All parts may be left out. A condition compares the version or the value of a key (=, !=, <, >; default =);
a key without a value has version 0. Where all conditions hold the steps of "do" are taken, otherwise those of
"else": all of them or none. All keys must be in one shard: give them one {tag}. Keys and values are strings,
or {"base64": "…"} for bytes. Exit code 4 where a condition did not hold.`

/**
 * Reads a transaction.
 *
 * @throws CommandEnd `usage`, naming what does not fit
 */
export function parseTransaction(text: string): Transaction {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw wrong('the transaction', `is no JSON: ${(error as Error).message}`)
  }
  const parts = objectOf(value, 'the transaction', ['if', 'do', 'else'])
  return {
    if: listOf(parts['if'], 'if', condition),
    do: listOf(parts['do'], 'do', step),
    else: listOf(parts['else'], 'else', step),
  }
}

/** What a transaction did, as JSON. */
export function resultAsJson(result: TransactionResult): object {
  const { succeeded, version, results } = result
  return {
    succeeded,
    version,
    results: results.map((one) => {
      if (one.type !== 'get') return one
      if (one.entry === undefined) return { type: 'get', found: false }
      const { key, value, version: at } = one.entry
      return {
        type: 'get',
        found: true,
        key: bytesAsJson(key),
        value: bytesAsJson(value),
        version: at,
      }
    }),
  }
}

function condition(value: unknown, where: string): Condition {
  const {
    key,
    version,
    value: expected,
    relation,
  } = objectOf(value, where, ['key', 'version', 'value', 'relation'])
  const known = RELATIONS.find((each) => each === (relation ?? '='))
  if (known === undefined) throw wrong(`${where}.relation`, `is none of ${RELATIONS.join(', ')}`)
  if ((version === undefined) === (expected === undefined)) {
    throw wrong(where, 'needs a "version" or a "value"')
  }
  const compared = { key: bytesOf(key, `${where}.key`), relation: known }
  if (version === undefined) return { ...compared, value: bytesOf(expected, `${where}.value`) }
  return { ...compared, version: wholeOf(version, `${where}.version`, 0) }
}

function step(value: unknown, where: string): TransactionOp {
  const { type } = objectOf(value, where)
  switch (type) {
    case 'put': {
      const { key, value: put, ttlMs } = objectOf(value, where, ['type', 'key', 'value', 'ttlMs'])
      return {
        type,
        key: bytesOf(key, `${where}.key`),
        value: bytesOf(put, `${where}.value`),
        ttlMs: ttlMs === undefined ? undefined : wholeOf(ttlMs, `${where}.ttlMs`, 1),
      }
    }
    case 'get':
    case 'delete':
      return { type, key: bytesOf(objectOf(value, where, ['type', 'key'])['key'], `${where}.key`) }
    case 'increment': {
      const { key, by } = objectOf(value, where, ['type', 'key', 'by'])
      const least = Number.MIN_SAFE_INTEGER
      return {
        type,
        key: bytesOf(key, `${where}.key`),
        by: by === undefined ? undefined : wholeOf(by, `${where}.by`, least),
      }
    }
    default:
      throw wrong(`${where}.type`, 'is none of put, get, delete, increment')
  }
}

function listOf<T>(
  value: unknown,
  where: string,
  read: (item: unknown, where: string) => T,
): readonly T[] | undefined {
  if (value === undefined) return undefined
  if (!Array.isArray(value)) throw wrong(`"${where}"`, 'is no list')
  return value.map((item, at) => read(item, `${where}[${at}]`))
}

function objectOf(
  value: unknown,
  where: string,
  names?: readonly string[],
): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw wrong(where, 'is no object')
  }
  const extra = names && Object.keys(value).find((name) => !names.includes(name))
  if (extra !== undefined) {
    throw wrong(where, `has ${JSON.stringify(extra)}; there is ${names?.join(', ')}`)
  }
  return value as Readonly<Record<string, unknown>>
}

function bytesOf(value: unknown, where: string): string | Uint8Array {
  if (typeof value === 'string') return value
  if (typeof value === 'object' && value !== null && 'base64' in value) {
    const { base64 } = value
    if (typeof base64 === 'string' && /^[A-Za-z0-9+/]*={0,2}$/.test(base64)) {
      return Uint8Array.from(Buffer.from(base64, 'base64'))
    }
  }
  throw wrong(where, 'is neither a string nor {"base64": "…"}')
}

function wholeOf(value: unknown, where: string, least: number): number {
  if (Number.isSafeInteger(value) && Number(value) >= least) return Number(value)
  throw wrong(where, least < 0 ? 'is no integer' : `is no integer from ${least}`)
}

function wrong(where: string, why: string): CommandEnd {
  return new CommandEnd('usage', `${where} ${why}`)
}
