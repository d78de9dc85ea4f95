// What all cases of the contract share: the store in two ways, and iterations read to their end.
// No case sees the keys of another.
import type { KvOperations } from '../../src/index.ts'

/** What the cases share; each takes keys of its own. */
export interface ContractContext {
  /** The store. */
  store(): KvOperations
  /** The same store, by another way. */
  other(): KvOperations
  /** A prefix that no other case has. */
  prefix(): string
}

/** Everything that an iteration gives. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

/** The keys of a scan, as text. */
export async function keysOf(
  items: AsyncIterable<{ keyText(): string }>,
  without = '',
): Promise<string[]> {
  const entries = await collect(items)
  return entries.map((entry) => entry.keyText().slice(without.length))
}
