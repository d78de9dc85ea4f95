// Hands out room in a ring buffer, in one piece each time: what does not fit before the end
// starts again at the beginning, and the place of the jump is remembered for the reader.

/** The writer's side of a ring. Counts are bytes since the start; offsets are places in the ring. */
export class RingSpace {
  readonly #capacity: number
  #head = 0
  /** The count at the head. */
  #count = 0
  /** The count and offset where each piece that is still in use starts, oldest first. */
  readonly #pieces: { readonly count: number; readonly offset: number; readonly bytes: number }[] =
    []
  #first = 0
  #pending: { readonly offset: number; readonly bytes: number } | undefined

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  /** All bytes ever committed. */
  get count(): number {
    return this.#count
  }

  /** Room for `bytes` in one piece. */
  reserve(bytes: number): number | undefined {
    const tail = this.#pieces[this.#first]?.offset
    let offset: number | undefined
    if (tail === undefined) offset = bytes <= this.#capacity ? 0 : undefined
    else if (this.#head > tail) {
      if (this.#head + bytes <= this.#capacity) offset = this.#head
      else if (bytes < tail) offset = 0
    } else if (this.#head + bytes < tail) offset = this.#head
    this.#pending = offset === undefined ? undefined : { offset, bytes }
    return offset
  }

  /** Uses what was reserved. Returns whether the ring jumped to its beginning, and the count before. */
  commit(): { readonly jumped: boolean; readonly before: number } {
    const pending = this.#pending
    if (pending === undefined) throw new Error('nothing is reserved')
    const before = this.#count
    const jumped = pending.offset !== this.#head
    this.#pieces.push({ count: before + pending.bytes, ...pending })
    this.#head = pending.offset + pending.bytes
    this.#count += pending.bytes
    this.#pending = undefined
    return { jumped, before }
  }

  /** Gives back everything up to a count. */
  release(count: number): void {
    while ((this.#pieces[this.#first]?.count ?? Number.POSITIVE_INFINITY) <= count) this.#first++
    if (this.#first > 1024 && this.#first * 2 > this.#pieces.length) {
      this.#pieces.splice(0, this.#first)
      this.#first = 0
    }
  }
}
