// A single register, with and without compare-and-set: the object on which most published
// histories of replicated stores were recorded.
import { impossible, type Model } from '../model.ts'
import { shaped, type Value } from './shape.ts'

/** Reads the register; answers its value. */
export interface Read {
  /** The operation. */
  readonly op: 'read'
}

/** Sets the register; answers nothing. */
export interface Write {
  /** The operation. */
  readonly op: 'write'
  /** The new value. */
  readonly value: Value
}

/** Sets the register to `to` if it holds `from`; answers whether it did. */
export interface CompareAndSet {
  /** The operation. */
  readonly op: 'cas'
  /** The value that is expected. */
  readonly from: Value
  /** The new value. */
  readonly to: Value
}

/** Operations of {@link register}. */
export type RegisterInput = Read | Write

/** Operations of {@link casRegister}. */
export type CasRegisterInput = Read | Write | CompareAndSet

/** Options of {@link register} and {@link casRegister}. */
export interface RegisterOptions {
  /** The value before the first write. Default `null`. */
  readonly initial?: Value | undefined
}

const shapes = {
  read: { result: 'value' },
  write: { fields: { value: 'value' }, result: 'nothing' },
} as const

const casShapes = {
  ...shapes,
  cas: { fields: { from: 'value', to: 'value' }, result: 'boolean' },
} as const

/** A register: `read` answers the value, `write` sets it. */
export function register(options: RegisterOptions = {}): Model<Value, RegisterInput, Value> {
  return { ...casRegister(options), ...shaped(shapes), name: 'register' }
}

/** A register with compare-and-set: `cas` answers a boolean. */
export function casRegister(options: RegisterOptions = {}): Model<Value, CasRegisterInput, Value> {
  const initial = options.initial ?? null
  return {
    name: 'cas-register',
    init: () => initial,
    step: (state, input, output) => {
      switch (input.op) {
        case 'read':
          return output === undefined || output === state ? state : impossible
        case 'write':
          return input.value
        case 'cas': {
          const matches = state === input.from
          if (output !== undefined && output !== matches) return impossible
          return matches ? input.to : state
        }
      }
    },
    key: (state) => state,
    readOnly: (input, output) => input.op === 'read' || (input.op === 'cas' && output === false),
    describeState: (state) => JSON.stringify(state),
    ...shaped(casShapes),
  }
}
