// From a history as it was recorded to the parts that are searched: what certainly did not
// happen or cannot matter is left out, and objects that share nothing are told apart.
import { outcomeOf, type Operation } from '../history.ts'
import type { Model } from '../model.ts'

/** A part of a history: the operations on objects that no other part touches. */
export interface Part<Input, Output> {
  /** The names of the objects, joined; empty where the model has one object. */
  readonly key: string
  /** The operations in order of their calls. */
  readonly operations: readonly Operation<Input, Output>[]
  /** Where each operation stood in the history that was given. */
  readonly indices: readonly number[]
}

/** What is left of a history to be searched. */
export interface Prepared<Input, Output> {
  /** At least one operation each, in order of their first calls. */
  readonly parts: readonly Part<Input, Output>[]
  /** Operations left out since they certainly failed. */
  readonly failed: number
  /** Operations left out since they read, and what they read is not known. */
  readonly unread: number
}

/** Whether the end of an operation was not observed. */
export function isPending(operation: Operation): boolean {
  return outcomeOf(operation) === 'unknown'
}

/**
 * Checks the shape of every operation and sorts them into parts.
 *
 * @throws TypeError on the first operation that the model, or the form of a history, refuses.
 */
export function prepare<State, Input, Output>(
  model: Model<State, Input, Output>,
  history: readonly Operation<Input, Output>[],
): Prepared<Input, Output> {
  const kept: number[] = []
  let failed = 0
  let unread = 0
  for (const [index, operation] of history.entries()) {
    const pending = validateOperation(model, operation, index)
    if (operation.outcome === 'failed') failed += 1
    else if (pending && model.readOnly?.(operation.input, undefined) === true) unread += 1
    else kept.push(index)
  }
  kept.sort((a, b) => callOf(history, a) - callOf(history, b) || a - b)
  return { parts: split(model, history, kept), failed, unread }
}

function callOf(history: readonly Operation[], index: number): number {
  return (history[index] as Operation).call
}

function validateOperation<State, Input, Output>(
  model: Model<State, Input, Output>,
  operation: Operation<Input, Output>,
  index: number,
): boolean {
  const outcome = outcomeOf(operation)
  const complaint = model.validate?.(operation.input, operation.output, outcome === 'ok')
  if (complaint !== undefined) {
    throw new TypeError(`operation ${index} is not one of model ${model.name}: ${complaint}`)
  }
  return outcome === 'unknown'
}

function split<State, Input, Output>(
  model: Model<State, Input, Output>,
  history: readonly Operation<Input, Output>[],
  kept: readonly number[],
): Part<Input, Output>[] {
  const objects = new DisjointSets()
  const roots: string[] = []
  for (const index of kept) {
    const keys = model.keys?.((history[index] as Operation<Input, Output>).input) ?? ['']
    if (keys === '*') return partOf(history, kept, '')
    roots.push(keys[0] ?? '')
    for (const key of keys) objects.join(keys[0] as string, key)
  }
  const byRoot = new Map<string, number[]>()
  for (const [position, index] of kept.entries()) {
    const root = objects.root(roots[position] as string)
    const members = byRoot.get(root)
    if (members === undefined) byRoot.set(root, [index])
    else members.push(index)
  }
  const names = objects.names()
  return [...byRoot].flatMap(([root, members]) =>
    partOf(history, members, (names.get(root) ?? [root]).sort().join(', ')),
  )
}

function partOf<Input, Output>(
  history: readonly Operation<Input, Output>[],
  indices: readonly number[],
  key: string,
): Part<Input, Output>[] {
  if (indices.length === 0) return []
  const operations = indices.map((index) => history[index] as Operation<Input, Output>)
  return [{ key, operations, indices }]
}

/** Union-find over names, with path halving. */
class DisjointSets {
  readonly #parent = new Map<string, string>()

  root(name: string): string {
    let current = name
    for (;;) {
      const parent = this.#parent.get(current)
      if (parent === undefined || parent === current) return current
      const grandparent = this.#parent.get(parent) ?? parent
      this.#parent.set(current, grandparent)
      current = grandparent
    }
  }

  join(a: string, b: string): void {
    if (!this.#parent.has(a)) this.#parent.set(a, a)
    if (!this.#parent.has(b)) this.#parent.set(b, b)
    const rootA = this.root(a)
    const rootB = this.root(b)
    if (rootA !== rootB) this.#parent.set(rootB, rootA)
  }

  names(): Map<string, string[]> {
    const names = new Map<string, string[]>()
    for (const name of this.#parent.keys()) {
      const root = this.root(name)
      const known = names.get(root)
      if (known === undefined) names.set(root, [name])
      else known.push(name)
    }
    return names
  }
}
