// What all algorithms that are not rings or tables share: who the members are, and how a list of
// replicas is made from an order of preference.
import type { Key, NodeId } from '@quorate/core'
import { checkHash } from './hash.ts'
import type { KeyHash } from './hash.ts'
import { readMembers } from './members.ts'
import type { Member, MemberOptions, MembershipChange } from './members.ts'
import { murmur3 } from './murmur3.ts'
import { balance, checkInteger, fingerprintOf, sharesById } from './placement.ts'
import type {
  BalanceStats,
  Candidate,
  Explanation,
  Placement,
  PlacementJson,
  PlacementSupport,
} from './placement.ts'
import { Picker } from './preference.ts'
import { rankOrder, saltPairs } from './rank.ts'
import type { Salts } from './rank.ts'
import { readRules, zoneMap } from './zones.ts'
import type { ZoneRule } from './zones.ts'

/** What every algorithm may be told. */
export interface PlacementOptions {
  /** The members; an id alone stands for weight 1 and no zone. May be empty. */
  readonly members: readonly (NodeId | MemberOptions)[]
  /**
   * Whether replicas may share a zone where they cannot all have their own. Default: `'soft'`.
   */
  readonly zones?: ZoneRule | readonly ZoneRule[] | undefined
  /** The hash of the keys, of 32 bits. Default: {@link murmur3}. */
  readonly hash?: KeyHash | undefined
  /** The version of the first snapshot. Default: 1. */
  readonly version?: number | undefined
}

/** The options, complete and checked. */
export interface PlacementHead {
  /** The version. */
  readonly version: number
  /** The members in order. */
  readonly members: readonly Member[]
  /** The zone rules. */
  readonly zones: ZoneRule | readonly ZoneRule[]
  /** The hash. */
  readonly hash: KeyHash
}

/** Checks options. */
export function readHead(options: PlacementOptions): PlacementHead {
  return {
    version: checkInteger(options.version ?? 1, 'version', 1, Number.MAX_SAFE_INTEGER),
    members: readMembers(options.members),
    zones: readRules(options.zones),
    hash: checkHash(options.hash ?? murmur3),
  }
}

/** The common part of the algorithms. */
export abstract class BasePlacement implements Placement {
  /** Names the algorithm. */
  abstract readonly kind: string
  /** What the algorithm promises. */
  abstract readonly supports: PlacementSupport
  /** The checked options. */
  protected readonly head: PlacementHead
  /** The ids by number. */
  protected readonly ids: readonly NodeId[]
  /** Two numbers for each member that do not depend on the others. */
  protected readonly salts: Salts
  #picker: Picker | undefined
  #fingerprint: string | undefined

  /** Takes checked options. */
  constructor(head: PlacementHead) {
    this.head = head
    this.ids = head.members.map((member) => member.id)
    this.salts = saltPairs(head.members, head.hash)
  }

  /** Names the hash. */
  get hash(): string {
    return this.head.hash.name
  }

  /** The version. */
  get version(): number {
    return this.head.version
  }

  /** The members in order. */
  get members(): readonly Member[] {
    return this.head.members
  }

  /** Identifies the content. */
  get fingerprint(): string {
    return (this.#fingerprint ??= fingerprintOf(this.toJSON()))
  }

  /**
   * The number of the member for a hash; only asked where there are members. The hash is handed
   * over as a signed integer, because that allocates nothing.
   */
  protected abstract owner(hash: number): number
  /** The exact share of every member. */
  protected abstract shares(): ArrayLike<number>
  /** The placement after a change. */
  abstract with(change: MembershipChange): Placement
  /** The snapshot. */
  abstract toJSON(): PlacementJson

  /** The member for a key. */
  locate(key: Key): NodeId | undefined {
    const hash = this.head.hash.hash(key)
    return this.ids.length === 0 ? undefined : this.ids[this.owner(hash | 0)]
  }

  /** The replicas of a key: its owner, then the others by rank. */
  preferenceList(key: Key, n: number): readonly NodeId[] {
    checkInteger(n, 'n', 1, Number.MAX_SAFE_INTEGER, 'INVALID_ARGUMENT')
    return this.#pick(this.head.hash.hash(key), n).map((member) => this.ids[member]!)
  }

  #pick(hash: number, n: number): readonly number[] {
    const { members, zones } = this.head
    this.#picker ??= new Picker(zoneMap(members, zones), members.length)
    if (this.#picker.start(n) > 0) {
      for (const member of this.#order(hash)) if (this.#picker.offer(member)) break
    }
    return this.#picker.picked
  }

  #order(hash: number): readonly number[] {
    if (this.ids.length === 0) return []
    return [this.owner(hash | 0), ...rankOrder(hash, this.salts)]
  }

  /** The share of each member. */
  ownership(): ReadonlyMap<NodeId, number> {
    return sharesById(this.members, this.shares())
  }

  /** How even the shares are. */
  stats(): BalanceStats {
    return balance(this.members, this.shares(), 0)
  }

  /** Why a key is where it is. */
  explain(key: Key, n = 3): Explanation {
    const hash = this.head.hash.hash(key)
    const taken = this.#pick(hash, n)
    const last = taken.at(-1)
    const candidates: Candidate[] = []
    for (const member of new Set(this.#order(hash))) {
      const chosen = taken.includes(member)
      const because = chosen
        ? member === taken[0]
          ? `chosen by ${this.kind}`
          : 'next in rank'
        : 'shares a zone with one before it'
      candidates.push({ id: this.ids[member]!, taken: chosen, because })
      if (member === last && candidates.filter((each) => each.taken).length === taken.length) break
    }
    const owner = this.ids.length === 0 ? undefined : this.ids[taken[0]!]
    const hashed = [0, key.length] as const
    return { hash, hashed, shard: undefined, point: undefined, owner, candidates }
  }

  /** The part of a snapshot that all have. */
  protected headJson<K extends string>(kind: K): PlacementJson & { readonly kind: K } {
    const { version, members } = this.head
    return { kind, format: 1, hash: this.hash, version, members }
  }
}

/** Equal shares by weight: what the algorithms that are exact in expectation give. */
export function fairShares(members: readonly Member[]): readonly number[] {
  const weight = members.reduce((sum, member) => sum + member.weight, 0)
  return members.map((member) => member.weight / weight)
}
