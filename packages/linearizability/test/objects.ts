// The objects themselves, written as plain mutable programs and not as models: what they answer is
// right by construction, so a model that refuses it, or a step that differs, is found out.
import type { Value } from '../src/index.ts'
import type { Random } from './random.ts'

type Input = Readonly<Record<string, unknown>> & { readonly op: string }

/** A real object with a way to think of operations on it. */
export interface TestObject {
  /** An operation that a client might ask for. */
  think(random: Random): Input
  /** Does it at once and answers. */
  act(input: Input, random: Random): unknown
  /** An answer that could have been, for lying. */
  lie(input: Input, random: Random): unknown
}

const keys = ['x', 'y']
const values = [1, 2, 3]

function registerObject(withCas: boolean): TestObject {
  let held: Value = null
  return {
    think: (random) => {
      const op = random.pick(withCas ? ['read', 'write', 'cas'] : ['read', 'write'])
      if (op === 'cas') return { op, from: random.pick([null, ...values]), to: random.pick(values) }
      return op === 'read' ? { op } : { op, value: random.pick(values) }
    },
    act: (input) => {
      if (input.op === 'read') return held
      if (input.op === 'write') {
        held = input['value'] as Value
        return null
      }
      const done = held === input['from']
      if (done) held = input['to'] as Value
      return done
    },
    lie: (input, random) =>
      input.op === 'read'
        ? random.pick([null, ...values])
        : input.op === 'cas'
          ? random.chance(0.5)
          : null,
  }
}

function kvInput(random: Random): Input {
  const op = random.pick(['get', 'get', 'put', 'append', 'cas', 'delete'])
  const key = random.pick(keys)
  const text = random.pick(['a', 'b'])
  if (op === 'cas') return { op, key, from: random.pick([null, 'a', 'b']), to: text }
  return op === 'put' || op === 'append' ? { op, key, value: text } : { op, key }
}

function kvAct(store: Map<string, Value>, input: Input): unknown {
  const key = input['key'] as string
  const before = store.get(key) ?? null
  switch (input.op) {
    case 'get':
      return before
    case 'put':
      store.set(key, input['value'] as Value)
      return null
    case 'append':
      store.set(key, `${before ?? ''}${String(input['value'])}`)
      return null
    case 'cas':
      if (before === input['from']) store.set(key, input['to'] as Value)
      return before === input['from']
    default:
      store.delete(key)
      return before !== null
  }
}

function kvLie(input: Input, random: Random): unknown {
  if (input.op === 'get') return random.pick([null, 'a', 'b', 'ab', 'ba'])
  return input.op === 'cas' || input.op === 'delete' ? random.chance(0.5) : null
}

function kvObject(): TestObject {
  const store = new Map<string, Value>()
  return { think: kvInput, act: (input) => kvAct(store, input), lie: kvLie }
}

function transactionObject(): TestObject {
  let store = new Map<string, Value>()
  const three = ['x', 'y', 'z']
  return {
    think: (random) => {
      if (random.chance(0.3)) return { ...kvInput(random), key: random.pick(three) }
      const steps = Array.from({ length: 1 + random.below(3) }, () => {
        const op = random.pick(['get', 'get', 'put', 'append', 'delete', 'expect'])
        const key = random.pick(three)
        if (op === 'get' || op === 'delete') return { op, key }
        if (op === 'expect') return { op, key, value: random.pick([null, 'a']) }
        return { op, key, value: random.pick(['a', 'b']) }
      })
      return { op: 'txn', steps }
    },
    act: (input) => {
      if (input.op !== 'txn') return kvAct(store, input)
      const draft = new Map(store)
      const reads: unknown[] = []
      for (const step of input['steps'] as Input[]) {
        if (step.op === 'expect') {
          if ((draft.get(step['key'] as string) ?? null) !== step['value']) {
            return { committed: false }
          }
        } else {
          const answer = kvAct(draft, step)
          if (step.op === 'get') reads.push(answer)
        }
      }
      store = draft
      return { committed: true, reads }
    },
    lie: (input, random) => {
      if (input.op !== 'txn') return kvLie(input, random)
      if (random.chance(0.2)) return { committed: false }
      const gets = (input['steps'] as Input[]).filter((step) => step.op === 'get')
      return { committed: true, reads: gets.map(() => random.pick([null, 'a', 'b', 'ab'])) }
    },
  }
}

function setObject(): TestObject {
  const held = new Set<number>()
  return {
    think: (random) => {
      const op = random.pick(['add', 'add', 'remove', 'has', 'read'])
      return op === 'read' ? { op } : { op, value: random.pick(values) }
    },
    act: (input, random) => {
      const value = input['value'] as number
      const present = held.has(value)
      if (input.op === 'read') return [...held].reverse()
      if (input.op === 'has') return present
      if (input.op === 'add') held.add(value)
      else held.delete(value)
      return random.chance(0.5) ? null : input.op === 'add' ? !present : present
    },
    lie: (input, random) =>
      input.op === 'read' ? [...values, 1].filter(() => random.chance(0.4)) : random.chance(0.5),
  }
}

function queueObject(): TestObject {
  const held: number[] = []
  return {
    think: (random) =>
      random.chance(0.55) ? { op: 'enqueue', value: random.pick(values) } : { op: 'dequeue' },
    act: (input) => {
      if (input.op === 'dequeue') return held.shift() ?? null
      held.push(input['value'] as number)
      return null
    },
    lie: (input, random) => (input.op === 'dequeue' ? random.pick([null, ...values]) : null),
  }
}

function counterObject(): TestObject {
  let held = 0
  return {
    think: (random) =>
      random.chance(0.5) ? { op: 'add', delta: random.below(4) - 1 } : { op: 'read' },
    act: (input, random) => {
      if (input.op === 'read') return held
      held += input['delta'] as number
      return random.chance(0.5) ? null : held
    },
    lie: (_, random) => random.below(6) - 1,
  }
}

function lockObject(expires: boolean): TestObject {
  const locks = new Map<string, { holder: number; last: number; fence: number }>()
  return {
    think: (random) => {
      const op = random.pick(['acquire', 'acquire', 'release', 'guard'])
      const name = random.pick(keys)
      return op === 'acquire' ? { op, lock: name } : { op, lock: name, token: 1 + random.below(3) }
    },
    act: (input, random) => {
      const name = input['lock'] as string
      const token = input['token'] as number
      const held = locks.get(name) ?? { holder: 0, last: 0, fence: 0 }
      locks.set(name, held)
      if (expires && random.chance(0.3)) held.holder = 0
      if (input.op === 'acquire') {
        if (held.holder !== 0) return null
        held.last += 1
        held.holder = held.last
        return held.last
      }
      if (input.op === 'release') {
        const mine = held.holder === token
        if (mine) held.holder = 0
        return mine
      }
      if (token < held.fence) return false
      held.fence = token
      return true
    },
    lie: (input, random) =>
      input.op === 'acquire' ? random.pick([null, 1, 2, 3]) : random.chance(0.5),
  }
}

function listObject(): TestObject {
  const lists = new Map<string, number[]>()
  return {
    think: (random) => {
      const key = random.pick(keys)
      return random.chance(0.5)
        ? { op: 'append', key, value: random.pick(values) }
        : { op: 'read', key }
    },
    act: (input, random) => {
      const key = input['key'] as string
      const list = lists.get(key) ?? []
      lists.set(key, list)
      if (input.op === 'read') return [...list]
      list.push(input['value'] as number)
      return random.chance(0.5) ? null : list.length
    },
    lie: (input, random) =>
      input.op === 'read' ? values.filter(() => random.chance(0.5)) : 1 + random.below(3),
  }
}

/** A register that may forget a write: nondeterministic by nature. */
function forgetfulObject(): TestObject {
  const plain = registerObject(false)
  return {
    ...plain,
    act: (input, random) =>
      input.op === 'write' && random.chance(0.3) ? null : plain.act(input, random),
  }
}

/** A fresh object of each kind, by the name of its model. */
export const objects: Readonly<Record<string, () => TestObject>> = {
  register: () => registerObject(false),
  'cas-register': () => registerObject(true),
  kv: kvObject,
  'kv-transactions': transactionObject,
  set: setObject,
  queue: queueObject,
  counter: counterObject,
  lock: () => lockObject(false),
  'lock that expires': () => lockObject(true),
  'append-list': listObject,
  'forgetful register': forgetfulObject,
}
