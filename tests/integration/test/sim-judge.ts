// The second judge of a simulated run: the checker for histories, which knows nothing of logs and
// positions and sees only what clients saw. The simulator's own oracle has to agree with it.
import { ByteReader } from '@quorate/core'
import type { Operation } from '@quorate/linearizability'
import { check, impossible, type Model } from '@quorate/linearizability'
import type { OperationRecord } from '@quorate/sim'

type RegisterInput =
  | { readonly kind: 'read'; readonly register: string }
  | { readonly kind: 'set'; readonly register: string; readonly value: number }
  | {
      readonly kind: 'compare'
      readonly register: string
      readonly expected: number
      readonly value: number
    }

/** What was there before, and whether the operation took effect. */
interface RegisterOutput {
  readonly done: boolean
  readonly before: number
}

/** Registers that answer what they held before, as those of `registerMap` do. */
const registers: Model<number, RegisterInput, RegisterOutput> = {
  name: 'registers',
  init: () => 0,
  step(state, input, output) {
    if (output !== undefined && output.before !== state) return impossible
    if (input.kind === 'read') return state
    const done = input.kind === 'set' || input.expected === state
    if (output !== undefined && output.done !== done) return impossible
    return done ? input.value : state
  },
  key: (state) => state,
  keys: ({ register }) => [register],
  readOnly: ({ kind }, output) => kind === 'read' || output?.done === false,
}

const SET = 1

/** What a client did, in the words of the model. `undefined` for reads that promise nothing. */
function operationOf(
  record: OperationRecord,
): Operation<RegisterInput, RegisterOutput> | undefined {
  const { kind, mode, client, group, input, invokedMs, returnedMs, outcome, result } = record
  const reader = new ByteReader(input)
  const seen = result === undefined ? undefined : new ByteReader(result)
  const made = (asked: RegisterInput): Operation<RegisterInput, RegisterOutput> => ({
    client,
    input: asked,
    call: invokedMs,
    // What has no answer yet may still take effect, whatever the client gave up after.
    return: outcome === 'unknown' ? undefined : returnedMs,
    outcome,
    output:
      seen === undefined
        ? undefined
        : kind === 'query'
          ? { done: false, before: seen.varint() }
          : { done: seen.varint() === 1, before: seen.varint() },
  })
  if (kind === 'query') {
    if (mode !== 'quorum' && mode !== 'lease') return undefined
    return made({ kind: 'read', register: `${group}/${reader.varint()}` })
  }
  const command = reader.uint8()
  const register = `${group}/${reader.varint()}`
  if (command === SET) return made({ kind: 'set', register, value: reader.varint() })
  return made({ kind: 'compare', register, expected: reader.varint(), value: reader.varint() })
}

/** What verdicts there were. */
export interface Verdicts {
  /** Histories that have an order. */
  ok: number
  /** Histories too hard to decide within the bound. */
  unknown: number
}

/** A judge for `simulate`: what is wrong with a history, if anything is. */
export function registerJudge(
  verdicts: Verdicts,
): (history: readonly OperationRecord[]) => string | undefined {
  return (history) => {
    const operations = history.map(operationOf).filter((each) => each !== undefined)
    const { verdict, illegal } = check(registers, operations, { maxSteps: 200_000 })
    if (verdict === 'Ok') verdicts.ok++
    if (verdict === 'Unknown') verdicts.unknown++
    if (verdict !== 'Illegal') return undefined
    const stuck = illegal?.impossible
    const one = stuck === undefined ? undefined : illegal?.operations[stuck.operation]
    return `not linearizable: nothing can come next on ${illegal?.key}, which holds ${stuck?.state}, though ${JSON.stringify(one)} has to`
  }
}
