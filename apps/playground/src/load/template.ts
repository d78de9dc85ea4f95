// Keys from records: `{field}` stands for a field's text, `{#}` for the record's number, so that
// any data has a unique key.
import { CommandEnd } from '../output/exit-codes.ts'
import type { SourceRecord } from './records.ts'

/**
 * Compiles a template such as `city/{country}/{#}`.
 *
 * @throws CommandEnd `usage` where a brace is left open; the function it returns, where a record
 * lacks a field or holds something in it that is no text, number or boolean
 */
export function compileTemplate(template: string): (record: SourceRecord) => string {
  const parts = template.split(/(\{[^{}]*\})/)
  if (parts.some((part, at) => at % 2 === 0 && /[{}]/.test(part))) {
    throw new CommandEnd(
      'usage',
      `the template ${JSON.stringify(template)} has a brace without its counterpart`,
    )
  }
  return (record) =>
    parts.map((part, at) => (at % 2 === 0 ? part : fieldText(record, part.slice(1, -1)))).join('')
}

function fieldText(record: SourceRecord, name: string): string {
  if (name === '#') return String(record.number)
  const value = Object.hasOwn(record.fields, name) ? record.fields[name] : undefined
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
    return String(value)
  throw new CommandEnd(
    'usage',
    `record ${record.number} has no usable field ${JSON.stringify(name)}`,
  )
}
