// Consistent hashing with bounded loads (Mirrokni, Thorup and Zadimoghaddam, arXiv:1608.01350):
// nobody holds more than (1 + epsilon) times its share, in slots or in requests under way.
import { QuorateError } from '@quorate/core'
import type { Key, NodeId } from '@quorate/core'
import { checkKey } from './key.ts'
import type { Member, MembershipChange } from './members.ts'
import { murmur3 } from './murmur3.ts'
import { balance, checkInteger, fingerprintOf, sharesById } from './placement.ts'
import type { BalanceStats, Candidate, Explanation, Placement, PlacementJson } from './placement.ts'

const SLOT_LIMIT = 65_536

/** What {@link boundedLoads} may be told. */
export interface BoundedLoadsOptions {
  /** How much more than its share a member may hold: above 0, at most 1. Default: 0.25. */
  readonly epsilon?: number | undefined
  /** How many slots keys are divided into, 1 to 65,536. Default: 4,096. */
  readonly slots?: number | undefined
}

/** A placement with bounded loads in JSON. */
export interface BoundedLoadsJson extends PlacementJson {
  /** Always `'bounded'`. */
  readonly kind: 'bounded'
  /** The bound. */
  readonly epsilon: number
  /** How many slots there are. */
  readonly slots: number
  /** The placement underneath. */
  readonly base: PlacementJson
}

/** A placement whose members all stay within their bound. */
export interface BoundedLoads extends Placement {
  /** Always `'bounded'`. */
  readonly kind: 'bounded'
  /** The most slots that a member may hold. */
  capacity(id: NodeId): number
  /** The placement after a change. */
  with(change: MembershipChange): BoundedLoads
  /** Plain data for {@link boundedLoadsFrom}, with that of the placement underneath. */
  toJSON(): BoundedLoadsJson
}

/** The most units of `total` that a member may hold. */
export function loadBound(total: number, epsilon: number, weight: number, weights: number): number {
  return Math.ceil(((1 + epsilon) * total * weight) / weights)
}

/** Returns a bound that can be met. */
export function checkEpsilon(epsilon: number): number {
  if (typeof epsilon === 'number' && epsilon > 0 && epsilon <= 1) return epsilon
  throw new QuorateError(
    'INVALID_OPTIONS',
    `epsilon must be above 0 and at most 1, got ${String(epsilon)}`,
  )
}

/**
 * Bounds the loads of any placement: keys are divided into slots, and slot by slot the first
 * member in the order of `base` that has room takes it.
 *
 * @throws QuorateError `INVALID_OPTIONS` where epsilon or slots are out of range
 */
export function boundedLoads(base: Placement, options: BoundedLoadsOptions = {}): BoundedLoads {
  const epsilon = checkEpsilon(options.epsilon ?? 0.25)
  return new Bounded(base, epsilon, checkInteger(options.slots ?? 4096, 'slots', 1, SLOT_LIMIT))
}

/** Restores a placement with bounded loads over a placement restored from `json.base`. */
export function boundedLoadsFrom(json: BoundedLoadsJson, base: Placement): BoundedLoads {
  if (
    json.kind !== 'bounded' ||
    json.format !== 1 ||
    JSON.stringify(json.base) !== JSON.stringify(base)
  ) {
    throw new QuorateError('MALFORMED', 'The data is not of bounded loads over this placement')
  }
  return boundedLoads(base, json)
}

function slotKey(slot: number): string {
  return `slot:${slot}`
}

class Bounded implements BoundedLoads {
  readonly kind = 'bounded'
  readonly supports = {
    weights: true,
    zones: true,
    minimalMovement: false,
    anyRemoval: true,
    historyIndependent: true,
  }
  readonly hash: string = murmur3.name
  readonly #base: Placement
  readonly #epsilon: number
  readonly #ids: readonly NodeId[]
  readonly #owner: Uint16Array
  readonly #bound: readonly number[]
  #fingerprint: string | undefined

  constructor(base: Placement, epsilon: number, slots: number) {
    this.#base = base
    this.#epsilon = epsilon
    this.#ids = base.members.map((member) => member.id)
    const weights = base.members.reduce((sum, member) => sum + member.weight, 0)
    this.#bound = base.members.map((member) => loadBound(slots, epsilon, member.weight, weights))
    this.#owner = new Uint16Array(slots)
    const load = this.#ids.map(() => 0)
    const index = new Map(this.#ids.map((id, i) => [id, i]))
    for (let slot = 0; slot < slots && load.length > 0; slot++) {
      const member = this.#firstWithRoom(slotKey(slot), load, index)
      this.#owner[slot] = member
      load[member]!++
    }
  }

  // The order is asked for in growing parts: nearly always the first few members have room.
  #firstWithRoom(key: Key, load: readonly number[], index: ReadonlyMap<NodeId, number>): number {
    for (let n = 4; ; n *= 4) {
      const order = this.#base.preferenceList(key, n)
      for (const id of order) {
        const member = index.get(id)!
        if (load[member]! < this.#bound[member]!) return member
      }
      if (order.length < n || n >= load.length) break
    }
    // Hard zones can cut the order short; whoever has room will do then.
    return load.findIndex((held, member) => held < this.#bound[member]!)
  }

  get version(): number {
    return this.#base.version
  }

  get members(): readonly Member[] {
    return this.#base.members
  }

  get fingerprint(): string {
    return (this.#fingerprint ??= fingerprintOf({ ...this.toJSON(), base: this.#base.fingerprint }))
  }

  #slot(hash: number): number {
    return Math.floor((hash * this.#owner.length) / 4_294_967_296)
  }

  capacity(id: NodeId): number {
    return this.#bound[this.#ids.indexOf(id)] ?? 0
  }

  locate(key: Key): NodeId | undefined {
    return this.#ids[this.#owner[this.#slot(murmur3.hash(key))]!]
  }

  preferenceList(key: Key, n: number): readonly NodeId[] {
    checkInteger(n, 'n', 1, Number.MAX_SAFE_INTEGER, 'INVALID_ARGUMENT')
    const first = this.locate(key)
    if (first === undefined) return []
    const slot = this.#slot(murmur3.hash(key))
    const rest = this.#base.preferenceList(slotKey(slot), n + 1).filter((id) => id !== first)
    return [first, ...rest].slice(0, n)
  }

  with(change: MembershipChange): BoundedLoads {
    return new Bounded(this.#base.with(change), this.#epsilon, this.#owner.length)
  }

  #shares(): readonly number[] {
    const share = this.#ids.map(() => 0)
    for (const member of this.#owner) if (share.length > 0) share[member]! += 1 / this.#owner.length
    return share
  }

  ownership(): ReadonlyMap<NodeId, number> {
    return sharesById(this.members, this.#shares())
  }

  stats(): BalanceStats {
    return balance(this.members, this.#shares(), 0)
  }

  explain(key: Key, n = 3): Explanation {
    checkKey(key)
    const hash = murmur3.hash(key)
    const shard = this.#slot(hash)
    const owner = this.locate(key)
    const list = this.preferenceList(key, n)
    const wanted = this.#base.preferenceList(slotKey(shard), Math.max(1, this.#ids.length))
    const candidates = wanted.map((id): Candidate => {
      const taken = list.includes(id)
      if (id === owner) return { id, taken, because: `has room for slot ${shard}` }
      const full = owner !== undefined && wanted.indexOf(id) < wanted.indexOf(owner)
      return { id, taken, because: full ? 'was full when the slot was placed' : 'next in order' }
    })
    return { hash, hashed: [0, key.length], shard, point: undefined, owner, candidates }
  }

  toJSON(): BoundedLoadsJson {
    const { kind, hash, version, members } = this
    const head = { kind, format: 1, hash, version, members } as const
    const base = this.#base.toJSON()
    return { ...head, epsilon: this.#epsilon, slots: this.#owner.length, base }
  }
}
