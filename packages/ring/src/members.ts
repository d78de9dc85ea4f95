// Who holds data. Members are checked once, where they enter, and kept in the order of their
// ids, so that no result ever depends on the order in which somebody listed them.
import { QuorateError } from '@quorate/core'
import type { NodeId } from '@quorate/core'

/** The most members that one snapshot can have; the owner of a point is a 16-bit index. */
const MEMBERS_MAX = 65_535

/** The most levels that a zone path can have, for example region, site, room, rack. */
const ZONE_LEVELS_MAX = 4

const WEIGHT_MIN = 1e-6
const WEIGHT_MAX = 1e6
const PRINTABLE = /^[!-~]{1,255}$/

/** One member as a user writes it. An id alone stands for weight 1 and no zone. */
export interface MemberOptions {
  /** 1 to 255 printable ASCII characters without spaces; unique among the members. */
  readonly id: NodeId
  /** The member's share relative to the others', from 0.000001 to 1,000,000. Default: 1. */
  readonly weight?: number | undefined
  /**
   * Where the member stands, outermost first, for example `['eu-west', 'rack-7']`; a string is
   * a path of one. Every member has as many levels as the others. Default: none.
   */
  readonly zone?: string | readonly string[] | undefined
}

/** One member of a snapshot, complete and checked. */
export interface Member {
  /** The member's id. */
  readonly id: NodeId
  /** Its share relative to the others'. */
  readonly weight: number
  /** Its zones, outermost first; empty where zones are not used. */
  readonly zone: readonly string[]
}

/** What to change: first the removals, then the new weights, then the additions. */
export interface MembershipChange {
  /** Members to add. None of them may be there already, unless it is also removed. */
  readonly add?: readonly (NodeId | MemberOptions)[] | undefined
  /** Ids of members to remove. */
  readonly remove?: readonly NodeId[] | undefined
  /** New weights by id. */
  readonly reweight?: Readonly<Record<NodeId, number>> | undefined
}

/** Makes the error for members that cannot be. */
export function invalidMember(message: string, id: unknown): QuorateError {
  return new QuorateError('INVALID_MEMBERSHIP', message, { details: { id } })
}

function readMember(given: NodeId | MemberOptions): Member {
  const options: MemberOptions = typeof given === 'string' ? { id: given } : given
  const { id } = options
  if (typeof id !== 'string' || !PRINTABLE.test(id)) {
    throw invalidMember(
      `A member id must be 1 to 255 printable ASCII characters without spaces, got ${show(id)}`,
      id,
    )
  }
  const zone = typeof options.zone === 'string' ? [options.zone] : [...(options.zone ?? [])]
  if (
    zone.length > ZONE_LEVELS_MAX ||
    zone.some((part) => typeof part !== 'string' || part === '')
  ) {
    throw invalidMember(
      `The zone of ${id} must be at most ${ZONE_LEVELS_MAX} non-empty strings, got ${show(zone)}`,
      id,
    )
  }
  return { id, weight: readWeight(id, options.weight ?? 1), zone }
}

function readWeight(id: NodeId, weight: number): number {
  if (typeof weight === 'number' && weight >= WEIGHT_MIN && weight <= WEIGHT_MAX) return weight
  throw invalidMember(
    `The weight of ${id} must be from ${WEIGHT_MIN} to ${WEIGHT_MAX}, got ${String(weight)}`,
    id,
  )
}

function show(value: unknown): string {
  return (JSON.stringify(value) ?? typeof value).slice(0, 80)
}

/**
 * Checks members and puts them in the order of their ids.
 *
 * @throws QuorateError `INVALID_MEMBERSHIP` for a bad id, weight or zone, a duplicate id, or zone
 * paths of different lengths; `LIMIT_EXCEEDED` for more than {@link MEMBERS_MAX}
 */
export function readMembers(given: readonly (NodeId | MemberOptions)[]): readonly Member[] {
  if (!Array.isArray(given)) throw new TypeError('members must be an array')
  if (given.length > MEMBERS_MAX) {
    throw new QuorateError('LIMIT_EXCEEDED', `${given.length} members are more than ${MEMBERS_MAX}`)
  }
  const members = given.map(readMember).sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0))
  for (let i = 1; i < members.length; i++) {
    const { id, zone } = members[i]!
    if (id === members[i - 1]!.id) throw invalidMember(`Two members have the id ${id}`, id)
    if (zone.length !== members[0]!.zone.length) {
      throw invalidMember(
        `${id} has ${zone.length} zone levels, ${members[0]!.id} has ${members[0]!.zone.length}`,
        id,
      )
    }
  }
  return members
}

/**
 * The members after a change.
 *
 * @throws QuorateError `INVALID_MEMBERSHIP` where the change removes or reweighs a member that is
 * not there, names one twice, or leads to members that cannot be
 */
export function changeMembers(
  members: readonly Member[],
  change: MembershipChange,
): readonly Member[] {
  const byId = new Map(members.map((member) => [member.id, member]))
  for (const id of change.remove ?? []) {
    if (!byId.delete(id)) throw invalidMember(`${id} is not a member and cannot be removed`, id)
  }
  for (const [id, weight] of Object.entries(change.reweight ?? {})) {
    const member = byId.get(id)
    if (member === undefined) throw invalidMember(`${id} is not a member and has no weight`, id)
    byId.set(id, { ...member, weight: readWeight(id, weight) })
  }
  return readMembers([...byId.values(), ...(change.add ?? [])])
}

/** Indexes into `members` by id. */
export function indexById(members: readonly Member[]): ReadonlyMap<NodeId, number> {
  return new Map(members.map((member, index) => [member.id, index]))
}
