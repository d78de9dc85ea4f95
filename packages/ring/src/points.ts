// The sorted points of a ring and the search among them. A table of buckets over the top bits of
// the position replaces most of the search: one look-up is about two steps whatever the size.
import { QuorateError } from '@quorate/core'

/** The most points that a ring can have. */
export const POINTS_MAX: number = 1 << 22

const CIRCLE = 4_294_967_296
const OWNERS = 65_536
const CROWD = 24

/** The points of a ring in order of position, then of member. */
export interface Points {
  /** How many points there are. */
  readonly count: number
  /** Their positions, and one more that ends every search. */
  readonly position: Uint32Array
  /** Their members' numbers, and once more the first, for positions past the last point. */
  readonly owner: Uint16Array
  /** By bucket: the first point at or after its start. */
  readonly bucket: Uint32Array
  /** How far to shift a position right for its bucket. */
  readonly shift: number
  /** Whether some bucket holds so many points that it is searched by halves. */
  readonly crowded: boolean
  /** By cell, much narrower than a bucket: the member that owns all of it, or {@link MIXED}. */
  readonly cell: Uint16Array
  /** How far to shift a position right for its cell. */
  readonly cellShift: number
}

// Marks a cell with more than one owner; no member has this number.
const MIXED = 0xffff

// So many cells for a point that five of six look-ups end at the first step.
const CELLS_PER_POINT_BITS = 2
const CELL_BITS_MAX = 18

/** Sorted sort-keys of the tokens of one member: position first, then member. */
export function sortKeys(tokens: Uint32Array, member: number): Float64Array {
  return Float64Array.from(tokens, (token) => token * OWNERS + member).sort()
}

/**
 * Merges the points of the members that stay with those of members that are new.
 *
 * @param old - the points before
 * @param renumbered - by old number: the new number, -1 for members that go; keeps their order
 * @param added - sort keys of the new points, sorted
 */
export function mergePoints(old: Points, renumbered: Int32Array, added: Float64Array): Points {
  const count = old.count + added.length
  if (count > POINTS_MAX) {
    throw new QuorateError('LIMIT_EXCEEDED', `${count} points are more than ${POINTS_MAX}`)
  }
  const position = new Uint32Array(count + 1)
  const owner = new Uint16Array(count + 1)
  let at = 0
  let next = 0
  const put = (key: number): void => {
    position[at] = Math.floor(key / OWNERS)
    owner[at++] = key % OWNERS
  }
  for (let i = 0; i < old.count; i++) {
    const member = renumbered[old.owner[i]!]!
    if (member < 0) continue
    const key = old.position[i]! * OWNERS + member
    while (next < added.length && added[next]! < key) put(added[next++]!)
    position[at] = old.position[i]!
    owner[at++] = member
  }
  while (next < added.length) put(added[next++]!)
  return indexPoints(position.slice(0, at + 1), owner.slice(0, at + 1))
}

/** Builds the search over sorted points; the arrays have room for one more at their end. */
export function indexPoints(position: Uint32Array, owner: Uint16Array): Points {
  const count = position.length - 1
  position[count] = CIRCLE - 1
  owner[count] = owner[0]!
  const bits = Math.max(1, Math.ceil(Math.log2(count + 1)))
  const shift = 32 - bits
  const bucket = new Uint32Array((1 << bits) + 1)
  let at = 0
  let most = 0
  for (let b = 0; b < 1 << bits; b++) {
    const start = at
    bucket[b] = at
    while (at < count && position[at]! >>> shift === b) at++
    most = Math.max(most, at - start)
  }
  bucket[1 << bits] = count
  const cellBits = Math.min(CELL_BITS_MAX, bits + CELLS_PER_POINT_BITS)
  const cell = fillCells(position, owner, cellBits)
  const crowded = most > CROWD
  return { count, position, owner, bucket, shift, crowded, cell, cellShift: 32 - cellBits }
}

function fillCells(position: Uint32Array, owner: Uint16Array, bits: number): Uint16Array {
  const cell = new Uint16Array(1 << bits)
  const width = 2 ** (32 - bits)
  const count = position.length - 1
  let at = 0
  for (let i = 0; i < cell.length; i++) {
    const last = (i + 1) * width - 1
    const first = owner[at]!
    let mixed = false
    // The point at or after the end of the cell owns its last position.
    while (at < count && position[at]! < last) mixed = owner[++at] !== first || mixed
    cell[i] = mixed ? MIXED : first
  }
  return cell
}

/** The number of the member that owns a position, which may be signed or not. */
export function ownerAt(points: Points, position: number): number {
  const owner = points.cell[position >>> points.cellShift]!
  return owner === MIXED ? points.owner[pointAt(points, position)]! : owner
}

/** A ring without points. */
export function noPoints(): Points {
  return indexPoints(new Uint32Array(1), new Uint16Array(1))
}

/**
 * The first point at or after a position; `count` past the last, which stands for the first. The
 * position may be signed or not.
 */
export function pointAt(points: Points, position: number): number {
  const hash = position >>> 0
  const from = points.bucket[hash >>> points.shift]!
  const all = points.position
  if (points.crowded) return searchBucket(points, hash)
  let at = from
  while (all[at]! < hash) at++
  return at
}

function searchBucket({ position, bucket, shift }: Points, hash: number): number {
  let at = bucket[hash >>> shift]!
  let end = bucket[(hash >>> shift) + 1]!
  while (at < end) {
    const middle = (at + end) >>> 1
    if (position[middle]! < hash) at = middle + 1
    else end = middle
  }
  return at
}

/** The exact share of the circle of each member, in positions out of 2^32. */
export function arcLengths(points: Points, members: number): Float64Array {
  const length = new Float64Array(members)
  const { count, position, owner } = points
  if (count === 0) return length
  let before = position[count - 1]! - CIRCLE
  for (let i = 0; i < count; i++) {
    length[owner[i]!]! += position[i]! - before
    before = position[i]!
  }
  return length
}
