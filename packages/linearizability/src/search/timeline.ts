// The order of a part's calls and returns as arrays of integers: which operation may come next
// depends on nothing else. A call and a return at one time are concurrent: calls sort first.
import type { Operation } from '../history.ts'
import type { Model } from '../model.ts'
import { identity } from './identity.ts'
import { isPending, type Part } from './prepare.ts'

// Later than every event.
const never = 2 ** 31 - 1

/** A part of a history, ready to be searched. Completed operations come first, by call. */
export interface Timeline<Input, Output> {
  /** Completed operations by call, then those that may have no place, by call. */
  readonly operations: readonly Operation<Input, Output>[]
  /** Position in the part's `operations`, for each of the above. */
  readonly positions: Int32Array
  /** How many of them completed. */
  readonly completed: number
  /** When each was called: its place among all calls and returns. */
  readonly callAt: Int32Array
  /** When the completed operation with this rank returned, by rank. */
  readonly returnAt: Int32Array
  /** When each operation that may have no place can have none any more: its return, or never. */
  readonly expireAt: Int32Array
  /** Whether any of them returns. */
  readonly expires: boolean
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

/**
 * Orders a part. Operations at the positions in `optional` are free to have happened, with any
 * answer, or not; if they did, then between their call and their return.
 */
export function timeline<State, Input, Output>(
  model: Model<State, Input, Output>,
  part: Part<Input, Output>,
  optional: ReadonlySet<number> = new Set(),
): Timeline<Input, Output> {
  const pending = part.operations.map((one, at) => optional.has(at) || isPending(one))
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
  const expires = order.expireAt.some((at) => at !== never)
  const twin = findTwins(operations, completed, order)
  return { operations, positions, completed, ...order, expires, readOnly, twin }
}

interface Order {
  readonly callAt: Int32Array
  readonly expireAt: Int32Array
  readonly returnAt: Int32Array
  readonly rank: Int32Array
}

function orderEvents(operations: readonly Operation[], completed: number): Order {
  const count = operations.length
  const times = Float64Array.from([
    ...operations.map(({ call }) => call),
    ...operations.map((one, i) =>
      i >= completed && isPending(one) ? Infinity : (one.return ?? 0),
    ),
  ])
  // Events below `count` are calls, the others returns; at one time, calls come first.
  const events = Int32Array.from(times.keys()).sort((a, b) => {
    const ta = times[a] as number
    const tb = times[b] as number
    return ta === tb ? a - b : ta < tb ? -1 : 1
  })
  const callAt = new Int32Array(count)
  const expireAt = new Int32Array(count - completed).fill(never)
  const returnAt = new Int32Array(completed)
  const rank = new Int32Array(completed)
  let returned = 0
  for (const [time, event] of events.entries()) {
    const operation = event - count
    if (operation < 0) {
      callAt[event] = time
    } else if (operation < completed) {
      rank[operation] = returned
      returnAt[returned] = time
      returned += 1
    } else if (times[event] !== Infinity) {
      expireAt[operation - completed] = time
    }
  }
  return { callAt, expireAt, returnAt, rank }
}

function findTwins(operations: readonly Operation[], completed: number, order: Order): Int32Array {
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
      // Those before `i` were called no later.
      const found = others.findLast((other) =>
        i >= completed
          ? (order.expireAt[other - completed] as number) <=
            (order.expireAt[i - completed] as number)
          : (order.rank[other] as number) < (order.rank[i] as number),
      )
      if (found !== undefined) twin[i] = found
      others.push(i)
    }
  }
  return twin
}
