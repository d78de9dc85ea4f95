// The form of a transcript: commands, a line of dashes, and what they are expected to say. Reading
// and writing are inverse, so that a transcript can be rewritten in place and reviewed as a diff.

/** One command: its name, what follows it, and its options of the form `name=value`. */
export interface Command {
  /** The first word. */
  readonly name: string
  /** The words without `=`, in order. */
  readonly words: readonly string[]
  /** The words with `=`. */
  readonly options: ReadonlyMap<string, string>
}

/** Commands that are run together and what they are expected to say. */
export interface Stanza {
  /** The lines before the dashes, comments and empty lines included. */
  readonly lines: readonly string[]
  /** The lines after the dashes, up to an empty line. */
  readonly expected: readonly string[]
}

const DASHES = '----'

/** Reads a transcript. What follows the last stanza, if anything, is a stanza without dashes' output. */
export function parseTranscript(text: string): readonly Stanza[] {
  const stanzas: Stanza[] = []
  let lines: string[] = []
  let expected: string[] | undefined
  for (const line of text.split('\n')) {
    if (expected === undefined) {
      if (line === DASHES) expected = []
      else lines.push(line)
    } else if (line === '') {
      stanzas.push({ lines, expected })
      lines = []
      expected = undefined
    } else expected.push(line)
  }
  if (expected !== undefined) stanzas.push({ lines, expected })
  else if (lines.some((line) => line !== '')) {
    throw new TypeError(`a transcript ends in commands without "${DASHES}": ${lines.join(' / ')}`)
  }
  return stanzas
}

/** Writes a transcript. */
export function formatTranscript(stanzas: readonly Stanza[]): string {
  return stanzas
    .map(({ lines, expected }) => [...lines, DASHES, ...expected, ''].join('\n'))
    .join('\n')
}

/** Reads a line; `undefined` for a comment or an empty one. */
export function parseCommand(line: string): Command | undefined {
  if (line.trim() === '' || line.startsWith('#')) return undefined
  const [name, ...rest] = line.trim().split(/\s+/)
  const words = rest.filter((word) => !word.includes('='))
  const pairs = rest.filter((word) => word.includes('='))
  const options = new Map(
    pairs.map((word) => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)]),
  )
  return { name: name as string, words, options }
}
