// A picture of a ring: who owns which arcs. Plain SVG text, for a page, a document or a
// dashboard; it needs no browser to be made and no style sheet to be seen.
import type { NodeId } from '@quorate/core'
import type { Arc, HashRing } from './hash-ring.ts'
import type { Placement } from './placement.ts'
import type { ShardTable } from './shard-table.ts'

const CIRCLE = 4_294_967_296

/** What {@link ringSvg} may be told. */
export interface RingSvgOptions {
  /** Width and height of the ring in pixels, at least 80; the legend adds to the width. Default: 320. */
  readonly size?: number | undefined
  /** Colours by member; others get one of a fixed palette, by their order. Default: none. */
  readonly colors?: Readonly<Record<NodeId, string>> | undefined
  /** Members to draw strongly, the others pale. Default: all strongly. */
  readonly highlight?: readonly NodeId[] | undefined
  /** Positions on the circle to mark, with a label each. Default: none. */
  readonly marks?: readonly RingMark[] | undefined
  /** Whether to list the members with their shares beside the ring. Default: true. */
  readonly legend?: boolean | undefined
  /** The title, which screen readers read. Default: how many members own the ring. */
  readonly title?: string | undefined
}

/** A marked position on the circle. */
export interface RingMark {
  /** The position, 0 to 2^32 - 1; see {@link HashRing.position}. */
  readonly position: number
  /** What to write beside it. */
  readonly label: string
}

// Okabe and Ito's palette, which people with any colour vision can tell apart.
const PALETTE = ['#0072b2', '#e69f00', '#009e73', '#cc79a7', '#56b4e9', '#d55e00', '#b3a400']

/** Draws a ring of virtual nodes, or a table of shards as equal arcs of their leaders. */
export function ringSvg(ring: HashRing | ShardTable, options: RingSvgOptions = {}): string {
  const size = Math.max(80, options.size ?? 320)
  const arcs = ring.kind === 'ring' ? ring.ranges() : tableArcs(ring)
  const legend = options.legend ?? true
  const rows = ring.members.length
  const width = size + (legend ? 190 : 0)
  const height = Math.max(size, legend ? rows * 18 + 24 : 0)
  const title = options.title ?? `A ring owned by ${rows} ${rows === 1 ? 'member' : 'members'}`
  const color = colorOf(ring, options)
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" font-family="system-ui, sans-serif" font-size="12">`,
    `<title>${escape(title)}</title>`,
    ...arcs.map((arc) => arcPath(arc, size, color(arc.owner))),
    ...(options.marks ?? []).map((mark) => markPath(mark, size)),
    centre(ring, size),
    ...(legend ? legendRows(ring, size, color) : []),
    '</svg>',
  ]
  return parts.filter((part) => part !== '').join('\n')
}

function tableArcs(table: ShardTable): readonly Arc[] {
  const arcs: Arc[] = []
  for (let shard = 0; shard < table.shards; shard++) {
    const owner = table.leader(shard)
    if (owner === undefined) continue
    const start = Math.ceil((shard * CIRCLE) / table.shards)
    const end = Math.ceil(((shard + 1) * CIRCLE) / table.shards) - 1
    arcs.push({ owner, start, end, length: end - start + 1 })
  }
  return arcs
}

interface Paint {
  readonly fill: string
  readonly opacity: string
}

function colorOf(ring: Placement, options: RingSvgOptions): (id: NodeId) => Paint {
  const order = new Map(ring.members.map((member, i) => [member.id, i]))
  const strong = options.highlight === undefined ? undefined : new Set(options.highlight)
  return (id) => {
    const index = order.get(id) ?? 0
    // Past the palette the same hues come again, lighter each time.
    const round = Math.floor(index / PALETTE.length)
    const shade = strong === undefined || strong.has(id) ? 1 - 0.25 * Math.min(round, 3) : 0.15
    const fill = options.colors?.[id] ?? PALETTE[index % PALETTE.length]!
    return { fill: escape(fill), opacity: shade.toFixed(2) }
  }
}

function at(position: number, radius: number, size: number): string {
  const angle = (position / CIRCLE) * 2 * Math.PI - Math.PI / 2
  const x = size / 2 + radius * Math.cos(angle)
  const y = size / 2 + radius * Math.sin(angle)
  return `${x.toFixed(2)} ${y.toFixed(2)}`
}

function arcPath(arc: Arc, size: number, { fill, opacity }: Paint): string {
  const outer = size * 0.44
  const inner = size * 0.31
  const share = `${escape(arc.owner)}: ${percent(arc.length / CIRCLE)}`
  const paint = `fill="${fill}" fill-opacity="${opacity}"`
  if (arc.length > CIRCLE * 0.9999) {
    const middle = (outer + inner) / 2
    const stroke = `stroke="${fill}" stroke-opacity="${opacity}" stroke-width="${(outer - inner).toFixed(2)}"`
    return `<circle cx="${size / 2}" cy="${size / 2}" r="${middle.toFixed(2)}" fill="none" ${stroke}><title>${share}</title></circle>`
  }
  const end = arc.start + arc.length
  const large = arc.length > CIRCLE / 2 ? 1 : 0
  const path = [
    `M ${at(arc.start, outer, size)}`,
    `A ${outer.toFixed(2)} ${outer.toFixed(2)} 0 ${large} 1 ${at(end, outer, size)}`,
    `L ${at(end, inner, size)}`,
    `A ${inner.toFixed(2)} ${inner.toFixed(2)} 0 ${large} 0 ${at(arc.start, inner, size)}`,
    'Z',
  ]
  return `<path d="${path.join(' ')}" ${paint}><title>${share}</title></path>`
}

function markPath(mark: RingMark, size: number): string {
  const line = `<path d="M ${at(mark.position, size * 0.28, size)} L ${at(mark.position, size * 0.46, size)}" stroke="currentColor" stroke-width="1.5"/>`
  const [x, y] = at(mark.position, size * 0.24, size).split(' ')
  return `${line}<text x="${x}" y="${y}" text-anchor="middle" dominant-baseline="middle" fill="currentColor">${escape(mark.label)}</text>`
}

function centre(ring: HashRing | ShardTable, size: number): string {
  const { peakToMean } = ring.stats()
  const text = ring.members.length === 0 ? 'empty' : `peak ${peakToMean.toFixed(3)}`
  const line = (y: number, value: string): string =>
    `<text x="${size / 2}" y="${y}" text-anchor="middle" fill="currentColor">${value}</text>`
  return line(size / 2 - 4, `version ${ring.version}`) + line(size / 2 + 14, text)
}

function legendRows(
  ring: HashRing | ShardTable,
  size: number,
  color: (id: NodeId) => Paint,
): readonly string[] {
  return [...ring.ownership()].map(([id, share], i) => {
    const y = 20 + i * 18
    const { fill, opacity } = color(id)
    const box = `<rect x="${size + 8}" y="${y - 10}" width="12" height="12" rx="2" fill="${fill}" fill-opacity="${opacity}"/>`
    return `${box}<text x="${size + 26}" y="${y}" fill="currentColor">${escape(id)} ${percent(share)}</text>`
  })
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`
}

function escape(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
