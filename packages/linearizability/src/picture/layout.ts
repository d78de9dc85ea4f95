// Where everything of a picture goes: a lane per client, columns for calls and returns in their
// order (not to scale: what matters is what overlaps), and a place for each point in the order found.
import type { Operation } from '../history.ts'
import { isPending } from '../search/prepare.ts'
import type { PartResult } from '../result.ts'

/** What an operation is in the story of the picture. */
export type Role = 'placed' | 'impossible' | 'refused' | 'later'

/** One operation in the picture. Columns are counted from 0. */
export interface Bar {
  /** Position in the part's operations. */
  readonly operation: number
  /** The row of its lane. */
  readonly row: number
  /** Column of its call. */
  readonly from: number
  /** Column of its return; one past the last column where it never returned. */
  readonly to: number
  /** Whether its outcome is unknown. */
  readonly pending: boolean
  /** What it is in the story. */
  readonly role: Role
  /** Its number in the order found, from 1, and the column of its point. */
  readonly point?: { readonly number: number; readonly at: number } | undefined
}

/** A picture before it is drawn. */
export interface Layout {
  /** The operations shown. */
  readonly bars: readonly Bar[]
  /** The client of each row; a client with overlapping operations has several. */
  readonly rows: readonly (string | number)[]
  /** Columns in use. */
  readonly columns: number
  /** Operations not shown, before and after. */
  readonly hidden: { readonly before: number; readonly after: number }
}

/** Lays out the operations around the end of the longest prefix, at most `maxOperations`. */
export function layout(part: PartResult, maxOperations: number): Layout {
  const shown = choose(part, maxOperations)
  const first = shown[0] ?? 0
  const last = shown.at(-1) ?? -1
  const columns = columnsOf(part.operations, shown)
  const rows = new Rows()
  const order = new Map(part.longest.map((operation, at) => [operation, at + 1]))
  const points = pointsOf(part, columns)
  const bars = shown.map((operation): Bar => {
    const { client } = part.operations[operation] as Operation
    const { from, to } = columns.get(operation) as Columns
    const number = order.get(operation)
    return {
      operation,
      row: rows.place(client, from, to),
      from,
      to,
      pending: isPending(part.operations[operation] as Operation),
      role: roleOf(part, operation, number !== undefined),
      ...(number === undefined ? {} : { point: { number, at: points.get(operation) ?? from } }),
    }
  })
  const { order: rowOrder, clients } = rows.byClient()
  return {
    bars: bars.map((bar) => ({ ...bar, row: rowOrder[bar.row] as number })),
    rows: clients,
    columns: columns.size === 0 ? 0 : Math.max(...bars.map(({ to }) => to)) + 1,
    hidden: { before: first, after: part.operations.length - 1 - last },
  }
}

interface Columns {
  readonly from: number
  readonly to: number
}

/** A run of operations, by call, that has the impossible step two thirds in. */
function choose(part: PartResult, maxOperations: number): number[] {
  const count = part.operations.length
  const centre = part.impossible?.operation ?? count - 1
  const from = Math.max(
    0,
    Math.min(centre - Math.floor((maxOperations * 2) / 3), count - maxOperations),
  )
  return Array.from({ length: Math.min(count - from, maxOperations) }, (_, at) => from + at)
}

function columnsOf(
  operations: readonly Operation[],
  shown: readonly number[],
): Map<number, Columns> {
  const events = shown.flatMap((operation) => {
    const { call, return: end } = operations[operation] as Operation
    const starts = { operation, time: call, isReturn: false }
    if (isPending(operations[operation] as Operation)) return [starts]
    return [starts, { operation, time: end as number, isReturn: true }]
  })
  events.sort((a, b) =>
    a.time === b.time ? Number(a.isReturn) - Number(b.isReturn) : a.time < b.time ? -1 : 1,
  )
  const columns = new Map<number, Columns>()
  for (const [at, { operation, isReturn }] of events.entries()) {
    const from = columns.get(operation)?.from ?? at
    columns.set(operation, { from, to: isReturn ? at : events.length })
  }
  return columns
}

/** The earliest column for each point that keeps the order: not before its call, nor the one before. */
function pointsOf(part: PartResult, columns: ReadonlyMap<number, Columns>): Map<number, number> {
  const points = new Map<number, number>()
  let at = 0
  for (const operation of part.longest) {
    const bar = columns.get(operation)
    if (bar === undefined) continue
    at = Math.max(at, bar.from)
    points.set(operation, at)
  }
  return points
}

function roleOf(part: PartResult, operation: number, placed: boolean): Role {
  if (placed) return 'placed'
  if (part.impossible?.operation === operation) return 'impossible'
  return part.impossible?.refused.includes(operation) === true ? 'refused' : 'later'
}

/** Gives each client a row, and a further one where its operations overlap. */
class Rows {
  readonly #clients: (string | number)[] = []
  readonly #ends: number[] = []

  place(client: string | number, from: number, to: number): number {
    const free = this.#clients.findIndex(
      (other, at) => other === client && (this.#ends[at] as number) < from,
    )
    const row = free === -1 ? this.#clients.push(client) - 1 : free
    this.#ends[row] = to
    return row
  }

  /** The rows with those of one client together, and where each row went. */
  byClient(): {
    readonly order: readonly number[]
    readonly clients: readonly (string | number)[]
  } {
    const first = new Map<string | number, number>()
    for (const [row, client] of this.#clients.entries()) {
      if (!first.has(client)) first.set(client, row)
    }
    const rank = (row: number) => first.get(this.#clients[row] as string | number) as number
    const sorted = [...this.#clients.keys()].sort((a, b) => rank(a) - rank(b) || a - b)
    const order: number[] = []
    for (const [at, row] of sorted.entries()) order[row] = at
    return { order, clients: sorted.map((row) => this.#clients[row] as string | number) }
  }
}
