// The built-in models under the names by which files and command lines ask for them.
import type { Model } from '../model.ts'
import { appendList } from './append-list.ts'
import { counter } from './counter.ts'
import { kvTransactions } from './kv-transactions.ts'
import { kv } from './kv.ts'
import { lock } from './lock.ts'
import { queue } from './queue.ts'
import { casRegister, register } from './register.ts'
import { set } from './set.ts'
import type { Value } from './shape.ts'

/** The names of the built-in models. */
export type ModelName =
  | 'register'
  | 'cas-register'
  | 'kv'
  | 'kv-transactions'
  | 'set'
  | 'queue'
  | 'counter'
  | 'lock'
  | 'append-list'

/** What can be said about a model beside its name. */
export interface ModelByNameOptions {
  /** `register`, `cas-register`: the initial value. Default `null`. */
  readonly initial?: Value | undefined
  /** `kv`, `kv-transactions`: what a read of an absent key answers. Default `null`. */
  readonly absent?: Value | undefined
  /** `lock`: whether a held lock may be lost at any moment. Default false. */
  readonly expires?: boolean | undefined
}

const factories: Readonly<Record<ModelName, (options: ModelByNameOptions) => Model>> = {
  register: (options) => register(options) as Model,
  'cas-register': (options) => casRegister(options) as Model,
  kv: (options) => kv(options) as Model,
  'kv-transactions': (options) => kvTransactions(options) as Model,
  set: () => set() as Model,
  queue: () => queue() as Model,
  counter: () => counter() as Model,
  lock: (options) => lock(options) as Model,
  'append-list': () => appendList() as Model,
}

/** The names of the built-in models, in the order in which they are documented. */
export const modelNames: readonly ModelName[] = Object.keys(factories) as ModelName[]

/** Whether a built-in model has this name. */
export function isModelName(name: unknown): name is ModelName {
  return typeof name === 'string' && Object.hasOwn(factories, name)
}

/** A built-in model by its name, for callers that learn the name at run time. */
export function modelByName(name: ModelName, options: ModelByNameOptions = {}): Model {
  return factories[name](options)
}
