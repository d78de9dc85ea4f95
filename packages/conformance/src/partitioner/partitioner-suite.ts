// The contract of a Partitioner as cases: what a store relies on when it routes by one. Everything
// here is decided from the contract alone, so that a partitioner of anybody's can be held to it.
import type { NodeId, Partitioner } from '@quorate/core'
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

/** One member of the partitioner under test. */
export interface SuiteMember {
  /** Its id. */
  readonly id: NodeId
  /** Its share relative to the others'; 1 where absent. */
  readonly weight?: number | undefined
  /** Its zone, where the case is about zones. */
  readonly zone?: string | undefined
}

/** What the partitioner under test can do. Cases are skipped by this alone. */
export interface PartitionerSupport {
  /** Keys spread over the shards as if by chance. False for ranges of keys. */
  readonly uniformShards: boolean
  /** Replicas spread over zones. */
  readonly zones: boolean
  /** Members can be changed by {@link PartitionerSubject.change}. */
  readonly changes: boolean
  /** A change moves no more than the shares ask for, rounded up for each member. */
  readonly minimalMovement: boolean
}

/** What {@link partitionerConformance} needs to know of the partitioner under test. */
export interface PartitionerSubject {
  /** Names the partitioner in the report. */
  readonly name: string
  /** Makes one of `members`, in the order given, with as many shards and replicas. */
  create(
    members: readonly SuiteMember[],
    options: { readonly shards: number; readonly replicas: number },
  ): Partitioner
  /** The partitioner after members came and went. */
  change?(
    partitioner: Partitioner,
    change: { readonly add: readonly SuiteMember[]; readonly remove: readonly NodeId[] },
  ): Partitioner
  /** The largest number of replicas of a member over the mean, for members of equal weight; 1.1 where absent. */
  readonly peakToMean?: number | undefined
  /** What it can do. */
  readonly supports: PartitionerSupport
}

const SHARDS = 128

/** The members `a`, `b`, ... */
export function suiteMembers(n: number): readonly SuiteMember[] {
  return Array.from({ length: n }, (_, i) => ({ id: `member-${String.fromCharCode(97 + i)}` }))
}

/** One thing that every partitioner must do. */
export interface PartitionerCheck {
  /** What it must do, as a sentence. */
  readonly name: string
  /** What it must support for the check to apply. */
  readonly needs: keyof PartitionerSupport | undefined
  /** Throws where it does not. */
  run(subject: PartitionerSubject): void
}

type Declare = (
  what: string | Pick<PartitionerCheck, 'name' | 'needs'>,
  run: (subject: PartitionerSubject) => void,
) => void

/** Every check of a partitioner. */
export const partitionerChecks: readonly PartitionerCheck[] = Object.freeze(allChecks())

function allChecks(): PartitionerCheck[] {
  const checks: PartitionerCheck[] = []
  const declare: Declare = (what, run) => {
    checks.push({ ...(typeof what === 'string' ? { name: what, needs: undefined } : what), run })
  }
  shapeChecks(declare)
  keyChecks(declare)
  ownerChecks(declare)
  zoneChecks(declare)
  changeChecks(declare)
  return checks
}

/** What {@link partitionerConformance} is given. */
export interface PartitionerConformanceOptions extends ConformanceOptions, PartitionerSubject {
  /** Names it in the report. */
  readonly name: string
}

/** Registers every check that applies as a test. */
export function partitionerConformance(options: PartitionerConformanceOptions): void {
  const { name: subject, test, supports } = options
  test.describe(subject, () => {
    for (const { name, needs, run } of partitionerChecks) {
      if (needs === undefined || supports[needs]) test.it(name, () => run(options))
    }
  })
}

function make(subject: PartitionerSubject, members: number, replicas = 3): Partitioner {
  return subject.create(suiteMembers(members), { shards: SHARDS, replicas })
}

function shapeChecks(it: Declare): void {
  it('has whole numbers of shards and replicas, and a version', (subject) => {
    const partitioner = make(subject, 5)
    checkEqual(partitioner.shards, SHARDS, 'shards')
    checkEqual(partitioner.replicas, 3, 'replicas')
    const { version } = partitioner
    check(Number.isSafeInteger(version) && version >= 0, `version is ${version}`)
  })
}

function keyChecks(it: Declare): void {
  it('puts every key into one of its shards, odd keys too', (subject) => {
    const partitioner = make(subject, 5)
    for (const key of [...ODD_KEYS, ...plainKeys(500)]) {
      const shard = partitioner.shardOf(key)
      const valid = Number.isInteger(shard) && shard >= 0 && shard < SHARDS
      check(valid, () => `${JSON.stringify(key.slice(0, 20))} is in shard ${shard}`)
    }
  })

  it('takes text and its UTF-8 bytes for the same key', (subject) => {
    const partitioner = make(subject, 5)
    for (const key of [...ODD_KEYS, ...plainKeys(200)]) {
      const what = `shard of the bytes of ${JSON.stringify(key.slice(0, 20))}`
      checkEqual(partitioner.shardOf(bytesOf(key)), partitioner.shardOf(key), what)
    }
  })

  it('rejects text with a lone surrogate', (subject) => {
    const partitioner = make(subject, 3)
    for (const key of ['\ud800', 'a\udfff', '\udc00\ud800']) {
      checkThrows(() => partitioner.shardOf(key), 'INVALID_ARGUMENT', 'a lone surrogate')
    }
  })

  it('decides the shard by the key alone, not by the members', (subject) => {
    const [few, many] = [make(subject, 1), make(subject, 9)]
    for (const key of plainKeys(500)) {
      checkEqual(many.shardOf(key), few.shardOf(key), `shard of ${key} with other members`)
    }
  })

  it(
    { name: 'spreads keys over the shards as chance would', needs: 'uniformShards' },
    (subject) => {
      const partitioner = make(subject, 3)
      const counts = Array.from({ length: SHARDS }, () => 0)
      const keys = plainKeys(SHARDS * 200)
      for (const key of keys) counts[partitioner.shardOf(key)]!++
      const statistic = chiSquare(
        counts,
        counts.map(() => 200),
      )
      check(statistic < chiSquareLimit(SHARDS - 1), `chi-square is ${statistic.toFixed(0)}`)
    },
  )
}

function ownersOf(partitioner: Partitioner, n?: number): readonly (readonly NodeId[])[] {
  return Array.from({ length: partitioner.shards }, (_, shard) => partitioner.owners(shard, n))
}

function ownerChecks(it: Declare): void {
  it('places each shard on distinct members, as many as asked for and there are', (subject) => {
    for (const members of [1, 2, 3, 5, 9]) {
      const partitioner = make(subject, members)
      const ids = new Set(suiteMembers(members).map((member) => member.id))
      for (const n of [undefined, 1, 2, 3, 7]) {
        for (const owners of ownersOf(partitioner, n)) {
          const wanted = Math.min(n ?? 3, members)
          checkEqual(owners.length, wanted, `owners of ${n ?? 'default'} among ${members}`)
          checkEqual(new Set(owners).size, owners.length, 'distinct owners')
          check(
            owners.every((id) => ids.has(id)),
            `an owner in ${owners.join()} is no member`,
          )
        }
      }
    }
  })

  it('names the same owners first, however many are asked for', (subject) => {
    const partitioner = make(subject, 7)
    const all = ownersOf(partitioner, 7)
    for (let n = 1; n < 7; n++) {
      ownersOf(partitioner, n).forEach((owners, shard) => {
        checkEqual(owners, all[shard]!.slice(0, n), `the first ${n} owners of shard ${shard}`)
      })
    }
  })

  it('rejects what is not a shard', (subject) => {
    const partitioner = make(subject, 3)
    for (const shard of [-1, SHARDS, 0.5, Number.NaN, Infinity]) {
      checkThrows(() => partitioner.owners(shard), 'INVALID_ARGUMENT', `shard ${shard}`)
    }
  })

  it('answers alike for the same members in any order', (subject) => {
    const members = suiteMembers(7)
    const options = { shards: SHARDS, replicas: 3 }
    const given = subject.create(members, options)
    const reversed = subject.create([...members].reverse(), options)
    const shuffled = subject.create([...members.slice(3), ...members.slice(0, 3)], options)
    checkEqual(ownersOf(reversed), ownersOf(given), 'owners with members reversed')
    checkEqual(ownersOf(shuffled), ownersOf(given), 'owners with members rotated')
    for (const key of plainKeys(200)) {
      checkEqual(reversed.shardOf(key), given.shardOf(key), `shard of ${key}`)
    }
  })

  it('is not changed by what a caller does to an answer', (subject) => {
    const partitioner = make(subject, 5)
    const before = JSON.stringify(ownersOf(partitioner))
    for (const owners of ownersOf(partitioner)) (owners as NodeId[]).reverse()
    checkEqual(JSON.stringify(ownersOf(partitioner)), before, 'owners after a caller wrote to them')
  })

  it('gives every member its part of the replicas and of the first places', (subject) => {
    const peak = subject.peakToMean ?? 1.1
    for (const members of [2, 4, 8]) {
      for (const [what, n, slack] of [
        ['replicas', 3, 1],
        ['first places', 1, 2],
      ] as const) {
        const counts = new Map(suiteMembers(members).map(({ id }) => [id, 0]))
        for (const id of ownersOf(make(subject, members), n).flat())
          counts.set(id, counts.get(id)! + 1)
        const mean = (SHARDS * Math.min(n, members)) / members
        const most = Math.max(...counts.values())
        check(most <= mean * peak + slack, `${most} ${what} on one of ${members}, mean ${mean}`)
      }
    }
  })
}

function zoneChecks(it: Declare): void {
  it(
    { name: 'puts no two replicas into one zone where there are enough zones', needs: 'zones' },
    (subject) => {
      for (const zones of [3, 4, 5]) {
        const members = suiteMembers(9).map(({ id }, i) => ({
          id,
          zone: `zone-${Math.floor((i * zones) / 9)}`,
        }))
        const zoneOf = new Map(members.map(({ id, zone }) => [id, zone]))
        const partitioner = subject.create(members, { shards: SHARDS, replicas: 3 })
        ownersOf(partitioner).forEach((owners, shard) => {
          const used = new Set(owners.map((id) => zoneOf.get(id)))
          checkEqual(used.size, owners.length, `zones of shard ${shard} on ${owners.join()}`)
        })
      }
    },
  )
}

function changeChecks(it: Declare): void {
  const joiner: SuiteMember = { id: 'member-z' }

  it(
    {
      name: 'grows its version with each change and keeps the shard of every key',
      needs: 'changes',
    },
    (subject) => {
      const before = make(subject, 5)
      const after = change(subject, before, { add: [joiner], remove: [] })
      check(after.version > before.version, `version ${before.version} became ${after.version}`)
      checkEqual(after.shards, before.shards, 'shards')
      for (const key of plainKeys(200)) checkEqual(after.shardOf(key), before.shardOf(key), key)
    },
  )

  it({ name: 'stays as it was when another is made of it', needs: 'changes' }, (subject) => {
    const before = make(subject, 5)
    const [version, owners] = [before.version, JSON.stringify(ownersOf(before))]
    change(subject, change(subject, before, { add: [joiner], remove: [] }), {
      add: [],
      remove: ['member-a'],
    })
    checkEqual(before.version, version, 'version')
    checkEqual(JSON.stringify(ownersOf(before)), owners, 'owners')
  })

  it({ name: 'uses members that came and never those that left', needs: 'changes' }, (subject) => {
    const before = make(subject, 5)
    const grown = change(subject, before, { add: [joiner], remove: [] })
    check(ownersOf(grown).flat().includes('member-z'), 'member-z came and holds nothing')
    const shrunk = change(subject, grown, { add: [], remove: ['member-b'] })
    check(!ownersOf(shrunk).flat().includes('member-b'), 'member-b left and still holds something')
    for (const owners of ownersOf(shrunk)) checkEqual(owners.length, 3, 'replicas after a removal')
  })

  it({ name: 'moves no more than the shares ask for', needs: 'minimalMovement' }, (subject) => {
    for (const members of [3, 5, 8]) {
      const before = make(subject, members)
      const grown = change(subject, before, { add: [joiner], remove: [] })
      const share = Math.ceil((SHARDS * 3) / (members + 1))
      const came = moved(before, grown)
      check(came <= share + 1, `${came} replicas moved to add one of ${members + 1}`)
      const shrunk = change(subject, grown, { add: [], remove: ['member-a'] })
      const lost = ownersOf(grown)
        .flat()
        .filter((id) => id === 'member-a').length
      const filled = Math.min(3, members) < 3 ? 0 : lost
      const went = moved(grown, shrunk)
      check(went <= filled + members, `${went} replicas moved to replace ${lost}`)
    }
  })
}

function change(
  subject: PartitionerSubject,
  partitioner: Partitioner,
  to: { readonly add: readonly SuiteMember[]; readonly remove: readonly NodeId[] },
): Partitioner {
  check(subject.change !== undefined, 'a subject that supports changes must have change')
  return subject.change(partitioner, to)
}

function moved(before: Partitioner, after: Partitioner): number {
  let count = 0
  for (let shard = 0; shard < before.shards; shard++) {
    const old = new Set(before.owners(shard))
    count += after.owners(shard).filter((id) => !old.has(id)).length
  }
  return count
}
