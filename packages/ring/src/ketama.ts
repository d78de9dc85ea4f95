// The ring of libketama, point for point, for whoever has to find what memcached clients stored.
// New systems are better off with hashRing: here a change of weights moves more than it has to.
import type { NodeId } from '@quorate/core'
import { BasePlacement, readHead } from './base-placement.ts'
import type { PlacementHead, PlacementOptions } from './base-placement.ts'
import { digest, md5, md5Ketama } from './md5.ts'
import { changeMembers, invalidMember } from './members.ts'
import type { Member, MembershipChange } from './members.ts'
import { checkJson } from './placement.ts'
import type { Placement, PlacementJson } from './placement.ts'
import { arcLengths, mergePoints, noPoints, pointAt } from './points.ts'
import type { Points } from './points.ts'
import type { ZoneRule } from './zones.ts'

const CIRCLE = 4_294_967_296

/** A ketama ring in JSON. */
export interface KetamaJson extends PlacementJson {
  /** Always `'ketama'`. */
  readonly kind: 'ketama'
  /** The zone rules. */
  readonly zones: ZoneRule | readonly ZoneRule[]
}

/** A ring as libketama builds it. */
export interface Ketama extends Placement {
  /** Always `'ketama'`. */
  readonly kind: 'ketama'
  /** The point on the ring that a key belongs to, and its member; `undefined` without members. */
  point(key: string | Uint8Array): KetamaPoint | undefined
  /** The ring after a change. */
  with(change: MembershipChange): Ketama
  /** Plain data for {@link ketamaFrom}. */
  toJSON(): KetamaJson
}

/** A point of a ketama ring. */
export interface KetamaPoint {
  /** The hash of the key. */
  readonly hash: number
  /** The position of the point. */
  readonly position: number
  /** Its member. */
  readonly owner: NodeId
}

/**
 * Makes a ring as libketama does: ids are `host:port`, weights are what its file calls memory.
 *
 * @throws QuorateError `INVALID_MEMBERSHIP`, also for a weight so small that libketama would give
 * the member no point at all; `INVALID_OPTIONS`; `LIMIT_EXCEEDED`
 */
export function ketama(options: Omit<PlacementOptions, 'hash'>): Ketama {
  return new KetamaRing(readHead({ ...options, hash: md5Ketama }))
}

// The number of points is worked out in single precision there, and so it has to be here.
function keysOf(members: readonly Member[]): Float64Array {
  const total = Math.fround(members.reduce((sum, member) => sum + member.weight, 0))
  const keys: number[] = []
  members.forEach((member, number) => {
    const part = Math.fround(Math.fround(member.weight) / total)
    const groups = Math.floor(Math.fround(part * 40 * members.length))
    if (groups === 0) {
      throw invalidMember(`The weight of ${member.id} gives it no point by ketama`, member.id)
    }
    for (let group = 0; group < groups; group++) {
      md5(`${member.id}-${group}`)
      for (const position of digest) keys.push(position * 65_536 + number)
    }
  })
  return Float64Array.from(keys).sort()
}

class KetamaRing extends BasePlacement implements Ketama {
  readonly kind = 'ketama'
  readonly supports = {
    weights: true,
    zones: true,
    minimalMovement: false,
    anyRemoval: true,
    historyIndependent: true,
  }
  readonly #points: Points

  constructor(head: PlacementHead) {
    super(head)
    this.#points = mergePoints(noPoints(), new Int32Array(0), keysOf(head.members))
  }

  protected owner(hash: number): number {
    return this.#points.owner[pointAt(this.#points, hash >>> 0)]!
  }

  point(key: string | Uint8Array): KetamaPoint | undefined {
    const hash = md5Ketama.hash(key)
    const { count, position, owner } = this.#points
    if (count === 0) return undefined
    const at = pointAt(this.#points, hash) % count
    return { hash, position: position[at]!, owner: this.ids[owner[at]!]! }
  }

  protected shares(): Float64Array {
    return arcLengths(this.#points, this.members.length).map((length) => length / CIRCLE)
  }

  with(change: MembershipChange): Ketama {
    const members = changeMembers(this.members, change)
    return new KetamaRing({ ...this.head, members, version: this.version + 1 })
  }

  toJSON(): KetamaJson {
    return { ...this.headJson(this.kind), zones: this.head.zones }
  }
}

/**
 * Restores a ketama ring.
 *
 * @throws QuorateError `MALFORMED` where the data is of another kind
 */
export function ketamaFrom(json: KetamaJson): Ketama {
  checkJson(json, 'ketama', md5Ketama.name)
  return ketama({ members: json.members, zones: json.zones, version: json.version })
}
