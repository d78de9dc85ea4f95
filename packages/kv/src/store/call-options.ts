// The options of single calls: a misspelt one would otherwise change what a call does in silence, and
// a scan of everything is a bad answer to a scan of a prefix that was written in another way.
import { QuorateError } from '@quorate/core'
import type { CallOptions } from '@quorate/core'
import type { BatchOptions, PutOptions, ReadOptions, ScanOptions, WatchOptions } from '../kv.ts'
import { checkOptionNames } from '../options.ts'
import type { OptionNames } from '../options.ts'

export const CALL: OptionNames<CallOptions> = { signal: true, timeoutMs: true }
export const PUT: OptionNames<PutOptions> = { ...CALL, ttlMs: true }
export const BATCH: OptionNames<BatchOptions> = { ...CALL, atomic: true }
export const READ: OptionNames<ReadOptions> = { ...CALL, consistency: true }
export const SCAN: OptionNames<ScanOptions> = {
  ...READ,
  prefix: true,
  start: true,
  end: true,
  reverse: true,
  limit: true,
  keysOnly: true,
  pageEntries: true,
}
export const WATCH: OptionNames<WatchOptions> = {
  prefix: true,
  after: true,
  signal: true,
  onStart: true,
  valueType: true,
}

/**
 * Throws unless a call knows these options, and a time limit among them is a number.
 *
 * @throws QuorateError `INVALID_OPTIONS`, which names the option; TypeError where it is no object
 */
export function checkCallOptions<Options extends object>(
  of: string,
  given: Options,
  known: OptionNames<Options>,
): void {
  if (typeof given !== 'object' || given === null) {
    throw new TypeError(`the options of ${of} are an object, got ${shownType(given)}`)
  }
  // Nothing is allocated for a call that is right: this is done for each.
  for (const name in given) if (!Object.hasOwn(known, name)) checkOptionNames(of, given, known)
  const { timeoutMs } = given as CallOptions
  if (timeoutMs === undefined || (typeof timeoutMs === 'number' && timeoutMs >= 0)) return
  const message = `timeoutMs is a number of milliseconds, not ${String(timeoutMs)}`
  throw new QuorateError('INVALID_OPTIONS', message)
}

/** Throws a TypeError unless it is a list. */
export function checkList(of: string, given: unknown): void {
  if (!Array.isArray(given)) throw new TypeError(`${of} is an array, got ${shownType(given)}`)
}

/** Throws a TypeError unless it is an object. */
export function checkObject(of: string, given: unknown): void {
  if (typeof given !== 'object' || given === null)
    throw new TypeError(`${of} is an object, got ${shownType(given)}`)
}

function shownType(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'an array' : typeof value
}
