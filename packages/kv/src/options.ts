// Names of options as a table that the compiler holds to be complete: an option that is added to a
// type and not to its table does not compile.
import { rejectUnknownOptions } from '@quorate/core'

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
  rejectUnknownOptions(given, Object.keys(known), of)
}
