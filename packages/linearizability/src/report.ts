// A history file in, a verdict for people and shells out: everything that a command line needs, but
// for reading the file and writing the picture.
import type { Operation } from './history.ts'
import { check, type CheckOptions } from './check.ts'
import type { Model } from './model.ts'
import {
  modelByName,
  modelNames,
  type ModelByNameOptions,
  type ModelName,
} from './models/by-name.ts'
import { counts, explain, renderHtml } from './picture/html.ts'
import { readEdnHistory } from './readers/edn-history.ts'
import { readJepsenLog } from './readers/jepsen-log.ts'
import { readNdjson, validateLines } from './readers/ndjson.ts'
import { HistoryError } from './readers/history-error.ts'
import type { CheckResult } from './result.ts'
import { shrink } from './shrink.ts'

/** The forms of history file. */
export type HistoryFormat = 'ndjson' | 'edn' | 'jepsen'

/** Options of {@link checkText}. */
export interface CheckTextOptions extends CheckOptions {
  /** The model. Default: the one that the header of an NDJSON file names. */
  readonly model?: ModelName | undefined
  /** What can be said about the model beside its name. */
  readonly modelOptions?: ModelByNameOptions | undefined
  /** The form of the text. Default: {@link detectFormat}. */
  readonly format?: HistoryFormat | undefined
  /** Heading of the page, such as the name of the file. */
  readonly title?: string | undefined
  /** Whether to make the page. Default false. */
  readonly html?: boolean | undefined
  /** Whether to shrink an illegal history; the page and the summary then show what is left. Default false. */
  readonly shrink?: boolean | undefined
}

/** What {@link checkText} found. */
export interface TextReport {
  /** 0: linearizable. 1: not linearizable. 2: not decided, or the text could not be read. */
  readonly exitCode: 0 | 1 | 2
  /** Lines for a person, without colours. */
  readonly summary: string
  /** The page, if it was asked for and the text could be read. */
  readonly html?: string | undefined
  /** The whole answer, if the text could be read. */
  readonly result?: CheckResult | undefined
}

/**
 * Reads a history, checks it and reports: the function behind a command such as
 * `quorate check history.ndjson --model kv`. A text that cannot be read is a report with exit code 2, not an exception.
 *
 * @throws TypeError if an option is wrong.
 */
export function checkText(text: string, options: CheckTextOptions = {}): TextReport {
  let history: readonly Operation[]
  let model: Model
  try {
    const format = options.format ?? detectFormat(text)
    const read = format === 'ndjson' ? readNdjson(text) : undefined
    const name = options.model ?? read?.model
    if (name === undefined) {
      return unreadable(`which model? One of ${modelNames.join(', ')}`)
    }
    model = modelByName(name, options.modelOptions)
    if (read === undefined) {
      history = format === 'jepsen' ? readJepsenLog(text) : readEdnHistory(text, name)
      validateLines(model, { operations: history as never, lines: history.map(({ call }) => call) })
    } else {
      history = read.operations
      validateLines(model, read)
    }
  } catch (error) {
    if (error instanceof HistoryError) return unreadable(error.message)
    throw error
  }
  if (history.length === 0) return unreadable('no operation in it')
  return report(model, history, options)
}

/** Tells the form of a text by its first lines: JSON objects, EDN maps, or a log. */
export function detectFormat(text: string): HistoryFormat {
  if (/^\s*\{\s*("|\})/.test(text)) return 'ndjson'
  return /jepsen\.util\s+-\s+\d+\s+:/.test(text.slice(0, 100_000)) ? 'jepsen' : 'edn'
}

function unreadable(reason: string): TextReport {
  return { exitCode: 2, summary: `not checked: ${reason}\n` }
}

function report(
  model: Model,
  history: readonly Operation[],
  options: CheckTextOptions,
): TextReport {
  const result = check(model, history, options)
  const lines = [`${result.verdict}: ${counts(result)}`]
  if (result.illegal !== undefined) {
    if (result.illegal.key !== '') lines.push(`objects: ${result.illegal.key}`)
    lines.push(...explain(model, result.illegal))
  }
  const small = options.shrink === true ? smaller(model, history, options) : undefined
  if (small !== undefined) {
    const minimal = small.minimal ? '' : ' (not minimal: out of budget)'
    lines.push(`shrunk to ${small.result.operations} operations${minimal}:`)
    lines.push(...(small.result.illegal === undefined ? [] : explain(model, small.result.illegal)))
  }
  const shown = small?.result ?? result
  return {
    exitCode: { Ok: 0, Illegal: 1, Unknown: 2 }[result.verdict] as 0 | 1 | 2,
    summary: lines.map((line) => `${line}\n`).join(''),
    ...(options.html === true ? { html: renderHtml(model, shown, { title: options.title }) } : {}),
    result,
  }
}

function smaller(
  model: Model,
  history: readonly Operation[],
  { maxSteps, maxMemoryBytes, signal }: CheckTextOptions,
): { readonly result: CheckResult; readonly minimal: boolean } | undefined {
  const shrunk = shrink(model, history, { maxSteps, maxMemoryBytes, signal })
  if (shrunk === undefined) return undefined
  return { result: check(model, shrunk.history), minimal: shrunk.minimal }
}
