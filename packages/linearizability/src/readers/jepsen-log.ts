// The log lines that Jepsen writes for its register tests, as published with several analyses of
// etcd: process, type, function and value, separated by tabs, among lines of other programs.
import type { Operation } from '../history.ts'
import type { CasRegisterInput } from '../models/register.ts'
import type { Value } from '../models/shape.ts'
import { HistoryError, linesOf } from './history-error.ts'
import { ProcessLog } from './process-log.ts'

const linePattern =
  /jepsen\.util\s+-\s+(\d+)\s+:(invoke|ok|fail|info)\s+:(read|write|cas)\s+(\S.*)$/

/**
 * Reads a log of register operations into a history for `casRegister()`.
 *
 * A `:fail` of a compare-and-set that repeats its values means that it was refused, so its
 * output is `false`; any other `:fail` means that the operation did not happen. `:info`, and a
 * call without an end, leave the outcome unknown. Lines of other programs are skipped. The
 * time of an event is its line.
 *
 * @throws {@link HistoryError} (code `HISTORY_INVALID`) on a line that cannot be understood.
 */
export function readJepsenLog(text: string): Operation<CasRegisterInput, Value>[] {
  const log = new ProcessLog<CasRegisterInput, Value>()
  for (const [line, content] of linesOf(text)) {
    const match = linePattern.exec(content)
    if (match === null) continue
    const [, process = '', type = '', name = '', value = ''] = match
    if (type === 'invoke') {
      log.call(line, process, inputOf(line, name, value))
    } else if (type === 'info') {
      log.end(line, process, 'unknown')
    } else if (name === 'cas' && value.startsWith('[')) {
      log.end(line, process, 'ok', type === 'ok')
    } else if (type === 'fail') {
      log.end(line, process, 'failed')
    } else {
      log.end(line, process, 'ok', name === 'read' ? valueOf(line, value) : null)
    }
  }
  return log.operations()
}

function inputOf(line: number, name: string, value: string): CasRegisterInput {
  if (name === 'read') return { op: 'read' }
  if (name === 'write') return { op: 'write', value: valueOf(line, value) }
  const pair = /^\[(\S+)\s+(\S+)\]$/.exec(value)
  if (pair === null) throw new HistoryError(line, `a cas needs two values, not ${value}`)
  const [, from = '', to = ''] = pair
  return { op: 'cas', from: valueOf(line, from), to: valueOf(line, to) }
}

function valueOf(line: number, text: string): Value {
  if (text === 'nil') return null
  const value = Number(text)
  if (/^-?\d+$/.test(text) && Number.isSafeInteger(value)) return value
  throw new HistoryError(line, `a register holds nil or an integer, not ${text}`)
}
