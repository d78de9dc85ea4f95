// How results and errors are printed: data to standard output, everything else to standard error,
// one JSON document with --json, and never a stack unless asked for.
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { isQuorateError } from '@quorate/core'
import { CommandEnd, exitOf } from './exit-codes.ts'

/** Options that every command has. */
export interface OutputOptions {
  /** Print JSON. */
  readonly json?: boolean | undefined
  /** Print stacks of errors. */
  readonly debug?: boolean | undefined
}

/** Prints a result: as a JSON document, or as the lines that people read. */
export function printResult(options: OutputOptions, value: unknown, text: () => string): void {
  const output = options.json === true ? JSON.stringify(value) : text()
  process.stdout.write(output.endsWith('\n') || output === '' ? output : `${output}\n`)
}

/** Prints an error: what happened, and its code. */
export function printError(options: OutputOptions, error: unknown): void {
  if (error instanceof CommandEnd && error.message === '') return
  const code = isQuorateError(error) ? error.code : undefined
  const exit = exitOf(error)
  const message = printable(error instanceof Error ? error.message : String(error))
  const line =
    options.json === true
      ? JSON.stringify({
          error: { code: code ?? exit.replace(/[A-Z]/g, '_$&').toUpperCase(), message },
        })
      : `error${code === undefined ? '' : `[${code}]`}: ${message}`
  process.stderr.write(`${line}\n`)
  if (options.debug === true && error instanceof Error) process.stderr.write(`${error.stack}\n`)
}

/** Bytes as JSON: text where they are well-formed UTF-8, otherwise `{"base64": …}`. */
export function bytesAsJson(bytes: Uint8Array): string | { readonly base64: string } {
  const text = textOf(bytes)
  return text ?? { base64: Buffer.from(bytes).toString('base64') }
}

/**
 * One line whatever the bytes: text as it is, or in quotes and with JSON's escapes where it could
 * move the cursor, begin another column or line, or be taken for what this prints of other bytes.
 */
export function shown(bytes: Uint8Array): string {
  const text = bytesAsJson(bytes)
  if (typeof text !== 'string') return JSON.stringify(text)
  const isPlain = printable(text) === text && !/^(?:"|\{"base64":)/.test(text)
  return isPlain ? text : JSON.stringify(text).replaceAll(CONTROLS, escaped)
}

/**
 * Writes a page that `--picture` asks for.
 *
 * @throws CommandEnd `usage` where it cannot be written
 */
export async function writePicture(path: string, page: string): Promise<void> {
  try {
    await writeFile(path, page)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new CommandEnd('usage', `${path} cannot be written: ${code}`)
  }
}

/** Writes a line to standard output, and waits where whoever reads it is slower. */
export async function writeLine(line: string): Promise<void> {
  if (!process.stdout.write(`${line}\n`)) await once(process.stdout, 'drain')
}

/** The text of well-formed UTF-8 bytes. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

const CONTROLS = /[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu

/** Text that cannot move a terminal's cursor or fake another line. */
export function printable(text: string): string {
  return text.replaceAll(CONTROLS, (character) =>
    character === '\n' || character === '\t' ? ' ' : escaped(character),
  )
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** A number with its noun: `1 key`, `2 keys`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** Columns of text, aligned. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows)
    row.forEach((cell, at) => (widths[at] = Math.max(widths[at] ?? 0, cell.length)))
  return rows
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
