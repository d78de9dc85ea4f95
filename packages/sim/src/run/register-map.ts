// A state machine to simulate with: a map of registers with writes and compare-and-set, and a workload
// over few keys, so that clients meet.
import type { Command, StateMachine } from '@quorate/core'
import { ByteReader, ByteWriter } from '@quorate/core'
import type { Workload } from './options.ts'

const EMPTY = 0
const SET = 1
const COMPARE_AND_SET = 2
/** Few values, so that comparisons succeed often. */
const VALUES = 5

/** A map from small integers to small integers; 0 where nothing was written. Its snapshots are canonical. */
export function registerMap(): StateMachine {
  const registers = new Map<number, number>()
  const applyOne = ({ payload }: Command): Uint8Array => {
    const reader = new ByteReader(payload)
    const kind = reader.uint8()
    const key = reader.varint()
    const before = registers.get(key) ?? EMPTY
    const expected = kind === COMPARE_AND_SET ? reader.varint() : before
    if (expected === before) registers.set(key, reader.varint())
    return numbers(expected === before ? 1 : 0, before)
  }
  return {
    apply: (commands) => commands.map(applyOne),
    query: (query) => numbers(registers.get(new ByteReader(query).varint()) ?? EMPTY),
    snapshot() {
      const sorted = [...registers].sort(([a], [b]) => a - b)
      return [numbers(sorted.length, ...sorted.flat())]
    },
    async restore(chunks) {
      const writer = new ByteWriter()
      for await (const chunk of chunks) writer.raw(chunk)
      const reader = new ByteReader(writer.finish())
      registers.clear()
      for (let count = reader.varint(); count > 0; count--) {
        registers.set(reader.varint(), reader.varint())
      }
    },
  }
}

/** Writes, compares and reads of `keys` registers (default 4), in equal shares. */
export function registerWorkload(keys = 4): Workload {
  return {
    next(random) {
      const key = random.below(keys)
      const value = 1 + random.below(VALUES)
      const kind = random.below(3)
      if (kind === 0) return { kind: 'query', bytes: numbers(key) }
      if (kind === 1) return { kind: 'command', bytes: numbers(SET, key, value) }
      const expected = random.below(VALUES + 1)
      return { kind: 'command', bytes: numbers(COMPARE_AND_SET, key, expected, value) }
    },
  }
}

function numbers(...values: readonly number[]): Uint8Array {
  const writer = new ByteWriter(16)
  for (const value of values) writer.varint(value)
  return writer.finish()
}
