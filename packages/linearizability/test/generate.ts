// Histories from a seed: clients call a real object at random moments, answers get lost, clients
// give up, and now and then a history lies.
import type { Operation } from '../src/index.ts'
import type { TestObject } from './objects.ts'
import type { Random } from './random.ts'

/** What a generated history may look like. */
export interface GenerateOptions {
  /** Operations called at most. */
  readonly operations: number
  /** Clients at one time. */
  readonly clients: number
  /** How often a call gets no answer. */
  readonly unknown: number
  /** How often a call certainly fails. */
  readonly failed: number
}

interface Running {
  readonly index: number
  acted: boolean
  output: unknown
}

type Draft = { -readonly [K in keyof Operation]: Operation[K] }

/** A history of a real object: linearizable by construction. */
export function honestHistory(
  object: TestObject,
  random: Random,
  options: GenerateOptions,
): Operation[] {
  const history: Draft[] = []
  const running: (Running | undefined)[] = Array.from({ length: options.clients })
  let names = options.clients
  const clients = running.map((_, i) => i)
  let time = 0
  while (history.length < options.operations || running.some((one) => one !== undefined)) {
    if (random.chance(0.8)) time += 1
    const lane = random.below(running.length)
    const one = running[lane]
    if (one === undefined) {
      if (history.length === options.operations) continue
      const input = object.think(random) as Operation['input']
      running[lane] = { index: history.length, acted: false, output: undefined }
      history.push({ client: clients[lane] as number, input, call: time })
      continue
    }
    const operation = history[one.index] as Draft
    if (!one.acted && random.chance(options.failed)) {
      Object.assign(operation, { return: time, outcome: 'failed' })
      running[lane] = undefined
    } else if (random.chance(options.unknown)) {
      // Lost before or after it acted; the client is replaced, as its old self may still be heard.
      if (random.chance(0.5)) operation.outcome = 'unknown'
      clients[lane] = names++
      running[lane] = undefined
    } else if (!one.acted) {
      one.output = object.act(operation.input as never, random)
      one.acted = true
    } else {
      Object.assign(operation, { return: time, output: one.output })
      running[lane] = undefined
    }
  }
  return history
}

/** The same history with one to three things changed; it may still be linearizable. */
export function corrupt(
  history: readonly Operation[],
  object: TestObject,
  random: Random,
): Operation[] {
  const changed = history.slice()
  const answered = changed.flatMap(({ output }, at) => (output === undefined ? [] : [at]))
  for (let left = 1 + random.below(3); left > 0 && answered.length > 0; left--) {
    const at = random.pick(answered)
    const operation = changed[at] as Operation
    const how = random.below(4)
    if (how < 2) {
      const output = object.lie(operation.input as never, random)
      changed[at] = { ...operation, output }
    } else if (how === 2) {
      const end = operation.call + random.below(1 + (operation.return ?? 0) - operation.call)
      changed[at] = { ...operation, return: end }
    } else {
      // Everything seen a little later than it was: the answer arrives after a younger call.
      const shift = random.below(4)
      const { call } = operation
      changed[at] = { ...operation, call: call + shift, return: (operation.return ?? 0) + shift }
    }
  }
  return changed
}
