// A lock that hands out fencing tokens, and the resource that it guards: two holders at once, a
// token that does not grow and a write by a holder of the past are all impossible steps.
import { impossible, keyed, type Model } from '../model.ts'
import { shaped } from './shape.ts'

/** Asks for the lock; answers a token, or null where it is held. */
export interface Acquire {
  /** The operation. */
  readonly op: 'acquire'
  /** The name of the lock. */
  readonly lock: string
}

/** Gives the lock back; answers whether the token was the holder's. */
export interface Release {
  /** The operation. */
  readonly op: 'release'
  /** The name of the lock. */
  readonly lock: string
  /** The token of the holder. */
  readonly token: number
}

/** Uses the guarded resource; answers whether no later token has used it. */
export interface Guard {
  /** The operation. */
  readonly op: 'guard'
  /** The name of the lock. */
  readonly lock: string
  /** The token of the caller. */
  readonly token: number
}

/** Operations of {@link lock}. */
export type LockInput = Acquire | Release | Guard

/** Answers of {@link lock}. */
export type LockOutput = number | boolean | null

/** One lock. */
export interface LockState {
  /** The holder's token; `'unknown'` where the answer to its acquire was lost. */
  readonly holder: number | 'free' | 'unknown'
  /** Further tokens are greater than this; a holder's unknown token is at least this. */
  readonly last: number
  /** The greatest token that used the resource. */
  readonly fence: number
}

/** Options of {@link lock}. */
export interface LockOptions {
  /**
   * Whether a held lock may be lost at any moment (a lease that ran out, a session that ended):
   * then a second acquire may succeed, but only with a greater token. Default false.
   */
  readonly expires?: boolean | undefined
}

const shapes = {
  acquire: { fields: { lock: 'string' }, result: 'integer|null' },
  release: { fields: { lock: 'string', token: 'integer' }, result: 'boolean' },
  guard: { fields: { lock: 'string', token: 'integer' }, result: 'boolean' },
} as const

/** Locks with fencing tokens: `acquire`, `release` and `guard`, checked lock by lock. */
export function lock(options: LockOptions = {}): Model<LockState, LockInput, LockOutput> {
  const expires = options.expires === true
  const single: Model<LockState, LockInput, LockOutput> = {
    name: 'lock',
    init: () => ({ holder: 'free', last: 0, fence: 0 }),
    step: (state, input, output) => {
      switch (input.op) {
        case 'acquire':
          return acquire(state, output as number | null | undefined, expires)
        case 'release':
          return release(state, input.token, output as boolean | undefined, expires)
        case 'guard': {
          const admitted = input.token >= state.fence
          if (output !== undefined && output !== admitted) return impossible
          return admitted ? { ...state, fence: input.token } : state
        }
      }
    },
    key: ({ holder, last, fence }) => `${holder},${last},${fence}`,
    readOnly: ({ op }, output) =>
      (op === 'acquire' && output === null) ||
      (op === 'guard' && output === false) ||
      (op === 'release' && output === false && !expires),
    describeState: ({ holder, last, fence }) =>
      `${holder === 'free' ? 'free' : `held by ${holder}`}, last token ${last}, fence ${fence}`,
    ...shaped(shapes),
  }
  return keyed(single, (input) => input.lock)
}

function acquire(
  state: LockState,
  token: number | null | undefined,
  expires: boolean,
): LockState | typeof impossible {
  const { holder, last } = state
  if (token === null) return holder === 'free' ? impossible : state
  const obtainable = holder === 'free' || expires
  if (token === undefined) {
    return obtainable ? { ...state, holder: 'unknown', last: last + 1 } : state
  }
  return obtainable && token > last ? { ...state, holder: token, last: token } : impossible
}

function release(
  state: LockState,
  token: number,
  released: boolean | undefined,
  expires: boolean,
): LockState | typeof impossible {
  const { holder, last } = state
  const mayHold = holder === token || (holder === 'unknown' && token >= last)
  if (released === false) {
    if (holder !== token) return state
    return expires ? { ...state, holder: 'free' } : impossible
  }
  if (mayHold) return { ...state, holder: 'free', last: Math.max(last, token) }
  return released === undefined ? state : impossible
}
