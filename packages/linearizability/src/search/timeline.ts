// The order of a part's calls and returns as arrays of integers: which operation may come next
// depends on nothing else. A call and a return at one time are concurrent: calls sort first.
import type { Operation } from '../history.ts'
import type { Model } from '../model.ts'
import { identity } from './identity.ts'
import { isPending, type Part } from './prepare.ts'

/** A part of a history, ready to be searched. Completed operations come first, by call. */
export interface Timeline<Input, Output> {
  /** Completed operations by call, then pending ones by call. */
  readonly operations: readonly Operation<Input, Output>[]
  /** Position in the part's `operations`, for each of the above. */
  readonly positions: Int32Array
  /** How many of them completed. */
  readonly completed: number
  /** When each was called: its place among all calls and returns. */
  readonly callAt: Int32Array
  /** When the completed operation with this rank returned, by rank. */
  readonly returnAt: Int32Array
  /** Rank of each completed operation by its return. */
  readonly rank: Int32Array
  /** 1 for a completed operation that changes no state. */
  readonly readOnly: Uint8Array
  /**
   * An interchangeable operation that may go first wherever this one may (-1 if none): same
   * input and output, called no later, returned no later.
   */
  readonly twin: Int32Array
}

/** Orders a part. */
export function timeline<State, Input, Output>(
  model: Model<State, Input, Output>,
  part: Part<Input, Output>,
): Timeline<Input, Output> {
  const pending = part.operations.map(isPending)
  const all = part.operations.map((_, position) => position)
  const positions = Int32Array.from([
    ...all.filter((position) => pending[position] === false),
    ...all.filter((position) => pending[position] === true),
  ])
  const operations = Array.from(
    positions,
    (position) => part.operations[position] as Operation<Input, Output>,
  )
  const completed = pending.filter((isUnknown) => !isUnknown).length
  const order = orderEvents(operations, completed)
  const readOnly = new Uint8Array(completed)
  for (let i = 0; i < completed; i++) {
    const { input, output } = operations[i] as Operation<Input, Output>
    if (model.readOnly?.(input, output) === true) readOnly[i] = 1
  }
  const twin = findTwins(operations, completed, order)
  return { operations, positions, completed, ...order, readOnly, twin }
}

interface Order {
  readonly callAt: Int32Array
  readonly returnAt: Int32Array
  readonly rank: Int32Array
}

function orderEvents(operations: readonly Operation[], completed: number): Order {
  const count = operations.length
  const times = new Float64Array(count + completed)
  for (const [i, operation] of operations.entries()) {
    times[i] = operation.call
    if (i < completed) times[count + i] = operation.return as number
  }
  // Events below `count` are calls; the others are returns.
  const events = Int32Array.from(times.keys()).sort((a, b) => {
    const ta = times[a] as number
    const tb = times[b] as number
    if (ta !== tb) return ta < tb ? -1 : 1
    return a - b
  })
  const callAt = new Int32Array(count)
  const returnAt = new Int32Array(completed)
  const rank = new Int32Array(completed)
  let returned = 0
  for (const [time, event] of events.entries()) {
    if (event < count) {
      callAt[event] = time
    } else {
      rank[event - count] = returned
      returnAt[returned] = time
      returned += 1
    }
  }
  return { callAt, returnAt, rank }
}

function findTwins(
  operations: readonly Operation[],
  completed: number,
  order: Order,
): Int32Array {
  const twin = new Int32Array(operations.length).fill(-1)
  const latest = new Map<string, number[]>()
  for (const [i, operation] of operations.entries()) {
    const input = identity(operation.input)
    const output = i < completed ? identity(operation.output) : '?'
    if (input === undefined || output === undefined) continue
    const kind = `${i < completed ? 'c' : 'p'}${input}→${output}`
    const others = latest.get(kind)
    if (others === undefined) {
      latest.set(kind, [i])
    } else {
      // Those before `i` were called no later; pending ones never return.
      const found = others.findLast(
        (other) => i >= completed || (order.rank[other] as number) < (order.rank[i] as number),
      )
      if (found !== undefined) twin[i] = found
      others.push(i)
    }
  }
  return twin
}
