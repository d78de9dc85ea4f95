// Every model that the generated histories are judged by, under the name of its object.
import {
  appendList,
  casRegister,
  counter,
  kv,
  kvTransactions,
  lock,
  powerSet,
  queue,
  register,
  set,
  type Model,
  type Value,
} from '../src/index.ts'

const registerModel = register()

/** A register that may forget a write, as a nondeterministic model. */
function forgetfulRegister(): Model {
  return powerSet<Value, { op: string; value?: Value }, Value>({
    name: 'forgetful register',
    init: () => [null],
    step: (state, input, output) => {
      if (input.op === 'write') return [state, input.value ?? null]
      return output === undefined || output === state ? [state] : []
    },
    key: (state) => state,
    validate: (input, output, completed) => registerModel.validate?.(input, output, completed),
  }) as Model
}

/** A fresh model of each kind, by the name of its object. */
export const models: Readonly<Record<string, () => Model>> = {
  register: () => register() as Model,
  'cas-register': () => casRegister() as Model,
  kv: () => kv() as Model,
  'kv-transactions': () => kvTransactions() as Model,
  set: () => set() as Model,
  queue: () => queue() as Model,
  counter: () => counter() as Model,
  lock: () => lock() as Model,
  'lock that expires': () => lock({ expires: true }) as Model,
  'append-list': () => appendList() as Model,
  'forgetful register': forgetfulRegister,
}
