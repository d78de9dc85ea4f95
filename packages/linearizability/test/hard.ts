// A history as hard as the ones that real key-value stores produce: many clients, few keys, every
// value distinct, and a few keys that now and then serve what they held before.
import type { KvInput, Operation, Value } from '../src/index.ts'
import { honestHistory } from './generate.ts'
import type { TestObject } from './objects.ts'
import { Random } from './random.ts'

/** What the history looks like. */
export interface HardOptions {
  /** Operations. */
  readonly operations: number
  /** Clients at one time. */
  readonly clients: number
  /** Keys. */
  readonly keys: number
  /** How many of the keys lie. */
  readonly lyingKeys: number
  /** How often a value is replaced instead of appended to. */
  readonly puts: number
  /** How often a call gets no answer. */
  readonly unknown?: number
}

/** A history of appends, puts and gets from a seed. */
export function hardHistory(seed: number, options: HardOptions): Operation<KvInput, Value>[] {
  const random = new Random(seed)
  const history = honestHistory(store(options), random, {
    operations: options.operations,
    clients: options.clients,
    unknown: options.unknown ?? 0,
    failed: 0,
  })
  return history as Operation<KvInput, Value>[]
}

function store({ keys, lyingKeys, puts }: HardOptions): TestObject {
  const held = new Map<string, string[]>()
  let appended = 0
  const past = (key: string) => held.get(key) ?? []
  return {
    think: (random) => {
      const key = `key-${random.below(keys)}`
      if (random.chance(0.5)) return { op: 'get', key }
      appended += 1
      return { op: random.chance(puts) ? 'put' : 'append', key, value: `[${appended}]` }
    },
    act: (input, random) => {
      const key = input['key'] as string
      const versions = past(key)
      const now = versions.at(-1) ?? null
      const added = String(input['value'])
      if (input.op !== 'get') {
        held.set(key, [...versions, input.op === 'put' ? added : `${now ?? ''}${added}`])
        return null
      }
      const lies = Number(key.slice(4)) < lyingKeys && versions.length > 20 && random.chance(0.1)
      return lies ? (versions.at(-20) ?? null) : now
    },
    lie: () => null,
  }
}
