// Multi-probe consistent hashing (Appleton and O'Reilly, arXiv:1505.00062): one point per member,
// several probes per key, the nearest point wins. Even shares at the memory of one point each.
import { BasePlacement, readHead } from './base-placement.ts'
import type { PlacementHead, PlacementOptions } from './base-placement.ts'
import { mix32 } from './hash.ts'
import type { KeyHash } from './hash.ts'
import { checkEven } from './jump.ts'
import { changeMembers } from './members.ts'
import type { Member, MembershipChange } from './members.ts'
import { murmur3 } from './murmur3.ts'
import { checkInteger, checkJson } from './placement.ts'
import type { Placement, PlacementJson } from './placement.ts'
import { arcLengths, mergePoints, noPoints, pointAt } from './points.ts'
import type { Points } from './points.ts'
import type { ZoneRule } from './zones.ts'

const CIRCLE = 4_294_967_296
const POSITION_TRIES = 16
const GOLDEN = 0x9e3779b9

/** What {@link multiProbe} may be told besides. */
export interface MultiProbeOptions extends PlacementOptions {
  /** How many probes a key makes, 1 to 256. 21 keep the peak within 5 % of the mean. Default: 21. */
  readonly probes?: number | undefined
}

/** A multi-probe placement in JSON. */
export interface MultiProbeJson extends PlacementJson {
  /** Always `'multi-probe'`. */
  readonly kind: 'multi-probe'
  /** The zone rules. */
  readonly zones: ZoneRule | readonly ZoneRule[]
  /** How many probes a key makes. */
  readonly probes: number
}

/** A multi-probe placement. */
export interface MultiProbe extends Placement {
  /** Always `'multi-probe'`. */
  readonly kind: 'multi-probe'
  /** The placement after a change. */
  with(change: MembershipChange): MultiProbe
  /** Plain data for {@link multiProbeFrom}. */
  toJSON(): MultiProbeJson
}

/**
 * Makes a multi-probe placement.
 *
 * @throws QuorateError `INVALID_MEMBERSHIP`, also for a weight other than 1; `INVALID_OPTIONS`;
 * `LIMIT_EXCEEDED`
 */
export function multiProbe(options: MultiProbeOptions): MultiProbe {
  const head = readHead(options)
  checkEven(head.members)
  return new Probing(head, checkInteger(options.probes ?? 21, 'probes', 1, 256))
}

// With one point each, a member whose point falls on another's would own nothing, so the later
// of the two by id goes on to its next choice.
function onePointEach(members: readonly Member[], hash: KeyHash): Points {
  const taken = new Set<number>()
  const keys = members.map((member, i) => {
    let position = 0
    for (let attempt = 0; attempt < POSITION_TRIES; attempt++) {
      position = hash.hash(`${attempt}:${member.id}`)
      if (!taken.has(position)) break
    }
    while (taken.has(position)) position = (position + 1) % CIRCLE
    taken.add(position)
    return position * 65_536 + i
  })
  return mergePoints(noPoints(), new Int32Array(0), Float64Array.from(keys).sort())
}

class Probing extends BasePlacement implements MultiProbe {
  readonly kind = 'multi-probe'
  readonly supports = {
    weights: false,
    zones: true,
    minimalMovement: true,
    anyRemoval: true,
    historyIndependent: true,
  }
  readonly #probes: number
  readonly #points: Points

  constructor(head: PlacementHead, probes: number) {
    super(head)
    this.#probes = probes
    this.#points = onePointEach(head.members, head.hash)
  }

  protected owner(hash: number): number {
    const points = this.#points
    let best = 0
    let nearest = CIRCLE
    for (let i = 0; i < this.#probes; i++) {
      // Equally spaced probes would cost less, but they are not independent, and shares suffer.
      const probe = mix32(hash + i * GOLDEN)
      const at = pointAt(points, probe)
      const distance = (points.position[at === points.count ? 0 : at]! - probe) >>> 0
      if (distance < nearest) {
        nearest = distance
        best = at
      }
    }
    return points.owner[best]!
  }

  // A probe lands within distance d of the point after it with a chance that grows linearly
  // between the lengths of the arcs; the chance that all probes are further is its power, and
  // its integral over each stretch is exact.
  protected shares(): Float64Array {
    const arcs = arcLengths(this.#points, this.members.length)
    const order = Array.from(arcs, (_, i) => i).sort((a, b) => arcs[a]! - arcs[b]!)
    const share = new Float64Array(arcs.length)
    let sum = 0
    let further = 1
    let before = 0
    order.forEach((member, rank) => {
      const open = arcs.length - rank
      const next = further - ((arcs[member]! - before) * open) / CIRCLE
      const power = (value: number): number => Math.max(0, value) ** this.#probes
      sum += (power(further) - power(next)) / open
      share[member] = sum
      further = next
      before = arcs[member]!
    })
    return share
  }

  with(change: MembershipChange): MultiProbe {
    const members = checkEven(changeMembers(this.members, change))
    return new Probing({ ...this.head, members, version: this.version + 1 }, this.#probes)
  }

  toJSON(): MultiProbeJson {
    return { ...this.headJson(this.kind), zones: this.head.zones, probes: this.#probes }
  }
}

/**
 * Restores a multi-probe placement.
 *
 * @throws QuorateError `MALFORMED` where the data is of another kind or hash
 */
export function multiProbeFrom(
  json: MultiProbeJson,
  options: Pick<PlacementOptions, 'hash'> = {},
): MultiProbe {
  const hash = options.hash ?? murmur3
  checkJson(json, 'multi-probe', hash.name)
  return multiProbe({ ...json, hash })
}
