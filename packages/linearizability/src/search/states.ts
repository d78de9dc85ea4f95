// States of the model, numbered in the order in which they were met: the search works with
// numbers, and two states are one exactly if the model gives them one key.
import type { Model, StateKey } from '../model.ts'
import type { MemoryShare } from './memory.ts'

// A map entry, an array element and a small object, by the size V8 gives them.
const bytesPerState = 96

// A Map holds a little over 2^24 entries.
const maxStates = 2 ** 24

/** Numbers the states of one model. */
export class StateTable<State> {
  readonly #model: Model<State>
  readonly #memory: MemoryShare
  #ids = new Map<StateKey, number>()
  #states: State[] = []
  #bytes = 0

  constructor(model: Model<State>, memory: MemoryShare) {
    this.#model = model
    this.#memory = memory
  }

  /** The number of a state, new or old; -1 where there is no memory for a new one. */
  id(state: State): number {
    const key = this.#model.key(state)
    const known = this.#ids.get(key)
    if (known !== undefined) return known
    // Two bytes a character: one for the key, one for the state that it stands for.
    const bytes = bytesPerState + (typeof key === 'string' ? key.length * 2 : 0)
    if (this.#states.length >= maxStates || !this.#memory.take(bytes)) return -1
    this.#bytes += bytes
    const id = this.#states.length
    this.#ids.set(key, id)
    this.#states.push(state)
    return id
  }

  /** The state with this number. */
  state(id: number): State {
    return this.#states[id] as State
  }

  /** Forgets everything and gives the memory back. */
  clear(): void {
    this.#memory.give(this.#bytes)
    this.#bytes = 0
    this.#ids = new Map()
    this.#states = []
  }
}
