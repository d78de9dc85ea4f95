// Draws a recorded run: a lane for each host, time from left to right, frames as slanted lines, and
// where a promise was broken. One HTML page that needs nothing else.
import type { NodeId } from '@quorate/core'
import type { RecordedEvent, Recording } from './recording.ts'

/** What is drawn. */
export interface DiagramOptions {
  /** Where the picture begins, in simulated milliseconds. Default: 2,000 before its end. */
  readonly fromMs?: number | undefined
  /** Where it ends. Default: a little after the failure, or with the run. */
  readonly toMs?: number | undefined
  /** The heading. Default: the failure. */
  readonly title?: string | undefined
}

const LANE = 90
const TOP = 60
const LEFT = 70
const PIXELS_PER_MS = 0.9
const FRAMES_MAX = 4_000
const LINES_MAX = 200

/** A page with the space-time diagram of a recording and the last things that happened. */
export function diagram(recording: Recording, options: DiagramOptions = {}): string {
  const title = options.title ?? recording.failure?.text ?? 'A simulated run'
  const { fromMs, toMs } = windowOf(recording, options)
  const shown = recording.events.filter(({ atMs }) => atMs >= fromMs && atMs <= toMs)
  const lines = shown.slice(-LINES_MAX).map(lineOf).join('\n')
  return `<!doctype html>
<meta charset="utf-8">
<title>${escape(title)}</title>
<style>
body { font: 14px system-ui, sans-serif; margin: 1.5rem }
svg text { font: 11px ui-monospace, monospace }
pre { background: #f4f4f4; padding: 1rem; overflow-x: auto }
.figure { overflow-x: auto; border: 1px solid #ccc }
</style>
<h1>${escape(title)}</h1>
<p>From ${fromMs.toFixed(1)} ms to ${toMs.toFixed(1)} ms. Grey: down. Dashed red: a frame that did not arrive.</p>
<div class="figure">
${spaceTime(recording, { fromMs, toMs })}
</div>
<script>
// What went wrong is at the end.
const figure = document.querySelector('.figure')
figure.scrollLeft = figure.scrollWidth
</script>
<pre>
${lines}
</pre>
`
}

/** The picture alone, as SVG. */
export function spaceTime(recording: Recording, options: DiagramOptions = {}): string {
  const { fromMs, toMs } = windowOf(recording, options)
  const x = (ms: number): number =>
    LEFT + (Math.min(Math.max(ms, fromMs), toMs) - fromMs) * PIXELS_PER_MS
  const y = (id: NodeId): number => TOP + recording.hosts.indexOf(id) * LANE
  const longest = Math.max(...recording.hosts.map((id) => id.length))
  const width = Math.ceil(x(toMs)) + 40 + 7 * longest
  const height = TOP + recording.hosts.length * LANE
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    ...ticks(fromMs, toMs, x, height),
    ...recording.hosts.flatMap((id) => lane(recording, id, fromMs, toMs, x, y(id))),
    ...frames(recording, fromMs, toMs, x, y),
    ...failureLine(recording, x, height),
    '</svg>',
  ]
  return parts.join('\n')
}

function windowOf(
  recording: Recording,
  options: DiagramOptions,
): { readonly fromMs: number; readonly toMs: number } {
  const last = Math.max(
    recording.events.at(-1)?.atMs ?? 0,
    recording.frames.at(-1)?.sentMs ?? 0,
    recording.failure?.atMs ?? 0,
  )
  const toMs =
    options.toMs ?? (recording.failure === undefined ? last : recording.failure.atMs + 20)
  return { fromMs: options.fromMs ?? Math.max(0, toMs - 2_000), toMs }
}

function ticks(fromMs: number, toMs: number, x: (ms: number) => number, height: number): string[] {
  const step = 100
  const out: string[] = []
  for (let ms = Math.ceil(fromMs / step) * step; ms <= toMs; ms += step) {
    out.push(`<line x1="${x(ms)}" y1="20" x2="${x(ms)}" y2="${height}" stroke="#eee"/>`)
    out.push(`<text x="${x(ms)}" y="14" text-anchor="middle" fill="#888">${ms}</text>`)
  }
  return out
}

function lane(
  recording: Recording,
  id: NodeId,
  fromMs: number,
  toMs: number,
  x: (ms: number) => number,
  y: number,
): string[] {
  const out = [
    `<text x="8" y="${y + 4}" font-weight="bold">${escape(id)}</text>`,
    `<line x1="${LEFT}" y1="${y}" x2="${x(toMs)}" y2="${y}" stroke="#333"/>`,
    // Once more where the page opens: at the end.
    `<text x="${x(toMs) + 8}" y="${y + 4}" font-weight="bold">${escape(id)}</text>`,
  ]
  let downSince: number | undefined
  let label = 0
  for (const event of recording.events) {
    if (event.host !== id || event.atMs > toMs) continue
    if (event.kind === 'down') downSince = event.atMs
    if (event.kind === 'up' && downSince !== undefined) {
      if (event.atMs >= fromMs) out.push(downBar(x(downSince), x(event.atMs), y))
      downSince = undefined
    }
    if (event.atMs < fromMs || (event.kind !== 'role' && event.kind !== 'fault')) continue
    const fill = event.kind === 'role' ? '#0a5' : '#c50'
    const text = event.kind === 'role' ? event.text : faultName(event.text)
    const at = y + 16 + (label++ % 4) * 13
    out.push(
      `<circle cx="${x(event.atMs)}" cy="${y}" r="4" fill="${fill}"><title>${escape(event.text)}</title></circle>`,
    )
    out.push(`<text x="${x(event.atMs)}" y="${at}" fill="${fill}">${escape(text)}</text>`)
  }
  if (downSince !== undefined) out.push(downBar(x(downSince), x(toMs), y))
  return out
}

function downBar(from: number, to: number, y: number): string {
  return `<rect x="${from}" y="${y - 5}" width="${Math.max(1, to - from)}" height="10" fill="#999"/>`
}

function frames(
  recording: Recording,
  fromMs: number,
  toMs: number,
  x: (ms: number) => number,
  y: (id: NodeId) => number,
): string[] {
  return recording.frames
    .filter(({ sentMs, arrivedMs }) => sentMs <= toMs && (arrivedMs ?? sentMs) >= fromMs)
    .slice(-FRAMES_MAX)
    .map(({ sentMs, arrivedMs, from, to, bytes }) => {
      const ends = arrivedMs ?? sentMs + 15
      const style =
        arrivedMs === undefined ? 'stroke="#d22" stroke-dasharray="3 2"' : 'stroke="#48c"'
      const share = arrivedMs === undefined ? 0.4 : 1
      const yTo = y(from) + (y(to) - y(from)) * share
      return `<line x1="${x(sentMs)}" y1="${y(from)}" x2="${x(ends)}" y2="${yTo}" ${style} stroke-opacity="0.5"><title>${escape(from)} to ${escape(to)}, ${bytes} bytes, ${sentMs.toFixed(3)} ms</title></line>`
    })
}

function failureLine(recording: Recording, x: (ms: number) => number, height: number): string[] {
  const { failure } = recording
  if (failure === undefined) return []
  const at = x(failure.atMs)
  return [
    `<line x1="${at}" y1="20" x2="${at}" y2="${height}" stroke="#d00" stroke-width="2"><title>${escape(failure.text)}</title></line>`,
  ]
}

function faultName(text: string): string {
  return /"kind":"([a-z-]+)"/.exec(text)?.[1] ?? text
}

function lineOf({ atMs, host, text }: RecordedEvent): string {
  return escape(`${atMs.toFixed(3).padStart(12)}  ${(host ?? '-').padEnd(4)} ${text}`)
}

function escape(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
