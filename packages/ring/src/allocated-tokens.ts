// Tokens chosen with the others in view, so that few virtual nodes balance as well as very many
// random ones. The aim is that of Cassandra's replica-aware allocation (CASSANDRA-7032): what a
// member holds over all replicas, no more than 1 + 4 / (tokens * replicas) times its share.
import { checkInteger } from './placement.ts'
import { REPLICAS_MAX } from './zones.ts'
import type { TokenAllocator, TokenRequest } from './tokens.ts'

const CIRCLE = 4_294_967_296

// How much the balance of first replicas counts beside that of all replicas.
const FIRST_REPLICA_WEIGHT = 0.3

// How near to its ends an arc may be cut: slivers would leave no room for the members to come.
const CUT_MIN = 0.4
const CUT_MIN_LAST = 0.2

/** What {@link allocatedTokens} may be told. */
export interface AllocatedTokensOptions {
  /** For how many replicas of a key loads are balanced, 1 to 64. Default: 1. */
  readonly replicas?: number | undefined
}

/**
 * Allocates tokens so that members hold nearly equal parts of the ring: with V virtual nodes the
 * peak stays within 1 + 4 / (V * replicas) of the mean while members of equal weight join (tested
 * for V of 4 to 16 and up to 3 replicas, with up to 250 members). A member that joins takes what it
 * needs from those that hold most; the others keep all they have. Members that leave unbalance
 * the ring until others join.
 *
 * @throws QuorateError `INVALID_OPTIONS` where `replicas` is out of range
 */
export function allocatedTokens(options: AllocatedTokensOptions = {}): TokenAllocator {
  const replicas = checkInteger(options.replicas ?? 1, 'replicas', 1, REPLICAS_MAX)
  return {
    name: `allocated/${replicas}`,
    stateful: true,
    allocate: (request) => allocate(request, replicas),
  }
}

interface State {
  /** Positions of the points, ascending. */
  readonly position: number[]
  /** Members of the points; the new one has the number after the last. */
  readonly owner: number[]
  /** How many replicas count while there are so few members. */
  readonly replicas: number
  /** What each member holds over all replicas, relative to its share. */
  readonly load: Float64Array
  /** What each member holds of first replicas, relative to its share. */
  readonly first: Float64Array
  /** Positions that are one share of load, and one share of first replicas, by member. */
  readonly unit: Float64Array
}

function allocate(request: TokenRequest, replicas: number): Uint32Array {
  const { count, positions, members, member } = request
  if (positions.length === 0) {
    return Uint32Array.from({ length: count }, (_, i) => Math.floor((i * CIRCLE) / count))
  }
  const state: State = {
    position: [...positions],
    owner: [...request.owners],
    // As long as everybody holds everything, only the order of replicas can be balanced.
    replicas: members.length < replicas ? 1 : replicas,
    load: new Float64Array(members.length + 1),
    first: new Float64Array(members.length + 1),
    unit: units([...members, member].map(({ weight }) => weight)),
  }
  measure(state)
  const tokens: number[] = []
  for (let left = count; left > 0; left--) {
    const token = bestToken(state, members.length, left, count)
    tokens.push(token.position)
    state.position.splice(token.at, 0, token.position)
    state.owner.splice(token.at, 0, members.length)
    measure(state)
  }
  return Uint32Array.from(tokens)
}

function units(weights: readonly number[]): Float64Array {
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  return Float64Array.from(weights, (weight) => (CIRCLE * weight) / total)
}

function arcLength(state: State, i: number): number {
  const { position } = state
  return i === 0
    ? position[0]! - position[position.length - 1]! + CIRCLE
    : position[i]! - position[i - 1]!
}

// The first `replicas` distinct members from point `i` on, in order.
function replicaSet(state: State, i: number, into: number[]): void {
  const { owner, replicas } = state
  into.length = 0
  for (let step = 0; step < owner.length && into.length < replicas; step++) {
    const member = owner[(i + step) % owner.length]!
    if (!into.includes(member)) into.push(member)
  }
}

function measure(state: State): void {
  const { load, first, owner, unit, replicas } = state
  load.fill(0)
  first.fill(0)
  const set: number[] = []
  for (let i = 0; i < owner.length; i++) {
    const length = arcLength(state, i)
    replicaSet(state, i, set)
    for (const member of set) load[member]! += length / (unit[member]! * replicas)
    first[owner[i]!]! += length / unit[owner[i]!]!
  }
}

interface Token {
  readonly position: number
  /** The point before which it goes. */
  readonly at: number
}

function bestToken(state: State, joining: number, left: number, count: number): Token {
  const share = state.unit[joining]! * state.replicas
  const wanted = ((1 - state.load[joining]!) * share) / left
  let best: Token | undefined
  let bestScore = Infinity
  // The last quarter of the tokens evens out what the first have left.
  const nearest = left * 4 <= count ? CUT_MIN_LAST : CUT_MIN
  const cut = new Cut(state, joining)
  for (let at = 0; at < state.owner.length; at++) {
    const length = arcLength(state, at)
    if (length < 1 / CUT_MIN_LAST) continue
    cut.at(at)
    const least = length * nearest
    const own = Math.floor(Math.max(least, Math.min(length - least, wanted - cut.before)))
    const score = cut.score(own, wanted)
    if (score >= bestScore) continue
    bestScore = score
    const start = state.position[at]! - length
    best = { position: (start + own + CIRCLE) % CIRCLE, at: start + own < 0 ? -1 : at }
  }
  // Where no arc can be cut any more, tokens share a position and own nothing.
  if (best === undefined) return { position: state.position[0]!, at: 0 }
  return best.at >= 0 ? best : { position: best.position, at: state.owner.length }
}

// What a token in a given arc would take from whom.
class Cut {
  readonly #state: State
  readonly #joining: number
  readonly #taken = new Map<number, number>()
  readonly #set: number[] = []
  #loser = -1
  #owner = -1
  /** Positions gained from arcs before the one that is cut. */
  before = 0

  constructor(state: State, joining: number) {
    this.#state = state
    this.#joining = joining
  }

  at(i: number): void {
    const { owner, replicas } = this.#state
    const count = owner.length
    this.#taken.clear()
    this.before = 0
    this.#owner = owner[i]!
    this.#loser = this.#lastOf(i)
    // Arcs before gain the new member too, as long as their replicas reach beyond the new point.
    const between: number[] = []
    for (let step = 1; step < count; step++) {
      const j = (i - step + count) % count
      if (!between.includes(owner[j]!)) between.push(owner[j]!)
      if (between.length >= replicas || owner[j] === this.#joining) return
      const loser = this.#lastOf(j)
      if (loser < 0) continue
      const length = arcLength(this.#state, j)
      this.before += length
      this.#taken.set(loser, (this.#taken.get(loser) ?? 0) + length)
    }
  }

  // The last replica of an arc, which a new one would displace; -1 where nobody is displaced.
  #lastOf(i: number): number {
    replicaSet(this.#state, i, this.#set)
    if (this.#set.includes(this.#joining)) return -1
    return this.#set.length < this.#state.replicas ? -1 : this.#set.at(-1)!
  }

  // The change of the squared deviations, in shares: the less the better.
  score(own: number, wanted: number): number {
    const { load, first, unit, replicas } = this.#state
    const share = unit[this.#joining]! * replicas
    const gained = this.before + (this.#loser < 0 ? 0 : own)
    let score = ((gained - wanted) / share) ** 2
    if (this.#loser >= 0) {
      this.#taken.set(this.#loser, (this.#taken.get(this.#loser) ?? 0) + own)
    }
    for (const [member, length] of this.#taken) {
      const less = length / (unit[member]! * replicas)
      const over = load[member]! - 1
      score += (over - less) ** 2 - over ** 2
    }
    const less = own / unit[this.#owner]!
    const over = first[this.#owner]! - 1
    return score + FIRST_REPLICA_WEIGHT * ((over - less) ** 2 - over ** 2)
  }
}
