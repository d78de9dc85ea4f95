// Maglev hashing (Eisenbud and others, NSDI 2016): one look-up in a table of prime size, nearly
// perfect balance, a little more movement than needed. Weights as Envoy takes them.
import { QuorateError } from '@quorate/core'
import { BasePlacement, readHead } from './base-placement.ts'
import type { PlacementHead, PlacementOptions } from './base-placement.ts'
import { changeMembers } from './members.ts'
import type { Member, MembershipChange } from './members.ts'
import { murmur3 } from './murmur3.ts'
import { checkInteger, checkJson } from './placement.ts'
import type { Placement, PlacementJson } from './placement.ts'
import { xxh64Modulo } from './xxh64.ts'
import type { ZoneRule } from './zones.ts'

/** What {@link maglev} may be told besides. */
export interface MaglevOptions extends PlacementOptions {
  /** The size of the table: a prime up to 5,000,011, at least the number of members; take a hundred times as many. Default: 65,537. */
  readonly tableSize?: number | undefined
}

/** A maglev placement in JSON. */
export interface MaglevJson extends PlacementJson {
  /** Always `'maglev'`. */
  readonly kind: 'maglev'
  /** The zone rules. */
  readonly zones: ZoneRule | readonly ZoneRule[]
  /** The size of the table. */
  readonly tableSize: number
}

/** A maglev placement. */
export interface Maglev extends Placement {
  /** Always `'maglev'`. */
  readonly kind: 'maglev'
  /** The number of the member at each slot of the table. Do not change it. */
  readonly table: Uint16Array
  /** The placement after a change. */
  with(change: MembershipChange): Maglev
  /** Plain data for {@link maglevFrom}. */
  toJSON(): MaglevJson
}

/**
 * Makes a maglev placement. Members take their turns by XXH64 of their ids, as in Envoy; a key
 * belongs to slot floor(hash · size / 2^32).
 *
 * @throws QuorateError `INVALID_MEMBERSHIP`, `INVALID_OPTIONS` or `LIMIT_EXCEEDED`
 */
export function maglev(options: MaglevOptions): Maglev {
  const head = readHead(options)
  const size = checkInteger(options.tableSize ?? 65_537, 'tableSize', 2, 5_000_011)
  if (!isPrime(size)) throw new QuorateError('INVALID_OPTIONS', `tableSize ${size} is not a prime`)
  return new MaglevPlacement(head, size)
}

function isPrime(value: number): boolean {
  for (let factor = 2; factor * factor <= value; factor++) if (value % factor === 0) return false
  return value > 1
}

function fillTable(members: readonly Member[], size: number): Uint16Array {
  const table = new Uint16Array(size)
  if (members.length > size) {
    throw new QuorateError('INVALID_OPTIONS', `tableSize ${size} is less than the members`)
  }
  if (members.length === 0) return table
  const taken = new Uint8Array(size)
  const slot = members.map((member) => xxh64Modulo(member.id, 0, size))
  const skip = members.map((member) => xxh64Modulo(member.id, 1, size - 1) + 1)
  const heaviest = Math.max(...members.map((member) => member.weight))
  const due = members.map(() => 0)
  for (let turn = 1, filled = 0; ; turn++) {
    for (let i = 0; i < members.length; i++) {
      // A lighter member sits out turns until its weight has added up to the heaviest.
      if (turn * members[i]!.weight < due[i]!) continue
      due[i]! += heaviest
      let at = slot[i]!
      while (taken[at] === 1) at = (at + skip[i]!) % size
      table[at] = i
      taken[at] = 1
      slot[i] = (at + skip[i]!) % size
      filled++
      if (filled === size) return table
    }
  }
}

class MaglevPlacement extends BasePlacement implements Maglev {
  readonly kind = 'maglev'
  readonly supports = {
    weights: true,
    zones: true,
    minimalMovement: false,
    anyRemoval: true,
    historyIndependent: true,
  }
  readonly table: Uint16Array

  constructor(head: PlacementHead, size: number) {
    super(head)
    this.table = fillTable(head.members, size)
  }

  protected owner(hash: number): number {
    return this.table[Math.floor(((hash >>> 0) * this.table.length) / 4_294_967_296)]!
  }

  protected shares(): Float64Array {
    const share = new Float64Array(this.members.length)
    if (share.length > 0) for (const member of this.table) share[member]! += 1 / this.table.length
    return share
  }

  with(change: MembershipChange): Maglev {
    const members = changeMembers(this.members, change)
    const head = { ...this.head, members, version: this.version + 1 }
    return new MaglevPlacement(head, this.table.length)
  }

  toJSON(): MaglevJson {
    const { zones } = this.head
    return { ...this.headJson(this.kind), zones, tableSize: this.table.length }
  }
}

/**
 * Restores a maglev placement.
 *
 * @throws QuorateError `MALFORMED` where the data is of another kind or hash
 */
export function maglevFrom(json: MaglevJson, options: Pick<PlacementOptions, 'hash'> = {}): Maglev {
  const hash = options.hash ?? murmur3
  checkJson(json, 'maglev', hash.name)
  return maglev({ ...json, hash })
}
