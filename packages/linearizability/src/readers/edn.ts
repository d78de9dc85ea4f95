// A reader of EDN, the data notation of Clojure, as far as histories use it: everything but
// user-defined tags, with a bound on nesting.

/** A keyword or symbol, told from a string. */
export interface EdnName {
  /** The name, with the colon of a keyword. */
  readonly name: string
}

/** What EDN text says. Maps have their keys in words: `:f` becomes `'f'`. */
export type Edn =
  | string
  | number
  | boolean
  | null
  | EdnName
  | readonly Edn[]
  | ReadonlyMap<string, Edn>

const maxDepth = 32
const delimiters = new Set(['(', ')', '[', ']', '{', '}', '"', ';', ' ', ',', '\t', '\n', '\r'])
const escapes: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  '"': '"',
  '\\': '\\',
}

/** Whether this is a keyword or symbol. */
export function isEdnName(value: Edn | undefined): value is EdnName {
  return typeof value === 'object' && value !== null && 'name' in value
}

/** A map key or keyword in words: without the colon. */
export function wordOf(value: Edn | undefined): string {
  if (isEdnName(value)) return value.name.replace(/^:/, '')
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/**
 * Reads every value of a text.
 *
 * @throws SyntaxError on text that is not EDN, with the offset.
 */
export function readEdn(text: string): Edn[] {
  const reader = new EdnReader(text)
  const values: Edn[] = []
  for (let value = reader.next(); value !== undefined; value = reader.next()) values.push(value)
  return values
}

class EdnReader {
  readonly #text: string
  #at = 0
  #depth = 0

  constructor(text: string) {
    this.#text = text
  }

  /** The next value, or `undefined` at the end. */
  next(): Edn | undefined {
    this.#skip()
    const text = this.#text
    const char = text[this.#at]
    switch (char) {
      case undefined:
        return undefined
      case '"':
        return this.#string()
      case '(':
        return this.#sequence(')')
      case '[':
        return this.#sequence(']')
      case '{':
        return this.#map()
      case ')':
      case ']':
      case '}':
        throw this.#error(`unexpected ${char}`)
      case '#':
        return this.#dispatch()
      default:
        return this.#atom()
    }
  }

  #skip(): void {
    const text = this.#text
    for (;;) {
      const char = text[this.#at]
      if (char === ';') {
        const end = text.indexOf('\n', this.#at)
        this.#at = end === -1 ? text.length : end
      } else if (char !== undefined && /[\s,]/.test(char)) {
        this.#at += 1
      } else {
        return
      }
    }
  }

  #dispatch(): Edn | undefined {
    if (this.#text.startsWith('#{', this.#at)) {
      this.#at += 1
      return this.#sequence('}')
    }
    if (this.#text.startsWith('#_', this.#at)) {
      this.#at += 2
      this.#required()
      return this.next()
    }
    // A tag such as #jepsen.history.Op says what the value after it is; the value says the rest.
    this.#at += 1
    this.#atom()
    return this.#required()
  }

  #sequence(close: string): Edn[] {
    this.#descend()
    const values: Edn[] = []
    while (!this.#closes(close)) values.push(this.#required())
    this.#depth -= 1
    return values
  }

  #map(): ReadonlyMap<string, Edn> {
    this.#descend()
    const map = new Map<string, Edn>()
    while (!this.#closes('}')) {
      const key = this.#required()
      if (this.#closes('}')) throw this.#error('a map needs a value for each key')
      map.set(wordOf(key), this.#required())
    }
    this.#depth -= 1
    return map
  }

  #descend(): void {
    this.#at += 1
    this.#depth += 1
    if (this.#depth > maxDepth) throw this.#error(`nesting deeper than ${maxDepth}`)
  }

  #closes(close: string): boolean {
    this.#skip()
    // `#_` before a closing bracket leaves nothing to be read.
    while (this.#text.startsWith('#_', this.#at)) {
      this.#at += 2
      this.#required()
      this.#skip()
    }
    if (this.#text[this.#at] !== close) return false
    this.#at += 1
    return true
  }

  #required(): Edn {
    const value = this.next()
    if (value === undefined) throw this.#error('unexpected end')
    return value
  }

  #string(): string {
    let result = ''
    for (let at = this.#at + 1; ; at++) {
      const char = this.#text[at]
      if (char === undefined) throw this.#error('a string without an end')
      if (char === '"') {
        this.#at = at + 1
        return result
      }
      if (char !== '\\') {
        result += char
        continue
      }
      at += 1
      const escape = this.#text[at] ?? ''
      const code = /^u([0-9a-fA-F]{4})/.exec(this.#text.slice(at, at + 5))
      if (code !== null) {
        result += String.fromCharCode(parseInt(code[1] as string, 16))
        at += 4
      } else if (Object.hasOwn(escapes, escape)) {
        result += escapes[escape] as string
      } else {
        throw this.#error(`unknown escape \\${escape}`)
      }
    }
  }

  #atom(): Edn {
    const from = this.#at
    while (this.#at < this.#text.length && !delimiters.has(this.#text[this.#at] as string)) {
      this.#at += 1
    }
    const word = this.#text.slice(from, this.#at)
    if (word === 'nil') return null
    if (word === 'true' || word === 'false') return word === 'true'
    if (/^[-+]?\d+[NM]?$/.test(word) || /^[-+]?\d+(\.\d*)?([eE][-+]?\d+)?M?$/.test(word)) {
      const value = Number(word.replace(/[NM]$/, ''))
      if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
        throw this.#error(`${word} is not a safe integer`)
      }
      return value
    }
    if (word === '') throw this.#error('unexpected character')
    return { name: word }
  }

  #error(message: string): SyntaxError {
    return new SyntaxError(`${message} at offset ${this.#at}`)
  }
}
