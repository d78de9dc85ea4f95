// Rendezvous hashing: every member draws a lot for every key, the best lot wins. Also the order
// of the further replicas for algorithms that only choose one member themselves.
import type { KeyHash } from './hash.ts'
import { mix32 } from './hash.ts'
import type { Member } from './members.ts'

/** What a member's lots are drawn from; nothing in it depends on the other members. */
export interface Salts {
  /** The first number of each member. */
  readonly first: Uint32Array
  /** The second, which decides where first lots are equal. */
  readonly second: Uint32Array
  /** The weights, or `undefined` where all are equal. */
  readonly weight: Float64Array | undefined
}

/** The salts of members. */
export function saltPairs(members: readonly Member[], hash: KeyHash): Salts {
  const even = members.every((member) => member.weight === members[0]!.weight)
  return {
    first: Uint32Array.from(members, (member) => hash.hash(member.id)),
    second: Uint32Array.from(members, (member) => hash.hash(`#${member.id}`)),
    weight: even ? undefined : Float64Array.from(members, (member) => member.weight),
  }
}

const LN2 = 0.6931471805599453
const SQRT2 = 1.4142135623730951

/**
 * Minus the natural logarithm of (value + 1/2) / 2^32. Made of additions, multiplications and
 * divisions alone, whose results every engine and language agrees on to the last bit, which for
 * a library's logarithm none promises.
 */
function negativeLog(value: number): number {
  const x = value + 0.5
  let exponent = 31 - Math.clz32(value)
  // Powers of two up to 2^31 are exact, and so is this division.
  let fraction = exponent < 0 ? 1 : x / (exponent === 31 ? 2_147_483_648 : 1 << exponent)
  if (exponent < 0) exponent = -1
  if (fraction > SQRT2) {
    fraction /= 2
    exponent++
  }
  const t = (fraction - 1) / (fraction + 1)
  const s = t * t
  // The series of the inverse hyperbolic tangent; t is at most 0.172, the rest below 1e-15.
  let sum = 1 / 19
  sum = sum * s + 1 / 17
  sum = sum * s + 1 / 15
  sum = sum * s + 1 / 13
  sum = sum * s + 1 / 11
  sum = sum * s + 1 / 9
  sum = sum * s + 1 / 7
  sum = sum * s + 1 / 5
  sum = sum * s + 1 / 3
  sum = sum * s + 1
  return (32 - exponent) * LN2 - 2 * t * sum
}

/** The member with the best lot for a hash. */
export function bestRank(hash: number, salts: Salts): number {
  const { first, weight } = salts
  let best = 0
  if (weight !== undefined) {
    let least = Infinity
    for (let i = 0; i < first.length; i++) {
      const score = negativeLog(mix32(hash ^ first[i]!)) / weight[i]!
      if (score < least || (score === least && beats(hash, salts, i, best))) {
        least = score
        best = i
      }
    }
    return best
  }
  let most = -1
  for (let i = 0; i < first.length; i++) {
    const score = mix32(hash ^ first[i]!)
    if (score < most || (score === most && !beats(hash, salts, i, best))) continue
    most = score
    best = i
  }
  return best
}

function beats(hash: number, { second }: Salts, i: number, best: number): boolean {
  return mix32(hash ^ second[i]!) > mix32(hash ^ second[best]!)
}

/** All members, best lot first. */
export function rankOrder(hash: number, salts: Salts): readonly number[] {
  const { first, second, weight } = salts
  const score = Float64Array.from(first, (salt, i) =>
    weight === undefined ? -mix32(hash ^ salt) : negativeLog(mix32(hash ^ salt)) / weight[i]!,
  )
  return Array.from(first, (_, i) => i).sort(
    (a, b) => score[a]! - score[b]! || mix32(hash ^ second[b]!) - mix32(hash ^ second[a]!) || a - b,
  )
}
