// The whole answer as a page that can be opened, mailed or attached to a CI run: no script, nothing
// loaded from elsewhere, and a policy that forbids both.
import type { Operation } from '../history.ts'
import type { Model } from '../model.ts'
import type { CheckResult, PartResult } from '../result.ts'
import { escaped, shortened } from './escape.ts'
import { inWords, renderSvg, type PictureOptions } from './svg.ts'

const pageStyle = `
:root { color-scheme: light dark; } body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem; }
h1 { font-size: 1.3rem; } h2 { font-size: 1.05rem; margin-top: 2rem; } .scroll { overflow-x: auto; border: 1px solid #8883; border-radius: 4px; }
code { font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; } table { border-collapse: collapse; }
td, th { text-align: left; padding: .15rem .9rem .15rem 0; } .Illegal { color: #c62f21; } .Ok { color: #2c8a4b; } .Unknown { color: #a86b00; }
`
const maxRows = 500

/** Options of {@link renderHtml}. */
export interface HtmlOptions extends PictureOptions {
  /** Heading of the page. Default "History". */
  readonly title?: string | undefined
}

/**
 * Draws a result as a self-contained HTML page: the verdict, the impossible step in words, a
 * picture of the illegal part (of the first undecided or longest one where none is), and a table of the parts.
 */
export function renderHtml<State, Input, Output>(
  model: Model<State, Input, Output>,
  result: CheckResult<Input, Output>,
  options: HtmlOptions = {},
): string {
  const title = escaped(shortened(options.title ?? 'History', 200))
  const part = partToShow(result)
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${title}: ${result.verdict}</title><style>${pageStyle}</style></head><body>`,
    `<h1>${title}: <span class="${result.verdict}">${result.verdict}</span></h1>`,
    `<p>${escaped(counts(result))}</p>`,
    ...(part === undefined ? [] : partSection(model, part, options)),
    partsTable(result.parts),
    '</body></html>',
    '',
  ].join('\n')
}

/** The impossible step of a part in sentences, a line each. */
export function explain<State, Input, Output>(
  model: Model<State, Input, Output>,
  part: PartResult<Input, Output>,
): string[] {
  const step = part.impossible
  if (step === undefined) return []
  const words = (position: number) => {
    const operation = part.operations[position] as Operation<Input, Output>
    const at = part.indices[position] ?? position
    return `${inWords(model, operation)} by client ${operation.client} [${operation.call}, ${operation.return ?? '…'}] (operation ${at})`
  }
  const others = step.refused.filter((position) => position !== step.operation)
  return [
    `after ${several(part.longest.length, 'operation')} in order the state is ${step.state}`,
    `impossible: ${words(step.operation)}`,
    ...others.slice(0, 20).map((position) => `impossible before it returns: ${words(position)}`),
    ...(others.length > 20 ? [`and ${others.length - 20} more`] : []),
  ]
}

/** What was checked, in one sentence. */
export function counts(result: CheckResult): string {
  const { operations, failed, unread, parts, steps, model, reason } = result
  const left = [
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(unread > 0 ? [`${several(unread, 'read')} of unknown outcome`] : []),
  ].join(' and ')
  const because = reason === undefined ? '' : `; not decided: ${reason}`
  const without = left === '' ? '' : ` (${left} left out)`
  const inParts = several(parts.length, 'independent part')
  return `${several(operations, 'operation')} on model ${model}${without}, ${inParts}, ${several(steps, 'step')}${because}`
}

function several(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`
}

function partToShow<Input, Output>(
  result: CheckResult<Input, Output>,
): PartResult<Input, Output> | undefined {
  const byLength = result.parts.toSorted((a, b) => b.operations.length - a.operations.length)
  return result.illegal ?? byLength.find(({ verdict }) => verdict === 'Unknown') ?? byLength[0]
}

function partSection<State, Input, Output>(
  model: Model<State, Input, Output>,
  part: PartResult<Input, Output>,
  options: PictureOptions,
): string[] {
  const name = part.key === '' ? 'The history' : `Objects ${shortened(part.key, 200)}`
  return [
    `<h2>${escaped(name)}</h2>`,
    ...explain(model, part).map((line) => `<p><code>${escaped(shortened(line, 2000))}</code></p>`),
    ...(part.impossible === undefined
      ? []
      : ['<p><a href="#impossible">Go to the impossible step</a></p>']),
    `<div class="scroll">${renderSvg(model, part, options)}</div>`,
  ]
}

function partsTable(parts: readonly PartResult[]): string {
  const rows = parts
    .slice(0, maxRows)
    .map(
      ({ key, verdict, reason, operations, longest, steps }) =>
        `<tr><td><code>${escaped(shortened(key === '' ? 'all' : key, 80))}</code></td>` +
        `<td class="${verdict}">${verdict}${reason === undefined ? '' : ` (${reason})`}</td>` +
        `<td>${longest.length} of ${operations.length}</td><td>${steps}</td></tr>`,
    )
  const more = parts.length > maxRows ? `<p>and ${parts.length - maxRows} more</p>` : ''
  return `<h2>Parts</h2><table><tr><th>objects</th><th>verdict</th><th>in order</th><th>steps</th></tr>${rows.join('')}</table>${more}`
}
