// The app's log: a line of JSON each on standard error, so that a cluster's output can be searched.
import type { LogFields, Logger } from '@quorate/core'

/** The levels that `--log` knows, from the quietest. */
export const logLevels = ['silent', 'error', 'warn', 'info', 'debug'] as const

/** A level of the log. */
export type LogLevel = (typeof logLevels)[number]

const FIELD_CHARACTERS_MAX = 256

/** Makes a logger that writes what is at `level` or more urgent. */
export function createLogger(
  level: LogLevel,
  fixed: LogFields,
  write: (line: string) => void = (line) => void process.stderr.write(line),
): Logger {
  const at =
    (name: LogLevel) =>
    (fields: LogFields, message: string): void => {
      if (logLevels.indexOf(name) > logLevels.indexOf(level)) return
      write(
        `${JSON.stringify({ time: new Date().toISOString(), level: name, ...fixed, ...fields, message }, shorten)}\n`,
      )
    }
  return { error: at('error'), warn: at('warn'), info: at('info'), debug: at('debug') }
}

/** Errors become their code and message, long texts are cut; JSON escapes what could forge a line. */
function shorten(_key: string, value: unknown): unknown {
  if (value instanceof Error)
    return { code: (value as { code?: unknown }).code, message: value.message, cause: value.cause }
  if (typeof value === 'string' && value.length > FIELD_CHARACTERS_MAX)
    return `${value.slice(0, FIELD_CHARACTERS_MAX)}…`
  return typeof value === 'bigint' ? value.toString() : value
}
