// Sequential consistency: some order of all operations that the model accepts and that keeps each
// client's own order, whatever the clock said (Lamport 1979). Not local, so nothing is split.
import { outcomeOf, type Operation } from './history.ts'
import { impossible, undecided, type Model } from './model.ts'
import type { Cancellation } from './check.ts'
import type { UnknownReason, Verdict } from './result.ts'
import { MemoryBudget } from './search/memory.ts'
import { StateTable } from './search/states.ts'
import { Visited } from './search/visited.ts'

/** Options of {@link checkSequential}. */
export interface SequentialOptions {
  /** Steps of the model before the answer is `'Unknown'`. Default 10 million. */
  readonly maxSteps?: number | undefined
  /** Memory before the answer is `'Unknown'`, in bytes. Default 256 MiB. */
  readonly maxMemoryBytes?: number | undefined
  /** Stops the check; the answer is then `'Unknown'`. */
  readonly signal?: Cancellation | undefined
}

/** The answer of {@link checkSequential}. */
export interface SequentialResult {
  /** Whether an order exists. */
  readonly verdict: Verdict
  /** Present where the verdict is `'Unknown'`. */
  readonly reason?: UnknownReason | undefined
  /** The order, as positions in the history; present where the verdict is `'Ok'`. */
  readonly order?: readonly number[] | undefined
  /** Steps of the model tried. */
  readonly steps: number
}

/**
 * Decides whether a history is sequentially consistent. Meant for small histories: all objects
 * are searched at once, by the model's `joint` form where it has one. An operation with an
 * unknown outcome may take effect at any point after what its client did before it, or never.
 *
 * @throws TypeError if a client has two operations at once, or as `check` does.
 */
export function checkSequential<State, Input, Output>(
  model: Model<State, Input, Output>,
  history: readonly Operation<NoInfer<Input>, NoInfer<Output>>[],
  options: SequentialOptions = {},
): SequentialResult {
  const whole = (model.joint ?? model) as Model<unknown, Input, Output>
  return new SequentialSearch(whole, programs(whole, history), history, options).run()
}

/** What one client did, in its order: completed operations, and unknown ones with their place. */
interface Program {
  readonly completed: readonly number[]
  /** Unknown operations, with how many completed ones come before. */
  readonly unknown: readonly { readonly operation: number; readonly after: number }[]
}

function programs<Input, Output>(
  model: Model<unknown, Input, Output>,
  history: readonly Operation<Input, Output>[],
): Program[] {
  const byClient = new Map<string | number, number[]>()
  for (const [index, operation] of history.entries()) {
    const outcome = outcomeOf(operation)
    const complaint = model.validate?.(operation.input, operation.output, outcome === 'ok')
    if (complaint !== undefined) throw new TypeError(`operation ${index}: ${complaint}`)
    if (outcome === 'failed') continue
    if (outcome === 'unknown' && model.readOnly?.(operation.input, undefined) === true) continue
    const own = byClient.get(operation.client)
    if (own === undefined) byClient.set(operation.client, [index])
    else own.push(index)
  }
  return [...byClient].map(([client, own]) => program(client, own, history))
}

function program(
  client: string | number,
  own: readonly number[],
  history: readonly Operation[],
): Program {
  const completed: number[] = []
  const unknown: { operation: number; after: number }[] = []
  const byCall = own.toSorted((a, b) => at(history, a).call - at(history, b).call || a - b)
  let lastReturn = -Infinity
  for (const operation of byCall) {
    const { call, return: end } = at(history, operation)
    if (call < lastReturn) throw new TypeError(`client ${client} has two operations at once`)
    if (outcomeOf(at(history, operation)) === 'unknown') {
      unknown.push({ operation, after: completed.length })
    } else {
      lastReturn = end as number
      completed.push(operation)
    }
  }
  return { completed, unknown }
}

function at(history: readonly Operation[], index: number): Operation {
  return history[index] as Operation
}

interface Frame {
  readonly operation: number
  readonly state: number
  readonly forced: boolean
}

class SequentialSearch<Input, Output> {
  readonly #model: Model<unknown, Input, Output>
  readonly #history: readonly Operation<Input, Output>[]
  readonly #programs: readonly Program[]
  readonly #unknown: {
    readonly operation: number
    readonly client: number
    readonly after: number
  }[]
  readonly #unknownUsed: Uint8Array
  readonly #done: Uint32Array
  readonly #states: StateTable<unknown>
  readonly #visited: Visited
  readonly #record: Uint32Array
  readonly #total: number
  readonly #options: SequentialOptions
  readonly #maxSteps: number
  #steps = 0
  #reason: UnknownReason | undefined
  #state: number

  constructor(
    model: Model<unknown, Input, Output>,
    clients: readonly Program[],
    history: readonly Operation<Input, Output>[],
    options: SequentialOptions,
  ) {
    const budget = new MemoryBudget(options.maxMemoryBytes ?? 256 * 1024 * 1024)
    const memory = budget.share(() => undefined)
    this.#model = model
    this.#history = history
    this.#programs = clients
    this.#options = options
    this.#maxSteps = options.maxSteps ?? 10_000_000
    this.#unknown = clients.flatMap(({ unknown }, client) =>
      unknown.map((one) => ({ ...one, client })),
    )
    this.#unknownUsed = new Uint8Array(this.#unknown.length)
    this.#done = new Uint32Array(clients.length)
    this.#record = new Uint32Array(clients.length + (this.#unknown.length >>> 5) + 2)
    this.#states = new StateTable(model, memory)
    this.#visited = new Visited(memory)
    this.#total = clients.reduce((sum, { completed }) => sum + completed.length, 0)
    this.#state = this.#states.id(model.init())
  }

  run(): SequentialResult {
    const frames: Frame[] = []
    let completed = 0
    // Candidates are numbered: one for each client, then one for each unknown operation.
    let candidate = this.#state === -1 ? this.#outOfMemory() : 0
    const count = this.#programs.length + this.#unknown.length
    while (this.#reason === undefined && completed < this.#total) {
      const next = this.#nextStep(candidate, count)
      if (next !== undefined) {
        frames.push({ operation: next.candidate, state: this.#state, forced: next.forced })
        completed += this.#mark(next.candidate, 1)
        this.#state = next.state
        candidate = this.#isNew() ? 0 : count
        continue
      }
      let frame = frames.pop()
      for (; frame !== undefined; frame = frames.pop()) {
        completed += this.#mark(frame.operation, -1)
        this.#state = frame.state
        if (!frame.forced) break
      }
      if (frame === undefined && this.#reason === undefined) {
        return { verdict: 'Illegal', steps: this.#steps }
      }
      candidate = (frame?.operation ?? 0) + 1
    }
    if (this.#reason !== undefined) {
      return { verdict: 'Unknown', reason: this.#reason, steps: this.#steps }
    }
    return { verdict: 'Ok', order: this.#order(frames), steps: this.#steps }
  }

  /** The first candidate from this one on that the model accepts; a possible read before all others. */
  #nextStep(
    from: number,
    count: number,
  ): { candidate: number; state: number; forced: boolean } | undefined {
    if (from === 0) {
      for (let client = 0; client < this.#programs.length; client++) {
        const operation = this.#operationOf(client)
        const { input, output } = operation ?? {}
        if (operation === undefined || this.#model.readOnly?.(input as Input, output) !== true)
          continue
        const state = this.#try(operation, output)
        if (state !== -1) return { candidate: client, state, forced: true }
      }
    }
    for (let candidate = from; candidate < count && this.#reason === undefined; candidate++) {
      const operation = this.#operationOf(candidate)
      if (operation === undefined) continue
      const isUnknown = candidate >= this.#programs.length
      const state = this.#try(operation, isUnknown ? undefined : operation.output)
      if (state === -1 || (isUnknown && state === this.#state)) continue
      return { candidate, state, forced: false }
    }
    return undefined
  }

  #operationOf(candidate: number): Operation<Input, Output> | undefined {
    const clients = this.#programs.length
    if (candidate < clients) {
      const next = this.#programs[candidate]?.completed[this.#done[candidate] as number]
      return next === undefined ? undefined : this.#history[next]
    }
    const unknown = this.#unknown[candidate - clients]
    const ready =
      unknown !== undefined &&
      this.#unknownUsed[candidate - clients] === 0 &&
      (this.#done[unknown.client] as number) >= unknown.after
    return ready ? this.#history[unknown.operation] : undefined
  }

  #try(operation: Operation<Input, Output>, output: Output | undefined): number {
    this.#steps += 1
    if (this.#steps >= this.#maxSteps) this.#reason ??= 'steps'
    if (this.#options.signal?.aborted === true) this.#reason ??= 'cancelled'
    const after = this.#model.step(this.#states.state(this.#state), operation.input, output)
    if (after === undecided) this.#reason ??= 'model'
    if (after === impossible || after === undecided) return -1
    const id = this.#states.id(after)
    return id === -1 ? this.#outOfMemory() : id
  }

  #outOfMemory(): -1 {
    this.#reason ??= 'memory'
    return -1
  }

  /** Takes a candidate (1) or takes it back (-1); returns the change in completed operations. */
  #mark(candidate: number, by: 1 | -1): number {
    const clients = this.#programs.length
    if (candidate < clients) {
      this.#done[candidate] = (this.#done[candidate] as number) + by
      return by
    }
    this.#unknownUsed[candidate - clients] = by === 1 ? 1 : 0
    return 0
  }

  #isNew(): boolean {
    const record = this.#record.fill(0)
    record[0] = this.#state
    record.set(this.#done, 1)
    const bits = 1 + this.#done.length
    for (const [i, used] of this.#unknownUsed.entries()) {
      const word = bits + (i >>> 5)
      record[word] = (record[word] as number) | (used << (i & 31))
    }
    const added = this.#visited.add(record, record.length)
    if (added === 'full') this.#outOfMemory()
    return added === 'new'
  }

  #order(frames: readonly Frame[]): number[] {
    const done = this.#done.slice().fill(0)
    return frames.map(({ operation: candidate }) => {
      const unknown = this.#unknown[candidate - this.#programs.length]
      if (unknown !== undefined) return unknown.operation
      const position = done[candidate] as number
      done[candidate] = position + 1
      return this.#programs[candidate]?.completed[position] as number
    })
  }
}
