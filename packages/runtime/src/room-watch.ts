// A leader whose disk is full or nearly so refuses every proposal: it looks for a member that has
// room, again and again, until one leads in its place or there is room again.
import type { Clock, Timer } from '@quorate/core'

const RETRY_MS = 5_000

/** What the watch asks of its replica. */
export interface RoomWatchOwner {
  /** Whether it leads, and has no room. */
  leadsWithoutRoom(): boolean
  /** Tries once to have a member with room lead instead; never rejects. */
  yieldLeadership(signal: AbortSignal): Promise<void>
}

/** Watches over one replica. */
export class RoomWatch {
  readonly #clock: Clock
  readonly #owner: RoomWatchOwner
  readonly #stop: AbortController = new AbortController()
  #trying: Promise<void> | undefined
  #timer: Timer | undefined

  /** Begins with the first {@link RoomWatch.check}. */
  constructor(clock: Clock, owner: RoomWatchOwner) {
    this.#clock = clock
    this.#owner = owner
  }

  /** Tries now where it is time to; called whenever room or leadership may have gone. */
  check(): void {
    if (this.#trying !== undefined || this.#timer !== undefined || this.#stop.signal.aborted) return
    if (!this.#owner.leadsWithoutRoom()) return
    this.#trying = this.#owner.yieldLeadership(this.#stop.signal).then(() => {
      this.#trying = undefined
      if (this.#stop.signal.aborted || !this.#owner.leadsWithoutRoom()) return
      this.#timer = this.#clock.setTimer(RETRY_MS, () => {
        this.#timer = undefined
        this.check()
      })
    })
  }

  /** Tries no more. */
  close(): void {
    this.#stop.abort()
    this.#timer?.cancel()
    this.#timer = undefined
  }
}
