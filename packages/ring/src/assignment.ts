// The state of a table while it is being worked out, as flat arrays of numbers. The same state
// serves twice: for the replicas of each shard and, with one place per shard, for its leader.

/** Marks a place without a member. */
export const NONE = 0xffff

/** Says which member may stand in for another at a shard without making the shard worse. */
export interface ExchangeRule {
  /** Prepares for questions about replacing `gone`, which in `owners` holds a place of `shard`. */
  open(owners: Uint16Array, shard: number, gone: number): void
  /** Whether `next`, which holds no place of the shard, may replace the member named in `open`. */
  allows(next: number): boolean
}

/** Who holds which place of which shard, what was held before, and how much each may hold. */
export interface Assignment {
  /** How many shards there are. */
  readonly shards: number
  /** How many members there are. */
  readonly members: number
  /** How many places each shard has. */
  readonly width: number
  /** The member at each place: place `p` of shard `s` is at `s * width + p`. */
  readonly owners: Uint16Array
  /** How many places each shard had before. */
  readonly widthBefore: number
  /** Who held each place before, {@link NONE} where it is no longer a member. */
  readonly before: Uint16Array
  /** How many places each member holds. */
  readonly load: Int32Array
  /** The fewest places each member should hold. */
  readonly low: Int32Array
  /** The most places each member should hold. */
  readonly high: Int32Array
  /** What a member may be replaced by. */
  readonly rule: ExchangeRule
}

/** Whether `member` holds a place of `shard`. */
export function holds(a: Assignment, shard: number, member: number): boolean {
  return includes(a.owners, shard, a.width, member)
}

/** Whether `member` held a place of `shard` before. */
export function held(a: Assignment, shard: number, member: number): boolean {
  return includes(a.before, shard, a.widthBefore, member)
}

/** Whether `member` is in one row of a table of rows of `width`. */
function includes(rows: Uint16Array, row: number, width: number, member: number): boolean {
  for (let i = row * width, end = i + width; i < end; i++) if (rows[i] === member) return true
  return false
}

/** Puts `next` in the place of `gone` at `shard`. */
export function replace(a: Assignment, shard: number, gone: number, next: number): void {
  for (let i = shard * a.width, end = i + a.width; i < end; i++) {
    if (a.owners[i] !== gone) continue
    a.owners[i] = next
    a.load[gone]!--
    a.load[next]!++
    return
  }
}

/** How many places are held by a member that did not hold one of the same shard before. */
export function countMoved(a: Assignment): number {
  let moved = 0
  for (let shard = 0; shard < a.shards; shard++) {
    for (let place = 0; place < a.width; place++) {
      const member = a.owners[shard * a.width + place]!
      if (member !== NONE && !held(a, shard, member)) moved++
    }
  }
  return moved
}
