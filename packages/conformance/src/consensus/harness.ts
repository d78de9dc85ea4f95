// What the checks of consensus cores have in common: what is tested, how a check is called, and the few
// moves that every check makes.
import type { ConsensusFactory, Limits, MembershipTarget, NodeId } from '@quorate/core'
import { decodeUtf8, encodeUtf8 } from '@quorate/core'
import type { Promises } from '@quorate/sim'
import { CoreCluster } from '@quorate/sim'

/** What an algorithm can do beyond what each must; a check that needs more is skipped. */
export interface ConsensusSupports {
  /**
   * Replacing a leader that is lost, which is what consensus is for. What copies a log from one fixed
   * replica to others owes the rest of the contract all the same, and can be checked for it.
   */
  readonly failover: boolean
  /** Changes of membership, learners included. */
  readonly membership: boolean
  /** Transfer of leadership to a voter. */
  readonly transfer: boolean
  /** Keeping only a window of the log in memory and reading the rest back. */
  readonly logWindow: boolean
  /** Refusing proposals beyond `uncommittedBytesMax`, and bounding messages by `messageBytesMax`. */
  readonly limits: boolean
  /**
   * Filling a voter that lost its disk, and counting it again. Without it such a voter has no part in
   * anything any more; that it harms nothing is no capability.
   */
  readonly rejoin: boolean
}

/** What is tested. */
export interface ConsensusHarness {
  /** The algorithm. Its election timeout must be at most a second or two. */
  readonly consensus: ConsensusFactory
  /** What it promises. Default: everything that `Promises` names. */
  readonly promises?: Promises | undefined
  /** What it can do. Default: everything. */
  readonly supports?: Partial<ConsensusSupports> | undefined
}

/** One check. */
export interface ConsensusCheck {
  /** What must be so. */
  readonly name: string
  /** The capability without which it is skipped. */
  readonly needs?: keyof ConsensusSupports | undefined
  /** Throws unless it is so. */
  run(harness: ConsensusHarness): void
}

/** A group under test. */
export type Group = CoreCluster<unknown>

/** The group that most checks use. */
export const three: MembershipTarget = Object.freeze({ voters: ['a', 'b', 'c'] })

/** A group of the algorithm under test. */
export function groupOf(
  harness: ConsensusHarness,
  members: MembershipTarget = three,
  limits?: Partial<Limits>,
  seed = 1,
): Group {
  const { consensus, promises } = harness
  return new CoreCluster({ consensus, promises, members, limits, seed })
}

/** Throws unless `condition` holds. */
export function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(what)
}

const STEP_MS = 25
const PATIENCE_MS = 60_000

/** Lets time pass, everything being delivered at once, until `done`; throws after a simulated minute. */
export function until(
  group: Group,
  what: string,
  done: () => boolean,
  among?: readonly NodeId[],
): void {
  for (let passed = 0; passed < PATIENCE_MS; passed += STEP_MS) {
    group.stabilize(among)
    if (done()) return
    group.advance(STEP_MS)
  }
  throw new Error(`${what}: not within ${PATIENCE_MS} ms`)
}

/** Waits for a leader among some replicas (default all) that has committed in its epoch, and returns it. */
export function elected(group: Group, among: readonly NodeId[] = group.ids): NodeId {
  let leader: NodeId | undefined
  until(
    group,
    'no leader',
    () => {
      leader = among
        .filter((id) => group.replica(id).up)
        .map((id) => group.replica(id).running.status())
        .filter(({ role }) => role === 'leader')
        .sort((x, y) => y.epoch - x.epoch)[0]?.id
      if (leader === undefined) return false
      const { commitIndex, lastIndex } = group.replica(leader).running.status()
      return commitIndex === lastIndex
    },
    among,
  )
  return leader as NodeId
}

/** Lets time pass at some replicas alone, until one of them leads. */
export function electedByOthers(group: Group, ids: readonly NodeId[]): NodeId {
  for (let round = 0; round < 500; round++) {
    for (const id of ids) {
      group.wake(id)
      group.stabilize(ids)
      const leads = ids.find((each) => group.replica(each).running.status().role === 'leader')
      if (leads !== undefined) return leads
    }
  }
  throw new Error('the others elect nobody')
}

/** Proposes commands at a replica and waits until they are applied there. */
export function applied(
  group: Group,
  at: NodeId,
  texts: readonly string[],
  among?: readonly NodeId[],
): void {
  const calls = texts.map((text) => group.propose(at, encodeUtf8(text)))
  until(
    group,
    `proposals at ${at} were not applied`,
    () => calls.every((call) => group.calls.get(call).state === 'done'),
    among,
  )
}

/** Whether all replicas that are up have applied everything that anybody has. */
export function level(group: Group): boolean {
  return group.ids.every((id) => {
    const replica = group.replica(id)
    return !replica.up || replica.appliedIndex === group.history.length
  })
}

/**
 * Replaces a replica's disk by an empty one, and starts it as a host that lost its disk has to be
 * started: told of no members.
 */
export function loseDisk(group: Group, id: NodeId): void {
  const replica = group.replica(id)
  if (replica.up) group.crash(id)
  const hardState = undefined
  const durable = { hardState, snapshot: undefined, firstIndex: 1, baseEpoch: 0, entries: [] }
  Object.assign(replica, { durable, finished: [], bootstrap: undefined })
  group.restart(id)
}

/** The commands applied so far, as text. */
export function commandsOf(group: Group): readonly string[] {
  const texts: string[] = []
  for (let index = 1; index <= group.history.length; index++) {
    const entry = group.history.entry(index)
    if (entry?.kind === 'command') texts.push(decodeUtf8(entry.payload))
  }
  return texts
}

/** Whoever is not one of these. */
export function others(group: Group, ...ids: readonly NodeId[]): readonly NodeId[] {
  return group.ids.filter((id) => !ids.includes(id))
}

/** Throws unless two lists of texts are equal. */
export function equal(actual: readonly string[], expected: readonly string[], what: string): void {
  check(
    actual.length === expected.length && actual.every((text, at) => text === expected[at]),
    `${what}: expected ${expected.join(' ')}, got ${actual.join(' ')}`,
  )
}
