// The picture of one part of a history as SVG: lanes of clients, the longest order as numbered
// points, and the step that is impossible. Needs no script, font or style sheet from elsewhere.
import type { Operation } from '../history.ts'
import { describeOperation, type Model } from '../model.ts'
import type { PartResult } from '../result.ts'
import { escaped, shortened } from './escape.ts'
import { layout, type Bar, type Layout } from './layout.ts'

/** Options of {@link renderSvg} and {@link renderHtml}. */
export interface PictureOptions {
  /** Operations drawn for a part at most; those around the impossible step are kept. Default 200. */
  readonly maxOperations?: number | undefined
}

const columnWidth = 46
const rowHeight = 46
const barHeight = 24
const laneLabelWidth = 96
const margin = 16
const characterWidth = 6.6

/** Colours for light and dark, told apart by shape and words as well. */
const pictureStyle = `
.lin-svg { --ink: #1c2024; --faint: #8b929c; --rule: #e3e6ea; --paper: #ffffff; --placed: #d6ecdc; --placed-ink: #1d6b38;
  --bad: #f9c9c6; --bad-ink: #a3150b; --refused: #fbe3c0; --refused-ink: #8a5200; --later: #eceef1;
  font: 11px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; background: var(--paper); }
@media (prefers-color-scheme: dark) { .lin-svg { --ink: #e6e8eb; --faint: #8b929c; --rule: #2b3036; --paper: #15181b;
  --placed: #1d3d29; --placed-ink: #8fd6a6; --bad: #5a1e1a; --bad-ink: #ffaca5; --refused: #4d3713; --refused-ink: #f3c678; --later: #262b30; } }
.lin-svg text { fill: var(--ink); } .lin-svg .client { fill: var(--faint); } .lin-svg .rule { stroke: var(--rule); }
.lin-svg .placed rect { fill: var(--placed); stroke: var(--placed-ink); } .lin-svg .later rect { fill: var(--later); stroke: var(--faint); }
.lin-svg .impossible rect { fill: var(--bad); stroke: var(--bad-ink); stroke-width: 2.5; } .lin-svg .impossible text { fill: var(--bad-ink); font-weight: 700; }
.lin-svg .refused rect { fill: var(--refused); stroke: var(--refused-ink); stroke-dasharray: 4 2; } .lin-svg .pending rect { stroke-dasharray: 1 3; }
.lin-svg .order { fill: none; stroke: var(--placed-ink); stroke-width: 1; stroke-dasharray: 2 3; opacity: .7; }
.lin-svg .point circle { fill: var(--placed-ink); } .lin-svg .point text { fill: var(--paper); font-size: 8px; text-anchor: middle; }
.lin-svg .cut { stroke: var(--bad-ink); stroke-width: 1.5; stroke-dasharray: 6 3; }
`

/**
 * Draws a part of a result as a self-contained SVG element. Everything that comes from the
 * history is escaped.
 */
export function renderSvg<State, Input, Output>(
  model: Model<State, Input, Output>,
  part: PartResult<Input, Output>,
  options: PictureOptions = {},
): string {
  const plan = layout(part, Math.max(1, options.maxOperations ?? 200))
  const words = (bar: Bar) =>
    inWords(model, part.operations[bar.operation] as Operation<Input, Output>)
  const widest = Math.max(0, ...plan.bars.map((bar) => labelEnd(bar, words(bar))))
  const width = Math.max(x(plan.columns) + margin, widest + margin)
  const height = margin * 2 + plan.rows.length * rowHeight
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" class="lin-svg" role="img" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">`,
    `<title>${escaped(titleOf(part, plan))}</title>`,
    `<style>${pictureStyle}</style>`,
    ...plan.rows.map((client, row) => lane(client, row, width)),
    cut(part, plan, height),
    ...plan.bars.map((bar) => drawBar(bar, words(bar))),
    drawOrder(plan),
    '</svg>',
  ].join('\n')
}

/** An operation in words, with its uncertainty. */
export function inWords<State, Input, Output>(
  model: Model<State, Input, Output>,
  operation: Operation<Input, Output>,
): string {
  const unknown = operation.return === undefined || operation.outcome === 'unknown'
  const words = describeOperation(model, operation.input, unknown ? undefined : operation.output)
  return unknown ? `${words} → ?` : words
}

function titleOf(part: PartResult, plan: Layout): string {
  const name = part.key === '' ? 'history' : `history of ${shortened(part.key, 80)}`
  const { before, after } = plan.hidden
  const hidden =
    before + after === 0 ? '' : ` (${before} operations before and ${after} after not shown)`
  return `${name}: ${part.verdict}, ${part.longest.length} of ${part.operations.length} operations in order${hidden}`
}

function x(column: number): number {
  return margin + laneLabelWidth + column * columnWidth
}

function y(row: number): number {
  return margin + row * rowHeight
}

function lane(client: string | number, row: number, width: number): string {
  const middle = y(row) + rowHeight / 2
  return (
    `<line class="rule" x1="${margin}" x2="${width - margin}" y1="${middle}" y2="${middle}"/>` +
    `<text class="client" x="${margin}" y="${middle + 4}">${escaped(shortened(String(client), 12))}</text>`
  )
}

function labelEnd(bar: Bar, words: string): number {
  return x(bar.from) + 8 + shortened(words, 60).length * characterWidth
}

function drawBar(bar: Bar, words: string): string {
  const top = y(bar.row) + (rowHeight - barHeight) / 2
  const left = x(bar.from)
  const width = Math.max(8, x(bar.to) - left)
  const room = Math.max(3, Math.floor((width - 10) / characterWidth))
  // An impossible step is read in full, even where its bar is short.
  const label = bar.role === 'impossible' ? shortened(words, 60) : shortened(words, room)
  const story = {
    placed: `number ${bar.point?.number ?? 0} in the order`,
    impossible: 'impossible: must come next, and cannot',
    refused: 'may come next by time, but the model refuses it',
    later: 'no place in the order',
  }[bar.role]
  return (
    `<g${bar.role === 'impossible' ? ' id="impossible"' : ''} class="${bar.role}${bar.pending ? ' pending' : ''}"><title>${escaped(`${words} (${story})`)}</title>` +
    `<rect x="${left}" y="${top}" width="${width}" height="${barHeight}" rx="3"/>` +
    `<text x="${left + 5}" y="${top + 14}">${escaped(label)}</text></g>`
  )
}

function pointOf(bar: Bar): { readonly px: number; readonly py: number } | undefined {
  if (bar.point === undefined) return undefined
  return { px: x(bar.point.at) + 10, py: y(bar.row) + (rowHeight + barHeight) / 2 }
}

function drawOrder({ bars }: Layout): string {
  const inOrder = bars
    .filter(({ point }) => point !== undefined)
    .sort((a, b) => (a.point?.number ?? 0) - (b.point?.number ?? 0))
  const points = inOrder.map((bar) => ({ number: bar.point?.number ?? 0, ...pointOf(bar) }))
  const path = points.map(({ px, py }) => `${px ?? 0},${py ?? 0}`).join(' ')
  const dots = points.map(
    ({ number, px, py }) =>
      `<g class="point"><circle cx="${px ?? 0}" cy="${py ?? 0}" r="8"/>` +
      `<text x="${px ?? 0}" y="${(py ?? 0) + 3}">${number}</text></g>`,
  )
  return `<polyline class="order" points="${path}"/>${dots.join('')}`
}

/** The moment before which the impossible step had to happen. */
function cut(part: PartResult, plan: Layout, height: number): string {
  const bar = plan.bars.find(({ operation }) => operation === part.impossible?.operation)
  if (bar === undefined) return ''
  return `<line class="cut" x1="${x(bar.to)}" x2="${x(bar.to)}" y1="${margin / 2}" y2="${height - margin / 2}"/>`
}
