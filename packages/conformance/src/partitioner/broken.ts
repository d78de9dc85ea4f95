// A sound partitioner and a sound placement, as small as they can be, and one fault at a time put
// into each: what shows that the suite can fail, and that it fails where it should.
import { QuorateError } from '@quorate/core'
import type { Key, NodeId, Partitioner } from '@quorate/core'
import type { PartitionerSubject, SuiteMember } from './partitioner-suite.ts'
import type { PlacementSubject, PlacementUnderTest } from './placement-suite.ts'
import { bytesOf } from './suite.ts'

/** A subject with a fault. */
export interface BrokenSubject<S> {
  /** What it does wrong. */
  readonly name: string
  /** The name of a check that it must fail. */
  readonly fails: string
  /** The subject. */
  readonly subject: S
}

type PartitionerFault =
  | 'forgets the number of shards'
  | 'leaves the range of shards for long keys'
  | 'hashes code units instead of bytes'
  | 'accepts lone surrogates'
  | 'divides by the number of members'
  | 'takes the length of a key for its hash'
  | 'lists an owner twice'
  | 'shuffles by how many are asked for'
  | 'takes any shard'
  | 'depends on the order of members'
  | 'hands out its own list'
  | 'prefers one member'
  | 'ignores zones'
  | 'keeps its version'
  | 'changes in place'
  | 'keeps members that left'
  | 'deals out everything anew'

function hash(text: Uint8Array, seed: number): number {
  let h = 0x811c9dc5 ^ seed
  for (const byte of text) h = Math.imul(h ^ byte, 0x01000193)
  return mix(h)
}

function hashKey(key: Key, seed: number, fault?: string): number {
  if (typeof key !== 'string') return hash(key, seed)
  if (fault !== 'accepts lone surrogates' && !key.isWellFormed()) {
    throw new QuorateError('INVALID_ARGUMENT', 'a lone surrogate')
  }
  if (fault !== 'hashes code units instead of bytes') return hash(bytesOf(key), seed)
  return hash(
    Uint8Array.from(key, (unit) => unit.charCodeAt(0)),
    seed,
  )
}

class Deal implements Partitioner {
  readonly fault: PartitionerFault | undefined
  readonly shards: number
  readonly replicas: number
  version: number
  members: readonly SuiteMember[]
  rows: NodeId[][]

  constructor(
    members: readonly SuiteMember[],
    options: { readonly shards: number; readonly replicas: number },
    fault: PartitionerFault | undefined,
  ) {
    this.fault = fault
    this.version = 1
    this.shards = fault === 'forgets the number of shards' ? options.shards + 1 : options.shards
    this.replicas = options.replicas
    const sorted = [...members].sort((a, b) => (a.id < b.id ? -1 : 1))
    this.members = fault === 'depends on the order of members' ? members : sorted
    this.rows = Array.from({ length: options.shards }, () => [])
    this.fill()
  }

  // Every place goes to the member with the fewest replicas, and the first to whoever leads the
  // fewest, of those whose zone the shard has not used.
  fill(): void {
    const load = new Map(this.members.map(({ id }) => [id, 0]))
    for (const id of this.rows.flat()) load.set(id, load.get(id)! + 1)
    const zone = new Map(this.members.map((member) => [member.id, member.zone ?? member.id]))
    const wanted = Math.min(this.replicas, this.members.length)
    for (const row of this.rows) {
      while (row.length < wanted) {
        const used = new Set(this.fault === 'ignores zones' ? [] : row.map((id) => zone.get(id)))
        const open = this.members.map(({ id }) => id).filter((id) => !row.includes(id))
        const fresh = open.filter((id) => !used.has(zone.get(id)))
        const next = (fresh.length > 0 ? fresh : open).reduce((best, id) =>
          load.get(id)! < load.get(best)! ? id : best,
        )
        load.set(next, load.get(next)! + 1)
        row.push(next)
      }
    }
    this.rows.forEach((row, shard) => row.unshift(...row.splice(shard % Math.max(1, row.length))))
    if (this.fault === 'prefers one member') {
      for (const row of this.rows)
        if (!row.includes(this.members[0]!.id)) row[0] = this.members[0]!.id
    }
  }

  shardOf(key: Key): number {
    if (this.fault === 'takes the length of a key for its hash') {
      const length = typeof key === 'string' ? bytesOf(key).length : key.length
      hashKey(key, 0)
      return length % this.shards
    }
    const value = hashKey(key, 0, this.fault)
    if (this.fault === 'divides by the number of members') return value % (this.members.length * 8)
    const far = this.fault === 'leaves the range of shards for long keys' && key.length > 1000
    return (value % this.shards) + (far ? this.shards : 0)
  }

  owners(shard: number, n: number = this.replicas): readonly NodeId[] {
    if (this.fault !== 'takes any shard' && this.rows[shard] === undefined) {
      throw new QuorateError('INVALID_ARGUMENT', 'not a shard')
    }
    const row = this.rows[shard] ?? this.rows[0]!
    if (this.fault === 'hands out its own list') if (n === row.length) return row
    const rest = this.members.map(({ id }) => id).filter((id) => !row.includes(id))
    const list = [...row, ...rest].slice(0, n)
    if (this.fault === 'lists an owner twice' && list.length > 1) list[1] = list[0]!
    if (this.fault === 'shuffles by how many are asked for' && n % 2 === 0) list.reverse()
    return list
  }

  change(add: readonly SuiteMember[], remove: readonly NodeId[]): Deal {
    const left = this.members.filter(({ id }) => !remove.includes(id))
    const options = { shards: this.shards, replicas: this.replicas }
    const next = new Deal(add.length > 0 ? [...left, ...add] : left, options, this.fault)
    next.version = this.fault === 'keeps its version' ? this.version : this.version + 1
    if (this.fault === 'deals out everything anew') return next
    const stay = (id: NodeId): boolean =>
      !remove.includes(id) || this.fault === 'keeps members that left'
    next.rows = this.rows.map((row) => row.filter(stay))
    next.settle()
    if (this.fault === 'changes in place') this.version++
    return next
  }

  // Those who came take from whoever has most until nobody has two more than they.
  settle(): void {
    const load = new Map(this.members.map(({ id }) => [id, 0]))
    for (const id of this.rows.flat()) load.set(id, (load.get(id) ?? 0) + 1)
    for (const { id } of this.members) {
      for (const row of this.rows) {
        const most = row.reduce(
          (best, held) => (load.get(held)! > load.get(best)! ? held : best),
          row[0]!,
        )
        if (row.includes(id) || most === undefined || load.get(most)! < load.get(id)! + 2) continue
        row[row.indexOf(most)] = id
        load.set(most, load.get(most)! - 1)
        load.set(id, load.get(id)! + 1)
      }
    }
    const wanted = Math.min(this.replicas, this.members.length)
    for (const row of this.rows) {
      while (row.length < wanted) {
        const open = this.members.map(({ id }) => id).filter((id) => !row.includes(id))
        const next = open.reduce((best, id) => (load.get(id)! < load.get(best)! ? id : best))
        load.set(next, load.get(next)! + 1)
        row.push(next)
      }
    }
  }
}

function partitionerSubject(fault: PartitionerFault | undefined): PartitionerSubject {
  return {
    name: fault ?? 'a sound partitioner',
    create: (members, options) => new Deal(members, options, fault),
    change: (partitioner, { add, remove }) => (partitioner as Deal).change(add, remove),
    supports: { uniformShards: true, zones: true, changes: true, minimalMovement: true },
  }
}

/** A partitioner that keeps the contract. */
export const soundPartitioner: PartitionerSubject = partitionerSubject(undefined)

const partitionerFaults: Readonly<Record<PartitionerFault, string>> = {
  'forgets the number of shards': 'has whole numbers of shards and replicas, and a version',
  'leaves the range of shards for long keys': 'puts every key into one of its shards, odd keys too',
  'hashes code units instead of bytes': 'takes text and its UTF-8 bytes for the same key',
  'accepts lone surrogates': 'rejects text with a lone surrogate',
  'divides by the number of members': 'decides the shard by the key alone, not by the members',
  'takes the length of a key for its hash': 'spreads keys over the shards as chance would',
  'lists an owner twice':
    'places each shard on distinct members, as many as asked for and there are',
  'shuffles by how many are asked for': 'names the same owners first, however many are asked for',
  'takes any shard': 'rejects what is not a shard',
  'depends on the order of members': 'answers alike for the same members in any order',
  'hands out its own list': 'is not changed by what a caller does to an answer',
  'prefers one member': 'gives every member its part of the replicas and of the first places',
  'ignores zones': 'puts no two replicas into one zone where there are enough zones',
  'keeps its version': 'grows its version with each change and keeps the shard of every key',
  'changes in place': 'stays as it was when another is made of it',
  'keeps members that left': 'uses members that came and never those that left',
  'deals out everything anew': 'moves no more than the shares ask for',
}

/** Every broken partitioner. */
export const brokenPartitioners: readonly BrokenSubject<PartitionerSubject>[] = Object.freeze(
  Object.entries(partitionerFaults).map(([name, fails]) => ({
    name,
    fails,
    subject: partitionerSubject(name as PartitionerFault),
  })),
)

type PlacementFault =
  | 'invents a member when there is none'
  | 'lists its owner last'
  | 'hashes code units instead of bytes'
  | 'lets the last listed win'
  | 'takes members that cannot be'
  | 'says shares that it does not give'
  | 'ignores weights'
  | 'takes the remainder by members'
  | 'gives the keys of a leaver around'
  | 'shuffles the further replicas'
  | 'scales all weights with one'
  | 'changes in place'
  | 'loses its version in JSON'
  | 'remembers how members came'

interface Entry {
  readonly id: NodeId
  readonly weight: number
}

const idHashes = new Map<NodeId, number>()

// What a member's lots are drawn from, computed once for each id.
function idHash(id: NodeId): number {
  let value = idHashes.get(id)
  if (value === undefined) idHashes.set(id, (value = hash(bytesOf(id), 0)))
  return value
}

function mix(value: number): number {
  let h = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

class Lots implements PlacementUnderTest {
  readonly fault: PlacementFault | undefined
  version: number
  readonly entries: readonly Entry[]
  readonly history: number

  constructor(
    entries: readonly Entry[],
    version: number,
    history: number,
    fault: PlacementFault | undefined,
  ) {
    if (fault !== 'takes members that cannot be') checkEntries(entries)
    this.fault = fault
    this.version = version
    this.history = fault === 'remembers how members came' ? history : 0
    const sorted = [...entries].sort((a, b) => (a.id < b.id ? -1 : 1))
    this.entries = fault === 'lets the last listed win' ? entries : sorted
  }

  get fingerprint(): string {
    return JSON.stringify([this.entries, this.history])
  }

  #lot(key: number, { id, weight }: Entry): number {
    const drawn = (mix(key ^ idHash(id)) + 0.5) / 2 ** 32
    return -Math.log(drawn) / (this.fault === 'ignores weights' ? 1 : weight)
  }

  #order(key: Key): NodeId[] {
    const value = hashKey(key, this.history, this.fault)
    const { entries, fault } = this
    const order = entries
      .map((entry) => ({ id: entry.id, lot: this.#lot(value, entry) }))
      .sort((a, b) => a.lot - b.lot)
      .map(({ id }) => id)
    if (fault === 'lets the last listed win' && value % 4 === 0) return entries.map(({ id }) => id)
    if (fault === 'takes the remainder by members') return rotate(order, value % entries.length)
    if (fault === 'gives the keys of a leaver around' && entries.length === 9) {
      return value % 8 === 0 ? [...order].reverse() : order
    }
    if (fault === 'shuffles the further replicas' && entries.length === 10) {
      return [order[0]!, ...order.slice(1).reverse()]
    }
    const total = entries.reduce((sum, { weight }) => sum + weight, 0)
    if (fault === 'scales all weights with one' && total !== entries.length) {
      return value % 3 === 0 ? rotate(order, 1) : order
    }
    return order
  }

  locate(key: Key): NodeId | undefined {
    if (this.entries.length === 0 && this.fault === 'invents a member when there is none') return ''
    return this.#order(key)[0]
  }

  preferenceList(key: Key, n: number): readonly NodeId[] {
    const list = this.#order(key).slice(0, n)
    return this.fault === 'lists its owner last' ? list.reverse() : list
  }

  ownership(): ReadonlyMap<NodeId, number> {
    const total = this.entries.reduce((sum, { weight }) => sum + weight, 0)
    const lie = this.fault === 'says shares that it does not give' ? 0.05 : 0
    return new Map(
      this.entries.map(({ id, weight }, i) => [
        id,
        weight / total + (i === 0 ? lie : i === 1 ? -lie : 0),
      ]),
    )
  }

  with(change: Parameters<PlacementUnderTest['with']>[0]): Lots {
    const { add = [], remove = [], reweight = {} } = change
    const strangers = [...remove, ...Object.keys(reweight)].filter(
      (id) => !this.entries.some((entry) => entry.id === id),
    )
    if (strangers.length > 0) throw new QuorateError('INVALID_MEMBERSHIP', 'not a member')
    if (this.fault === 'changes in place') this.version++
    const left = this.entries
      .filter(({ id }) => !remove.includes(id))
      .map(({ id, weight }) => ({ id, weight: reweight[id] ?? weight }))
    const came = add.map((each) => entryOf(typeof each === 'string' ? { id: each } : each))
    return new Lots([...left, ...came], this.version + 1, this.history + 1, this.fault)
  }

  toJSON(): unknown {
    const { entries, history } = this
    return {
      entries,
      history,
      version: this.fault === 'loses its version in JSON' ? 0 : this.version,
    }
  }
}

function rotate<T>(list: readonly T[], by: number): T[] {
  return [...list.slice(by), ...list.slice(0, by)]
}

function entryOf({ id, weight }: SuiteMember): Entry {
  return { id, weight: weight ?? 1 }
}

function checkEntries(entries: readonly Entry[]): void {
  const ids = new Set(entries.map(({ id }) => id))
  const fine = entries.every(({ id, weight }) => id !== '' && weight > 0)
  if (ids.size === entries.length && fine) return
  throw new QuorateError('INVALID_MEMBERSHIP', 'members that cannot be')
}

function placementSubject(fault: PlacementFault | undefined): PlacementSubject {
  return {
    name: fault ?? 'a sound placement',
    create: (members) => new Lots(members.map(entryOf), 1, 0, fault),
    restore(json) {
      const { entries, version, history } = json as Lots
      return new Lots(entries, version, history, fault)
    },
    peakToMean: 1.001,
    supports: { weights: true, minimalMovement: true, anyRemoval: true, historyIndependent: true },
  }
}

/** A placement that keeps the contract: plain rendezvous hashing. */
export const soundPlacement: PlacementSubject = placementSubject(undefined)

const placementFaults: Readonly<Record<PlacementFault, string>> = {
  'invents a member when there is none':
    'answers undefined and an empty list without members, and the one where there is one',
  'lists its owner last':
    'lists distinct members, its owner first, a longer list beginning with the shorter',
  'hashes code units instead of bytes':
    'takes text and its UTF-8 bytes for the same key, and rejects lone surrogates',
  'lets the last listed win': 'answers alike for the same members in any order',
  'takes members that cannot be': 'rejects members that cannot be',
  'says shares that it does not give': 'gives members the shares that it says, and those are even',
  'ignores weights': 'gives members shares by weight',
  'takes the remainder by members': 'moves keys only to a member that joins, and about its share',
  'gives the keys of a leaver around': 'moves keys only from a member that leaves, and all of its',
  'shuffles the further replicas': 'replaces one replica at most when a member joins',
  'scales all weights with one': 'moves keys only to or from a member whose weight changes',
  'changes in place': 'stays as it was when others are made of it',
  'loses its version in JSON': 'answers alike after a passage through JSON',
  'remembers how members came': 'depends on its members alone, not on how they came together',
}

/** Every broken placement. */
export const brokenPlacements: readonly BrokenSubject<PlacementSubject>[] = Object.freeze(
  Object.entries(placementFaults).map(([name, fails]) => ({
    name,
    fails,
    subject: placementSubject(name as PlacementFault),
  })),
)
