// The check of a whole history: its parts take turns, small ones first, each with a budget that
// doubles every round and a search that goes on where it stopped. One illegal part settles all.
import type { Operation } from './history.ts'
import type { Model } from './model.ts'
import type { CheckResult, PartResult, UnknownReason, Verdict } from './result.ts'
import { explain } from './search/explain.ts'
import { MemoryBudget } from './search/memory.ts'
import { prepare, type Part, type Prepared } from './search/prepare.ts'
import { Search, type SearchStatus } from './search/search.ts'
import { timeline } from './search/timeline.ts'

/** What can stop a check from outside. An `AbortSignal` is one. */
export interface Cancellation {
  /** Becomes true when the check should stop. */
  readonly aborted: boolean
}

/** Options of {@link check}. */
export interface CheckOptions {
  /** Steps of the search before the answer is `'Unknown'`. Default 100 million. */
  readonly maxSteps?: number | undefined
  /** Memory of the search before a part becomes `'Unknown'`, in bytes. Default 256 MiB. */
  readonly maxMemoryBytes?: number | undefined
  /** Time before the answer is `'Unknown'`, in the unit of `now`. Needs `now`. Default: no limit. */
  readonly maxTime?: number | undefined
  /** A clock that never goes back, such as `() => performance.now()`. */
  readonly now?: (() => number) | undefined
  /** Stops the check; the answer is then `'Unknown'` unless a part was illegal already. */
  readonly signal?: Cancellation | undefined
  /** Whether to go on after a part was found illegal, until all are decided. Default false. */
  readonly decideAll?: boolean | undefined
}

/** A check that is done piece by piece, for callers that have other things to do meanwhile. */
export interface Checker<Input = unknown, Output = unknown> {
  /** Whether the verdict is final. */
  readonly done: boolean
  /**
   * Goes on for about this many steps. Returns {@link Checker.done}.
   *
   * @throws TypeError if `steps` is not a positive number.
   */
  run(steps: number): boolean
  /** The answer so far; what is not decided is `'Unknown'`. Ends the check and frees its memory. */
  finish(): CheckResult<Input, Output>
}

/** Options of {@link checkAsync}. */
export interface CheckAsyncOptions extends CheckOptions {
  /**
   * Called between slices and awaited: lets timers, sockets and the signal have their turn.
   * In Node, `() => setImmediate()` of `node:timers/promises`.
   */
  readonly pause: () => PromiseLike<unknown>
  /** Steps between two pauses. Default 20,000, some milliseconds. */
  readonly sliceSteps?: number | undefined
}

const defaultMaxSteps = 100_000_000
const defaultMaxMemoryBytes = 256 * 1024 * 1024
const firstBudget = 1024
const sliceSteps = 4096

/**
 * Decides whether a history is linearizable with respect to a model.
 *
 * The answer is exact: `'Ok'` and `'Illegal'` are proofs, and everything that could make the
 * check give up makes it answer `'Unknown'`. The same history, model and step budget give the
 * same answer everywhere.
 *
 * @throws TypeError if an operation has no shape that the model knows, or an option is wrong.
 */
export function check<State, Input, Output>(
  model: Model<State, Input, Output>,
  history: readonly Operation<NoInfer<Input>, NoInfer<Output>>[],
  options: CheckOptions = {},
): CheckResult<Input, Output> {
  const running = createChecker(model, history, options)
  while (!running.run(sliceSteps));
  return running.finish()
}

/**
 * As {@link check}, but lets others run between slices, so that a signal can arrive.
 *
 * @throws TypeError as {@link check} does (the promise rejects).
 */
export async function checkAsync<State, Input, Output>(
  model: Model<State, Input, Output>,
  history: readonly Operation<NoInfer<Input>, NoInfer<Output>>[],
  options: CheckAsyncOptions,
): Promise<CheckResult<Input, Output>> {
  const running = createChecker(model, history, options)
  const slice = options.sliceSteps ?? 20_000
  while (!running.run(slice)) await options.pause()
  return running.finish()
}

/**
 * Prepares a check without running it.
 *
 * @throws TypeError as {@link check} does.
 */
export function createChecker<State, Input, Output>(
  model: Model<State, Input, Output>,
  history: readonly Operation<NoInfer<Input>, NoInfer<Output>>[],
  options: CheckOptions = {},
): Checker<Input, Output> {
  return new Rounds(model, history, options)
}

interface Lane<State, Input, Output> {
  readonly part: Part<Input, Output>
  readonly search: Search<State, Input, Output>
}

class Rounds<State, Input, Output> implements Checker<Input, Output> {
  readonly #model: Model<State, Input, Output>
  readonly #prepared: Prepared<Input, Output>
  readonly #historyLength: number
  readonly #memory: MemoryBudget
  readonly #maxSteps: number
  readonly #deadline: number
  readonly #options: CheckOptions
  readonly #lanes: Lane<State, Input, Output>[]
  #waiting: Lane<State, Input, Output>[]
  #turn = 0
  #budget = firstBudget
  #left = firstBudget
  #steps = 0
  #stopped: UnknownReason | undefined
  #illegal: Lane<State, Input, Output> | undefined

  constructor(
    model: Model<State, Input, Output>,
    history: readonly Operation<Input, Output>[],
    options: CheckOptions,
  ) {
    this.#model = model
    this.#historyLength = history.length
    this.#options = options
    this.#maxSteps = positive('maxSteps', options.maxSteps ?? defaultMaxSteps)
    this.#memory = new MemoryBudget(
      positive('maxMemoryBytes', options.maxMemoryBytes ?? defaultMaxMemoryBytes),
    )
    if (options.maxTime !== undefined && options.now === undefined) {
      throw new TypeError('maxTime needs now')
    }
    this.#deadline =
      options.maxTime === undefined
        ? Infinity
        : (options.now?.() ?? 0) + positive('maxTime', options.maxTime)
    this.#prepared = prepare(model, history)
    this.#lanes = this.#prepared.parts.map((part) => ({
      part,
      search: new Search(model, timeline(model, part), this.#memory),
    }))
    this.#waiting = this.#lanes.toSorted(
      (a, b) => a.part.operations.length - b.part.operations.length,
    )
  }

  get done(): boolean {
    return (
      this.#waiting.length === 0 ||
      this.#stopped !== undefined ||
      (this.#illegal !== undefined && this.#options.decideAll !== true)
    )
  }

  run(steps: number): boolean {
    let left = positive('steps', steps)
    while (left > 0 && !this.done) {
      this.#stopped = this.#mustStop()
      if (this.#stopped === undefined) left -= this.#slice(left)
    }
    return this.done
  }

  finish(): CheckResult<Input, Output> {
    const stopped = this.#stopped ?? (this.done ? 'skipped' : 'cancelled')
    const open = new Set(this.#waiting.filter(({ search }) => search.status === 'open'))
    for (const { search } of open) search.release()
    const parts = this.#lanes.map((lane) =>
      this.#result(lane, open.has(lane) ? stopped : undefined),
    )
    const illegal = this.#illegal && parts[this.#lanes.indexOf(this.#illegal)]
    const unknown = parts.find(({ verdict }) => verdict === 'Unknown')
    return {
      verdict: illegal !== undefined ? 'Illegal' : unknown !== undefined ? 'Unknown' : 'Ok',
      ...(illegal === undefined && unknown !== undefined ? { reason: unknown.reason } : {}),
      model: this.#model.name,
      parts,
      ...(illegal === undefined ? {} : { illegal }),
      operations: this.#historyLength,
      failed: this.#prepared.failed,
      unread: this.#prepared.unread,
      steps: this.#steps,
      peakBytes: this.#memory.peak,
    }
  }

  #mustStop(): UnknownReason | undefined {
    const { signal, now } = this.#options
    if (signal?.aborted === true) return 'cancelled'
    if (now !== undefined && now() >= this.#deadline) return 'time'
    if (this.#steps >= this.#maxSteps) return 'steps'
    return undefined
  }

  /** Lets the part whose turn it is search, within what the round, the caller and the check allow. */
  #slice(limit: number): number {
    const lane = this.#waiting[this.#turn] as Lane<State, Input, Output>
    const { search } = lane
    const before = search.steps
    const status = search.run(Math.min(limit, this.#left, this.#maxSteps - this.#steps))
    const spent = search.steps - before
    this.#steps += spent
    this.#left -= spent
    if (status !== 'open') {
      this.#waiting.splice(this.#turn, 1)
      if (status === 'impossible') this.#illegal ??= lane
      this.#left = this.#budget
    } else if (this.#left <= 0) {
      this.#turn += 1
      this.#left = this.#budget
    }
    if (this.#turn >= this.#waiting.length) {
      this.#turn = 0
      this.#budget *= 2
      this.#left = this.#budget
    }
    // A search that ends on its first look spends nothing; it still counts as a turn taken.
    return Math.max(spent, 1)
  }

  #result(
    { part, search }: Lane<State, Input, Output>,
    stopped: UnknownReason | undefined,
  ): PartResult<Input, Output> {
    const { verdict, reason } = verdictOf(search.status)
    const found = search.longest()
    const explanation = verdict === 'Illegal' ? explain(this.#model, part, found) : undefined
    return {
      key: part.key,
      verdict,
      ...(verdict === 'Unknown' ? { reason: stopped ?? reason } : {}),
      operations: part.operations,
      indices: part.indices,
      longest: explanation?.longest ?? found,
      ...(explanation === undefined ? {} : { impossible: explanation.impossible }),
      steps: search.steps,
      configurations: search.configurations,
    }
  }
}

function verdictOf(status: SearchStatus): { verdict: Verdict; reason?: UnknownReason } {
  switch (status) {
    case 'linearizable':
      return { verdict: 'Ok' }
    case 'impossible':
      return { verdict: 'Illegal' }
    case 'out-of-memory':
      return { verdict: 'Unknown', reason: 'memory' }
    default:
      return { verdict: 'Unknown', reason: 'model' }
  }
}

function positive(name: string, value: number): number {
  if (typeof value === 'number' && value > 0) return value
  throw new TypeError(`${name} must be a positive number, not ${String(value)}`)
}
