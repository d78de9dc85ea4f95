// Who belongs to a group. One shape holds every stage of a change, so that a snapshot taken in
// the middle of one, and a log cut back across one, restore exactly what was in force.
import type { Codec } from './codec.ts'
import { QuorateError } from './errors.ts'
import type { NodeId } from './ids.ts'
import { checkId, compareIds, isId } from './ids.ts'

/**
 * The members of a group in force at one position of its log. All lists are sorted and distinct.
 *
 * While `outgoing` is not empty the group is in joint consensus (Ongaro, section 4.3): whatever
 * needs a quorum needs one of `voters` and one of `outgoing`.
 */
export interface Membership {
  /** Grows by one with each change, the stages of a joint change included; the first is 1. */
  readonly version: number
  /** Those whose votes and acknowledgements count; the incoming half in joint consensus. */
  readonly voters: readonly NodeId[]
  /** Those that receive the log and do not count. Disjoint from `voters`. */
  readonly learners: readonly NodeId[]
  /** Voters that vote and acknowledge but keep no state; a subset of `voters`, and of `outgoing` in joint consensus. */
  readonly witnesses: readonly NodeId[]
  /** The voters before the change in joint consensus, otherwise empty. */
  readonly outgoing: readonly NodeId[]
  /** Those of `outgoing` that become learners when joint consensus ends. */
  readonly learnersNext: readonly NodeId[]
}

/** The members that a group should come to have; how it gets there is the algorithm's affair. */
export interface MembershipTarget {
  /** The voters to end up with; at least one. */
  readonly voters: readonly NodeId[]
  /** The learners to end up with. Default none. */
  readonly learners?: readonly NodeId[] | undefined
  /** Which of the voters keep no state. Default none. */
  readonly witnesses?: readonly NodeId[] | undefined
}

/**
 * The membership that a target describes, sorted, at `version` (default 1), in no joint stage.
 *
 * @throws QuorateError `INVALID_MEMBERSHIP` where it has no voter, a duplicate, a learner that is
 * also a voter, a witness that is no voter, or no voter that keeps state
 */
export function membershipOf(target: MembershipTarget, version = 1): Membership {
  const voters = sortedIds(target.voters, 'voter')
  const learners = sortedIds(target.learners ?? [], 'learner')
  const witnesses = sortedIds(target.witnesses ?? [], 'witness')
  const fail = (why: string): never => {
    throw new QuorateError('INVALID_MEMBERSHIP', why)
  }
  if (voters.length === 0) fail('a group needs at least one voter')
  const both = learners.find((id) => voters.includes(id))
  if (both !== undefined) fail(`"${both}" cannot be a voter and a learner`)
  const stray = witnesses.find((id) => !voters.includes(id))
  if (stray !== undefined) fail(`witness "${stray}" is not a voter`)
  if (witnesses.length === voters.length) fail('a group needs a voter that keeps state')
  return { version, voters, learners, witnesses, outgoing: [], learnersNext: [] }
}

/** Every member once, sorted: voters of both halves and learners. */
export function membersOf(membership: Membership): readonly NodeId[] {
  const { voters, learners, outgoing, learnersNext } = membership
  return [...new Set([...voters, ...learners, ...outgoing, ...learnersNext])].sort(compareIds)
}

/** Whether `id` votes: as a voter of either half. */
export function isVoter(membership: Membership, id: NodeId): boolean {
  return membership.voters.includes(id) || membership.outgoing.includes(id)
}

/** Whether `id` belongs to the group in any role. */
export function isMember(membership: Membership, id: NodeId): boolean {
  return isVoter(membership, id) || membership.learners.includes(id)
}

/** Whether two memberships have the same members in the same roles, whatever their versions. */
export function sameMembers(a: Membership, b: Membership): boolean {
  return LISTS.every(
    (list) => a[list].length === b[list].length && a[list].every((id, at) => id === b[list][at]),
  )
}

const LISTS = ['voters', 'learners', 'witnesses', 'outgoing', 'learnersNext'] as const

/** A membership: the version as a varint, then each list with its count, in the order of the interface. */
export const membershipCodec: Codec<Membership> = {
  write(writer, membership) {
    writer.varint(membership.version)
    for (const list of LISTS) {
      writer.varint(membership[list].length)
      for (const id of membership[list]) writer.text(id)
    }
  },
  read(reader) {
    const version = reader.varint()
    const [voters, learners, witnesses, outgoing, learnersNext] = LISTS.map(() => {
      const ids = Array.from({ length: reader.count(2) }, () => reader.text())
      if (!ids.every(isId)) throw new QuorateError('MALFORMED', 'a member that is no id')
      if (ids.some((id, at) => at > 0 && compareIds(ids[at - 1] as string, id) >= 0)) {
        throw new QuorateError('MALFORMED', 'a membership whose lists are not sorted and distinct')
      }
      return ids
    }) as [NodeId[], NodeId[], NodeId[], NodeId[], NodeId[]]
    return { version, voters, learners, witnesses, outgoing, learnersNext }
  },
}

function sortedIds(ids: readonly NodeId[], what: string): readonly NodeId[] {
  const sorted = ids.map((id) => checkId(id, `a ${what}`)).sort(compareIds)
  const twice = sorted.find((id, at) => at > 0 && sorted[at - 1] === id)
  if (twice !== undefined) {
    throw new QuorateError('INVALID_MEMBERSHIP', `${what} "${twice}" is listed twice`)
  }
  return sorted
}
