// From a failing history of thousands of operations to the handful that cannot be: delta debugging
// (Zeller and Hildebrandt 2002) in which every reduction keeps the proof.
import type { Operation } from './history.ts'
import { check, type Cancellation } from './check.ts'
import type { Model } from './model.ts'
import { MemoryBudget } from './search/memory.ts'
import { isPending, prepare, type Part } from './search/prepare.ts'
import { Search } from './search/search.ts'
import { timeline } from './search/timeline.ts'

/** Options of {@link shrink}. */
export interface ShrinkOptions {
  /** Steps for the first check of the whole history. Default 100 million. */
  readonly maxSteps?: number | undefined
  /** Steps for one trial; an operation whose trial needs more is kept. Default 25,000. */
  readonly maxStepsPerTrial?: number | undefined
  /** Steps for all trials; then what is left is returned. Default 20 million. */
  readonly maxTrialSteps?: number | undefined
  /** Memory of one search, in bytes. Default 256 MiB. */
  readonly maxMemoryBytes?: number | undefined
  /** Stops shrinking; what is left by then is returned. */
  readonly signal?: Cancellation | undefined
}

/** A smaller history that fails for the same reason. */
export interface ShrinkResult<Input = unknown, Output = unknown> {
  /** The operations that are left, by call. Illegal on their own. */
  readonly history: readonly Operation<Input, Output>[]
  /** Where each stood in the history that was given. */
  readonly indices: readonly number[]
  /**
   * Positions in `history` of the operations that prove it illegal on their own. The others are
   * context: they explain what one of these saw.
   */
  readonly core: readonly number[]
  /** Whether it is certain that no operation of the core can be left out (no budget ran out). */
  readonly minimal: boolean
  /** Histories tried. */
  readonly trials: number
}

const defaultMaxMemoryBytes = 256 * 1024 * 1024

/**
 * Leaves out operations of an illegal history as long as the rest proves that the whole is illegal.
 *
 * An operation that is left out counts as optional in every trial: it may have happened within
 * its interval, with any answer, or not at all. So what remains is a reason why the history that
 * was given is not linearizable, and never one that leaving out has made: two reads of which
 * either could be explained, but not both. What explains either, such as the writes that they saw,
 * is then put back as context. The end of the history after the first impossible step is cut off;
 * an operation that was running then has no answer any more.
 *
 * Returns `undefined` if the history was not found illegal within the budget.
 *
 * @throws TypeError as `check` does.
 */
export function shrink<State, Input, Output>(
  model: Model<State, Input, Output>,
  history: readonly Operation<NoInfer<Input>, NoInfer<Output>>[],
  options: ShrinkOptions = {},
): ShrinkResult<Input, Output> | undefined {
  const { maxSteps, maxMemoryBytes, signal } = options
  const { illegal } = check(model, history, { maxSteps, maxMemoryBytes, signal })
  if (illegal === undefined) return undefined
  const part = prepare(model, history).parts.find(({ key }) => key === illegal.key)
  return part && new Shrinker(model, cutAfter(model, part, illegal, options), options).run()
}

/** The part up to the return of the operation that was found impossible, if that is illegal too. */
function cutAfter<State, Input, Output>(
  model: Model<State, Input, Output>,
  part: Part<Input, Output>,
  illegal: { readonly impossible?: { readonly operation: number } | undefined },
  options: ShrinkOptions,
): Part<Input, Output> {
  const ends = part.operations
    .flatMap((one) => (isPending(one) ? [] : [one.return as number]))
    .sort((a, b) => a - b)
  const at = illegal.impossible?.operation ?? -1
  const suspect = ends.indexOf(part.operations[at]?.return ?? Infinity)
  let best = part
  let low = 0
  let high = ends.length - 1
  // Linearizability is closed under prefixes, so the shortest illegal one is found by halving.
  for (let middle = suspect === -1 ? high : suspect; low < high; middle = (low + high) >> 1) {
    const shorter = prefix(model, part, ends[Math.min(middle, high - 1)] as number)
    if (decide(model, shorter, new Set(), options).illegal) {
      best = shorter
      high = Math.min(middle, high - 1)
    } else {
      low = Math.min(middle, high - 1) + 1
    }
  }
  return best
}

function prefix<State, Input, Output>(
  model: Model<State, Input, Output>,
  part: Part<Input, Output>,
  end: number,
): Part<Input, Output> {
  const operations: Operation<Input, Output>[] = []
  const indices: number[] = []
  for (const [at, operation] of part.operations.entries()) {
    if (operation.call > end) continue
    const answered = !isPending(operation) && (operation.return as number) <= end
    if (!answered && model.readOnly?.(operation.input, undefined) === true) continue
    const { client, input, call } = operation
    operations.push(answered ? operation : { client, input, call })
    indices.push(part.indices[at] as number)
  }
  return { key: part.key, operations, indices }
}

interface Decision {
  readonly illegal: boolean
  /** An order, as positions in the part, where there is one. */
  readonly order: readonly number[] | undefined
  readonly steps: number
}

function decide<State, Input, Output>(
  model: Model<State, Input, Output>,
  part: Part<Input, Output>,
  optional: ReadonlySet<number>,
  options: ShrinkOptions,
): Decision {
  const memory = new MemoryBudget(options.maxMemoryBytes ?? defaultMaxMemoryBytes)
  const search = new Search(model, timeline(model, part, optional), memory)
  const status = search.run(options.maxStepsPerTrial ?? 25_000)
  search.release()
  return {
    illegal: status === 'impossible',
    order: status === 'linearizable' ? search.longest() : undefined,
    steps: search.steps,
  }
}

class Shrinker<State, Input, Output> {
  readonly #model: Model<State, Input, Output>
  readonly #part: Part<Input, Output>
  readonly #options: ShrinkOptions
  readonly #changing: readonly number[]
  #stepsLeft: number
  #trials = 0
  // Whether a trial of the current pass was not decided.
  #unsure = false

  constructor(
    model: Model<State, Input, Output>,
    part: Part<Input, Output>,
    options: ShrinkOptions,
  ) {
    this.#model = model
    this.#part = part
    this.#options = options
    // What changes nothing in any case explains nothing: left out, it is not even optional.
    this.#changing = [...part.operations.keys()].filter((at) => {
      const one = part.operations[at] as Operation<Input, Output>
      const reads = (output: Output | undefined) => model.readOnly?.(one.input, output) === true
      return !reads(undefined) && (isPending(one) || !reads(one.output))
    })
    this.#stepsLeft = options.maxTrialSteps ?? 20_000_000
  }

  run(): ShrinkResult<Input, Output> {
    const { operations, indices } = this.#part
    let kept = [...operations.keys()].filter((at) => !isPending(operations[at] as Operation))
    let minimal = false
    for (let size = Math.ceil(kept.length / 2); !this.#mustStop();) {
      const smaller = this.#withoutChunks(kept, size)
      if (smaller !== undefined) {
        kept = smaller
        size = Math.min(size, Math.max(1, Math.ceil(kept.length / 2)))
      } else if (size > 1) {
        size = Math.ceil(size / 2)
      } else {
        minimal = !this.#mustStop() && !this.#unsure
        break
      }
    }
    const shown = [...kept, ...this.#contextOf(kept)].sort((a, b) => a - b)
    return {
      history: shown.map((at) => operations[at] as Operation<Input, Output>),
      indices: shown.map((at) => indices[at] as number),
      core: kept.map((at) => shown.indexOf(at)),
      minimal,
      trials: this.#trials,
    }
  }

  #mustStop(): boolean {
    return this.#stepsLeft <= 0 || this.#options.signal?.aborted === true
  }

  /** Removes every chunk of this size that can be removed in one pass; `undefined` if none can. */
  #withoutChunks(kept: readonly number[], size: number): number[] | undefined {
    this.#unsure = false
    let left = kept.slice()
    for (let from = 0; from < left.length && !this.#mustStop();) {
      const smaller = left.filter((_, at) => at < from || at >= from + size)
      if (smaller.length > 0 && this.#stillIllegal(smaller)) left = smaller
      else from += size
    }
    return left.length < kept.length ? left : undefined
  }

  #stillIllegal(kept: readonly number[]): boolean {
    const { illegal, order } = this.#try(kept, this.#changing)
    if (!illegal && order === undefined) this.#unsure = true
    return illegal
  }

  /** What gives the operations of a core a meaning: used by an order of all of them but one. */
  #contextOf(core: readonly number[]): readonly number[] {
    const inCore = new Set(core)
    let context: readonly number[] = []
    const explained: number[] = []
    for (const left of core) {
      const order = this.#orderWithout(core, left, this.#changing)
      if (order === undefined) continue
      explained.push(left)
      context = [...new Set([...context, ...order.filter((at) => !inCore.has(at))])]
    }
    for (const at of context.toSorted((a, b) => b - a)) {
      if (this.#mustStop()) break
      const fewer = context.filter((other) => other !== at)
      const isEnough = (left: number) => this.#orderWithout(core, left, fewer) !== undefined
      if (explained.every(isEnough)) context = fewer
    }
    return context
  }

  #orderWithout(
    core: readonly number[],
    left: number,
    optional: readonly number[],
  ): readonly number[] | undefined {
    return this.#try(
      core.filter((at) => at !== left),
      optional,
    ).order
  }

  /** Whether these operations, with any of the optional ones, have an order. */
  #try(kept: readonly number[], optional: readonly number[]): Decision {
    const { key, operations } = this.#part
    const inTrial = new Set(kept)
    const free = optional.filter((at) => !inTrial.has(at))
    const indices = [...kept, ...free].sort((a, b) => a - b)
    const part = {
      key,
      operations: indices.map((at) => operations[at] as Operation<Input, Output>),
      indices,
    }
    const positions = indices.flatMap((at, position) => (inTrial.has(at) ? [] : [position]))
    const decision = decide(this.#model, part, new Set(positions), this.#options)
    this.#trials += 1
    this.#stepsLeft -= decision.steps
    return { ...decision, order: decision.order?.map((position) => indices[position] as number) }
  }
}
