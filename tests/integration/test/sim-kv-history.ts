// What the clients of a simulated store saw, in the words of the checker, and its verdict: every key
// and every transaction against a model of the store, counters and watches each against their own.
import type {
  CounterInput,
  KvTransactionInput,
  KvTransactionOutput,
} from '@quorate/linearizability'
import type { CheckResult, Operation } from '@quorate/linearizability'
import { check, counter, kvTransactions } from '@quorate/linearizability'

/** Operations on keys. */
export type KeyOperation = Operation<KvTransactionInput, KvTransactionOutput>

/** Operations on counters. */
export type CountOperation = Operation<CounterInput, number | null>

/** One change that a watch showed. */
export interface Seen {
  readonly key: string
  readonly version: number
  readonly value: string | undefined
}

/** A write that was acknowledged with a version. */
export interface Written {
  readonly key: string
  readonly version: number
  readonly value: string | undefined
  /** When it was begun, on the clock of the history. */
  readonly call: number
}

/** Everything that clients saw. */
export interface KvHistory {
  readonly keys: KeyOperation[]
  /** By key. */
  readonly counters: Map<string, CountOperation[]>
  readonly written: Written[]
}

/** An empty history. */
export function kvHistory(): KvHistory {
  return { keys: [], counters: new Map(), written: [] }
}

/** The verdict on a history. */
export interface HistoryVerdict {
  /** What is wrong with it, in words; `undefined` where nothing is. */
  readonly wrong: string | undefined
  /** Whether all of it was decided. */
  readonly decided: boolean
}

/** Judges a history. */
export function judgeHistory({ keys, counters }: KvHistory): HistoryVerdict {
  const limits = { maxSteps: 3_000_000 }
  const results: CheckResult[] = [
    check(kvTransactions(), keys, limits),
    ...[...counters.values()].map((operations) => check(counter(), operations, limits)),
  ]
  const illegal = results.find(({ verdict }) => verdict === 'Illegal')
  return {
    wrong: illegal && inWords(illegal),
    decided: results.every(({ verdict }) => verdict === 'Ok'),
  }
}

function inWords({ model, illegal }: CheckResult): string {
  const lines = (illegal?.operations ?? []).map((operation, at) => `  ${at} ${lineOf(operation)}`)
  const { longest, impossible } = illegal ?? {}
  const why = `after ${longest?.join(' ')} nothing fits: ${JSON.stringify(impossible)}`
  return [`${model}: no order of these operations, ${why}`, ...lines].join('\n')
}

function lineOf({ client, input, call, return: end, output, outcome }: Operation): string {
  const interval = `${call.toFixed(3)}–${end?.toFixed(3) ?? ''}`
  return `${client} ${interval} ${outcome ?? ''} ${JSON.stringify(input)} → ${JSON.stringify(output)}`
}

/** What is wrong with what an uninterrupted watch showed since `from`, given how everything ended. */
export function judgeWatch(
  seen: readonly Seen[],
  written: readonly Written[],
  from: number,
  last: ReadonlyMap<string, number>,
): string | undefined {
  const newest = new Map<string, number>()
  const shown = new Map<string, string | undefined>()
  for (const { key, version, value } of seen) {
    const before = newest.get(key) ?? 0
    if (version <= before) return `the watch showed ${key} at ${version} after ${before}`
    newest.set(key, version)
    shown.set(`${key}@${version}`, value)
  }
  for (const { key, version, value, call } of written) {
    const name = `${key}@${version}`
    if (call > from && !(shown.has(name) && shown.get(name) === value))
      return `the watch did not show that ${key} became ${value ?? 'nothing'} at ${version}`
  }
  for (const [key, version] of last) {
    const final = newest.get(key)
    // What was under way when the keys were read may have been done after that.
    if (final !== undefined && final < version)
      return `the watch ended with ${key} at ${final}, and it is at ${version}`
  }
  return undefined
}
