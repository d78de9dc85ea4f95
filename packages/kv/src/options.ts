// Options that nobody knows are refused by name: a misspelt one would otherwise leave a store
// with the default, and nobody would notice.
import { QuorateError } from '@quorate/core'

/** Every name that options of a type may have. */
export type OptionNames<Options> = Readonly<Record<keyof Options, true>>

/**
 * Throws unless every given option is a known one.
 *
 * @param of - what the options are for, as a caller writes it
 * @throws QuorateError `INVALID_OPTIONS`, which names the option
 */
export function checkOptionNames<Options extends object>(
  of: string,
  given: Options,
  known: OptionNames<Options>,
): void {
  if (typeof given !== 'object' || given === null) {
    throw new TypeError(`the options of ${of} are an object`)
  }
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(known, name)) continue
    throw new QuorateError('INVALID_OPTIONS', `unknown option "${name}" of ${of}`)
  }
}
