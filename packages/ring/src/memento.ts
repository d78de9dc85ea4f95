// Memento hashing (Coluzzi, Brocco and others, 2023): jump with a memory of the buckets that left,
// so that any member can leave and the exact shares and the least movement remain.
import { QuorateError } from '@quorate/core'
import type { NodeId } from '@quorate/core'
import { BasePlacement, fairShares, readHead } from './base-placement.ts'
import type { PlacementHead, PlacementOptions } from './base-placement.ts'
import { mix32 } from './hash.ts'
import { checkEven, jumpBucket } from './jump.ts'
import { changeMembers, indexById } from './members.ts'
import type { MembershipChange } from './members.ts'
import { murmur3 } from './murmur3.ts'
import { checkJson } from './placement.ts'
import type { Placement, PlacementJson } from './placement.ts'
import type { ZoneRule } from './zones.ts'

/** A memento placement in JSON. */
export interface MementoJson extends PlacementJson {
  /** Always `'memento'`. */
  readonly kind: 'memento'
  /** The zone rules. */
  readonly zones: ZoneRule | readonly ZoneRule[]
  /** The member of each bucket; `null` where it left. */
  readonly buckets: readonly (NodeId | null)[]
  /** The buckets that were left, in that order. */
  readonly left: readonly number[]
}

/** A memento placement. */
export interface Memento extends Placement {
  /** Always `'memento'`. */
  readonly kind: 'memento'
  /** The placement after a change. */
  with(change: MembershipChange): Memento
  /** Plain data for {@link mementoFrom}. */
  toJSON(): MementoJson
}

/**
 * Makes a memento placement.
 *
 * @throws QuorateError `INVALID_MEMBERSHIP`, also for a weight other than 1; `INVALID_OPTIONS`;
 * `LIMIT_EXCEEDED`
 */
export function memento(options: PlacementOptions): Memento {
  const head = readHead(options)
  const buckets = checkEven(head.members).map((member) => member.id)
  return new MementoPlacement(head, { buckets, left: [] })
}

interface Buckets {
  readonly buckets: readonly (NodeId | null)[]
  readonly left: readonly number[]
}

// A member that leaves the last bucket of an unbroken row takes the bucket with it; any other
// leaves a hole, and the next that comes takes the hole that was made last.
function leave(state: Buckets, id: NodeId): Buckets {
  const at = state.buckets.indexOf(id)
  if (state.left.length === 0 && at === state.buckets.length - 1) {
    return { buckets: state.buckets.slice(0, -1), left: [] }
  }
  const buckets = state.buckets.map((each) => (each === id ? null : each))
  if (buckets.every((each) => each === null)) return { buckets: [], left: [] }
  return { buckets, left: [...state.left, at] }
}

function come(state: Buckets, id: NodeId): Buckets {
  const hole = state.left.at(-1)
  if (hole === undefined) return { buckets: [...state.buckets, id], left: [] }
  const buckets = state.buckets.map((each, i) => (i === hole ? id : each))
  return { buckets, left: state.left.slice(0, -1) }
}

class MementoPlacement extends BasePlacement implements Memento {
  readonly kind = 'memento'
  readonly supports = {
    weights: false,
    zones: true,
    minimalMovement: true,
    anyRemoval: true,
    historyIndependent: false,
  }
  readonly #state: Buckets
  readonly #member: Uint16Array
  // By bucket that was left: how many buckets remained then, which is also the number that its
  // replacement had. Absent while the bucket works.
  readonly #remained: ReadonlyMap<number, number>

  constructor(head: PlacementHead, state: Buckets) {
    super(head)
    const index = indexById(head.members)
    this.#state = state
    this.#member = Uint16Array.from(state.buckets, (id) => (id === null ? 0 : index.get(id)!))
    const size = state.buckets.length
    this.#remained = new Map(state.left.map((bucket, i) => [bucket, size - i - 1]))
  }

  protected owner(hash: number): number {
    const remained = this.#remained
    let bucket = jumpBucket(0, hash, this.#member.length)
    if (remained.size === 0) return this.#member[bucket]!
    for (let count = remained.get(bucket); count !== undefined; count = remained.get(bucket)) {
      const drawn = mix32(hash ^ mix32(bucket + 1))
      bucket = Math.floor((drawn * count) / 4_294_967_296)
      for (
        let later = remained.get(bucket);
        later !== undefined && later >= count;
        later = remained.get(bucket)
      ) {
        bucket = later
      }
    }
    return this.#member[bucket]!
  }

  protected shares(): readonly number[] {
    return fairShares(this.members)
  }

  with(change: MembershipChange): Memento {
    const members = checkEven(changeMembers(this.members, change))
    const before = new Set(this.#state.buckets)
    let state = (change.remove ?? []).reduce(leave, this.#state)
    const gone = new Set<NodeId | null>(change.remove ?? [])
    for (const { id } of members) {
      if (!before.has(id) || gone.has(id)) state = come(state, id)
    }
    return new MementoPlacement({ ...this.head, members, version: this.version + 1 }, state)
  }

  toJSON(): MementoJson {
    return { ...this.headJson(this.kind), zones: this.head.zones, ...this.#state }
  }
}

/**
 * Restores a memento placement.
 *
 * @throws QuorateError `MALFORMED` where the data is of another kind or hash, or its buckets do
 * not fit its members
 */
export function mementoFrom(
  json: MementoJson,
  options: Pick<PlacementOptions, 'hash'> = {},
): Memento {
  const hash = options.hash ?? murmur3
  checkJson(json, 'memento', hash.name)
  const head = readHead({ ...json, hash })
  const { buckets, left } = json
  const present = buckets.filter((id) => id !== null).sort()
  const holes = buckets.flatMap((id, i) => (id === null ? [i] : []))
  const ids = checkEven(head.members).map((member) => member.id)
  const fits =
    JSON.stringify(present) === JSON.stringify(ids) &&
    JSON.stringify(holes) === JSON.stringify([...left].sort((a, b) => a - b))
  if (!fits) {
    throw new QuorateError('MALFORMED', 'The buckets of a memento placement must be its members')
  }
  return new MementoPlacement(head, { buckets: [...buckets], left: [...left] })
}
