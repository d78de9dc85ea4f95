// The contract of a placement of keys on members as cases: balance, least movement, determinism.
// The shape is spelled out here, so that an algorithm needs no package but this to be tested.
import type { Key, NodeId } from '@quorate/core'
import {
  bytesOf,
  check,
  checkEqual,
  checkThrows,
  chiSquare,
  chiSquareLimit,
  ODD_KEYS,
  plainKeys,
} from './suite.ts'
import type { ConformanceOptions } from '../test-runner.ts'
import { suiteMembers } from './partitioner-suite.ts'
import type { SuiteMember } from './partitioner-suite.ts'

/** The part of a placement that the suite looks at. */
export interface PlacementUnderTest {
  /** Grows with each change. */
  readonly version: number
  /** Identifies the content whatever its version. */
  readonly fingerprint: string
  /** The member that holds a key; `undefined` only where there are none. */
  locate(key: Key): NodeId | undefined
  /** `n` distinct members for the replicas of a key, that of `locate` first. */
  preferenceList(key: Key, n: number): readonly NodeId[]
  /** The exact share of keys by member. */
  ownership(): ReadonlyMap<NodeId, number>
  /** The placement after a change. */
  with(change: {
    readonly add?: readonly (NodeId | SuiteMember)[]
    readonly remove?: readonly NodeId[]
    readonly reweight?: Readonly<Record<NodeId, number>>
  }): PlacementUnderTest
  /** Plain data. */
  toJSON(): unknown
}

/** What the placement under test promises. Cases are skipped by this alone. */
export interface PlacementPromises {
  /** Members may have different weights. */
  readonly weights: boolean
  /** A change moves keys only to or from the members that it names. */
  readonly minimalMovement: boolean
  /** Any member may be removed, not only the last. */
  readonly anyRemoval: boolean
  /** Equal members give equal answers whatever changes led there. */
  readonly historyIndependent: boolean
}

/** What {@link placementConformance} needs to know of the placement under test. */
export interface PlacementSubject {
  /** Names the placement in the report. */
  readonly name: string
  /** Makes one of `members`, in the order given. */
  create(members: readonly SuiteMember[]): PlacementUnderTest
  /** Makes one of what `toJSON` gave, after a passage through text. */
  restore(json: unknown): PlacementUnderTest
  /** The largest share of a member over the mean, for ten members of equal weight. */
  readonly peakToMean: number
  /** What it promises. */
  readonly supports: PlacementPromises
}

const KEYS = plainKeys(6000)

/** One thing that every placement must do. */
export interface PlacementCheck {
  /** What it must do, as a sentence. */
  readonly name: string
  /** What it must promise for the check to apply. */
  readonly needs: keyof PlacementPromises | undefined
  /** Throws where it does not. */
  run(subject: PlacementSubject): void
}

type Declare = (
  what: string | Pick<PlacementCheck, 'name' | 'needs'>,
  run: (subject: PlacementSubject) => void,
) => void

/** Every check of a placement. */
export const placementChecks: readonly PlacementCheck[] = Object.freeze(allChecks())

function allChecks(): PlacementCheck[] {
  const checks: PlacementCheck[] = []
  const declare: Declare = (what, run) => {
    checks.push({ ...(typeof what === 'string' ? { name: what, needs: undefined } : what), run })
  }
  answerChecks(declare)
  balanceChecks(declare)
  movementChecks(declare)
  snapshotChecks(declare)
  return checks
}

/** What {@link placementConformance} is given. */
export interface PlacementConformanceOptions extends ConformanceOptions, PlacementSubject {
  /** Names it in the report. */
  readonly name: string
}

/** Registers every check that applies as a test. */
export function placementConformance(options: PlacementConformanceOptions): void {
  const { name: subject, test, supports } = options
  test.describe(subject, () => {
    for (const { name, needs, run } of placementChecks) {
      if (needs === undefined || supports[needs]) test.it(name, () => run(options))
    }
  })
}

function answerChecks(it: Declare): void {
  it('answers undefined and an empty list without members, and the one where there is one', (subject) => {
    const none = subject.create([])
    checkEqual(none.locate('key'), undefined, 'owner without members')
    checkEqual(none.preferenceList('key', 3), [], 'list without members')
    const one = subject.create(suiteMembers(1))
    checkEqual(one.locate('key'), 'member-a', 'owner with one member')
    checkEqual(one.preferenceList('key', 3), ['member-a'], 'list with one member')
  })

  it('lists distinct members, its owner first, a longer list beginning with the shorter', (subject) => {
    const placement = subject.create(suiteMembers(7))
    for (const key of [...ODD_KEYS, ...KEYS.slice(0, 300)]) {
      const all = placement.preferenceList(key, 9)
      checkEqual(new Set(all).size, 7, 'distinct members in a list of more than there are')
      checkEqual(all[0], placement.locate(key), 'first of the list')
      checkEqual(placement.preferenceList(key, 3), all.slice(0, 3), 'the list of three')
    }
  })

  it('takes text and its UTF-8 bytes for the same key, and rejects lone surrogates', (subject) => {
    const placement = subject.create(suiteMembers(7))
    for (const key of [...ODD_KEYS, ...KEYS.slice(0, 300)]) {
      checkEqual(placement.locate(bytesOf(key)), placement.locate(key), 'owner of the bytes')
    }
    checkThrows(() => placement.locate('\ud800'), 'INVALID_ARGUMENT', 'a lone surrogate')
  })

  it('answers alike for the same members in any order', (subject) => {
    const members = suiteMembers(7)
    const given = subject.create(members)
    const reversed = subject.create([...members].reverse())
    checkEqual(reversed.fingerprint, given.fingerprint, 'fingerprint')
    for (const key of KEYS.slice(0, 2000)) {
      checkEqual(reversed.locate(key), given.locate(key), `owner of ${key}`)
    }
  })

  it('rejects members that cannot be', (subject) => {
    for (const members of [
      [{ id: 'a' }, { id: 'a' }],
      [{ id: 'a', weight: 0 }],
      [{ id: 'a', weight: -1 }],
      [{ id: 'a', weight: Number.NaN }],
      [{ id: '' }],
    ]) {
      checkThrows(() => subject.create(members), 'INVALID_MEMBERSHIP', JSON.stringify(members))
    }
    const placement = subject.create(suiteMembers(3))
    checkThrows(() => placement.with({ remove: ['no'] }), 'INVALID_MEMBERSHIP', 'remove a stranger')
    checkThrows(() => placement.with({ add: ['member-a'] }), 'INVALID_MEMBERSHIP', 'add it twice')
  })
}

function countKeys(placement: PlacementUnderTest): ReadonlyMap<NodeId, number> {
  const counts = new Map([...placement.ownership().keys()].map((id) => [id, 0]))
  for (const key of KEYS)
    counts.set(placement.locate(key)!, counts.get(placement.locate(key)!)! + 1)
  return counts
}

function checkShares(placement: PlacementUnderTest, what: string): void {
  const shares = placement.ownership()
  const total = [...shares.values()].reduce((sum, share) => sum + share, 0)
  check(Math.abs(total - 1) < 1e-9, `${what}: the shares sum to ${total}`)
  const counts = countKeys(placement)
  const ids = [...shares.keys()]
  const statistic = chiSquare(
    ids.map((id) => counts.get(id)!),
    ids.map((id) => shares.get(id)! * KEYS.length),
  )
  check(
    statistic < chiSquareLimit(ids.length - 1),
    `${what}: chi-square of keys against shares is ${statistic.toFixed(1)}`,
  )
}

function balanceChecks(it: Declare): void {
  it('gives members the shares that it says, and those are even', (subject) => {
    const placement = subject.create(suiteMembers(10))
    checkShares(placement, 'ten members')
    const peak = Math.max(...placement.ownership().values()) * 10
    check(peak <= subject.peakToMean, `the largest share is ${peak.toFixed(3)} of the mean`)
  })

  it({ name: 'gives members shares by weight', needs: 'weights' }, (subject) => {
    const members = suiteMembers(6).map(({ id }, i) => ({ id, weight: i < 3 ? 1 : 2 }))
    const placement = subject.create(members)
    checkShares(placement, 'weights 1 and 2')
    const shares = placement.ownership()
    const part = (from: number): number =>
      members.slice(from, from + 3).reduce((sum, { id }) => sum + shares.get(id)!, 0)
    const ratio = part(3) / part(0)
    const spread = subject.peakToMean ** 2
    check(ratio > 2 / spread && ratio < 2 * spread, `weights of 2 to 1 gave ${ratio.toFixed(2)}`)
  })
}

// Without the promise some more may move, but a change must not shuffle everything.
function allowed({ supports }: PlacementSubject): number {
  return supports.minimalMovement ? 0 : KEYS.length * 0.25
}

function needless(
  before: PlacementUnderTest,
  after: PlacementUnderTest,
  named: readonly NodeId[],
): { readonly moved: number; readonly needless: number } {
  let moved = 0
  let count = 0
  for (const key of KEYS) {
    const [from, to] = [before.locate(key)!, after.locate(key)!]
    if (from === to) continue
    moved++
    if (!named.includes(from) && !named.includes(to)) count++
  }
  return { moved, needless: count }
}

function movementChecks(it: Declare): void {
  it('moves keys only to a member that joins, and about its share', (subject) => {
    const before = subject.create(suiteMembers(9))
    const after = before.with({ add: ['member-z'] })
    check(after.version > before.version, 'the version must grow')
    const diff = needless(before, after, ['member-z'])
    check(diff.needless <= allowed(subject), `${diff.needless} keys moved between others`)
    check(diff.moved > 0, 'nothing moved to the new member')
    const most =
      (KEYS.length / 10) * subject.peakToMean + allowed(subject) + 5 * Math.sqrt(KEYS.length / 10)
    check(diff.moved <= most, `${diff.moved} keys moved for a tenth of them`)
  })

  it('moves keys only from a member that leaves, and all of its', (subject) => {
    const before = subject.create(suiteMembers(10))
    const leaver = subject.supports.anyRemoval ? 'member-d' : 'member-j'
    const after = before.with({ remove: [leaver] })
    const diff = needless(before, after, [leaver])
    check(diff.needless <= allowed(subject), `${diff.needless} keys moved between others`)
    check(!countKeys(after).has(leaver), 'the member that left still owns keys')
  })

  it(
    { name: 'replaces one replica at most when a member joins', needs: 'minimalMovement' },
    (subject) => {
      const before = subject.create(suiteMembers(9))
      const after = before.with({ add: ['member-z'] })
      for (const key of KEYS.slice(0, 2000)) {
        const old = before.preferenceList(key, 3)
        const came = after.preferenceList(key, 3).filter((id) => !old.includes(id))
        check(
          came.length === 0 || (came.length === 1 && came[0] === 'member-z'),
          `${key}: ${came.join()}`,
        )
      }
    },
  )

  it(
    { name: 'moves keys only to or from a member whose weight changes', needs: 'weights' },
    (subject) => {
      const before = subject.create(suiteMembers(8))
      const heavier = before.with({ reweight: { 'member-c': 2 } })
      const up = needless(before, heavier, ['member-c'])
      check(up.needless <= allowed(subject), `${up.needless} keys moved between others`)
      const down = needless(heavier, heavier.with({ reweight: { 'member-c': 0.5 } }), ['member-c'])
      check(down.needless <= allowed(subject), `${down.needless} keys moved between others`)
      check(up.moved > 0 && down.moved > 0, 'a change of weight moved nothing')
    },
  )
}

function snapshotChecks(it: Declare): void {
  it('stays as it was when others are made of it', (subject) => {
    const placement = subject.create(suiteMembers(6))
    const owners = KEYS.slice(0, 1000).map((key) => placement.locate(key))
    const { fingerprint, version } = placement
    placement.with({ add: ['member-z'] }).with({ remove: ['member-z'] })
    checkEqual(placement.fingerprint, fingerprint, 'fingerprint')
    checkEqual(placement.version, version, 'version')
    checkEqual(
      KEYS.slice(0, 1000).map((key) => placement.locate(key)),
      owners,
      'owners',
    )
  })

  it('answers alike after a passage through JSON', (subject) => {
    let placement = subject.create(suiteMembers(6)).with({ add: ['member-z'] })
    if (subject.supports.anyRemoval) placement = placement.with({ remove: ['member-b'] })
    const restored = subject.restore(JSON.parse(JSON.stringify(placement)))
    checkEqual(restored.fingerprint, placement.fingerprint, 'fingerprint')
    checkEqual(restored.version, placement.version, 'version')
    for (const key of KEYS.slice(0, 2000)) {
      checkEqual(restored.preferenceList(key, 3), placement.preferenceList(key, 3), key)
    }
    const next = restored.with({ add: ['member-y'] })
    checkEqual(next.fingerprint, placement.with({ add: ['member-y'] }).fingerprint, 'its successor')
  })

  it(
    {
      name: 'depends on its members alone, not on how they came together',
      needs: 'historyIndependent',
    },
    (subject) => {
      const members = suiteMembers(6)
      const straight = subject.create(members)
      const detour = subject
        .create(members.slice(0, 2))
        .with({ add: members.slice(4).map(({ id }) => id) })
        .with({ add: ['member-z'], remove: ['member-a'] })
        .with({ add: members.slice(2, 4).map(({ id }) => id) })
        .with({ add: ['member-a'], remove: ['member-z'] })
      checkEqual(detour.fingerprint, straight.fingerprint, 'fingerprint')
      for (const key of KEYS.slice(0, 2000)) {
        checkEqual(detour.preferenceList(key, 3), straight.preferenceList(key, 3), key)
      }
    },
  )
}
