// A misspelt option must never be ignored: it is refused, with the name that was probably meant.
import { QuorateError } from './errors.ts'

/** Names longer than this are not compared with others. */
const NAME_LENGTH_MAX = 64

/**
 * Refuses options that nobody reads.
 *
 * @param known - every option that there is
 * @param of - whose options these are, for the error's message: `createHost`
 * @throws QuorateError `INVALID_OPTIONS`, with the unknown name and the nearest known one, which is
 * also `details.nearest`; TypeError where the options are no object
 */
export function rejectUnknownOptions(options: object, known: readonly string[], of: string): void {
  if (typeof options !== 'object' || options === null)
    throw new TypeError(`the options of ${of} are an object, got ${shownPart(options)}`)
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue
    const nearest = nearestName(name, known)
    const hint = nearest === undefined ? `known are ${known.join(', ')}` : `is "${nearest}" meant?`
    const shown = name.slice(0, NAME_LENGTH_MAX)
    throw new QuorateError('INVALID_OPTIONS', `unknown option "${shown}" of ${of}; ${hint}`, {
      details: { option: shown, nearest },
    })
  }
}

/**
 * Refuses what is not the part that it is handed over as: a directory's name, nothing at all, a
 * factory that nobody called.
 *
 * @param what - the part, as the caller knows it: `the storage of createHost`
 * @param methods - what such a part has
 * @param such - how one is made: `fsStorage('./data')`
 * @throws TypeError
 */
export function requirePart(
  what: string,
  part: unknown,
  methods: readonly string[],
  such: string,
): void {
  const has = (method: string): boolean =>
    typeof (part as Readonly<Record<string, unknown>>)[method] === 'function'
  if (typeof part === 'object' && part !== null && methods.every(has)) return
  throw new TypeError(`${what} is an object such as ${such}, got ${shownPart(part)}`)
}

function shownPart(part: unknown): string {
  if (typeof part === 'function') return `the function ${part.name}, which has to be called`
  if (typeof part === 'object' && part !== null) return 'another object'
  return typeof part === 'string' ? JSON.stringify(part.slice(0, NAME_LENGTH_MAX)) : String(part)
}

/** The known name that few changes of letters make of `name`; `undefined` where none is near. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  let best: string | undefined
  let least = Math.max(2, Math.floor(name.length / 3)) + 1
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase())
    if (distance < least) [best, least] = [candidate, distance]
  }
  return best
}

/** Insertions, removals and replacements of letters that make one word of the other (Levenshtein 1966). */
function editDistance(from: string, to: string): number {
  if (Math.max(from.length, to.length) > NAME_LENGTH_MAX) return Number.POSITIVE_INFINITY
  let above = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (let row = 1; row <= from.length; row++) {
    const here = [row]
    for (let column = 1; column <= to.length; column++) {
      const replaced = (above[column - 1] as number) + (from[row - 1] === to[column - 1] ? 0 : 1)
      const removed = (above[column] as number) + 1
      const inserted = (here[column - 1] as number) + 1
      here.push(Math.min(replaced, removed, inserted))
    }
    above = here
  }
  return above[to.length] as number
}
