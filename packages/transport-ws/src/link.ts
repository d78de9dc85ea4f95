// This host's relation to one peer: at most one connection, made by whichever side gets there
// first. Where both made one, the one dialed by the host with the smaller name stays.
import { compareIds, type Clock, type NodeId, type Random, type Timer } from '@quorate/core'
import { Backoff, type BackoffOptions } from './backoff.ts'
import type { Channel } from './channel.ts'

/** A connection that ended sooner than this does not make the next attempt an early one. */
const STABLE_MS = 5_000
/** The host with the larger name lets the other one dial first for this long. */
const DEFER_MS = 300

/** What a link needs of the transport. */
export interface LinkContext {
  readonly host: NodeId
  readonly clock: Clock
  readonly random: Random
  readonly backoff: BackoffOptions
  /** Begins to dial; the answer comes through {@link Link.dialed}. */
  dial(link: Link): void
  onChange(link: Link, state: 'reachable' | 'unreachable'): void
}

/** One peer. */
export class Link {
  readonly peer: NodeId
  url: string
  channel: Channel | undefined
  /** Ends an attempt that is under way. */
  abandon: ((reason: string) => void) | undefined
  /** Whether an attempt has got as far as its handshake. */
  handshaking = false
  readonly #context: LinkContext
  readonly #backoff: Backoff
  #timer: Timer | undefined
  #dialing = false
  #removed = false
  #since = 0

  constructor(peer: NodeId, url: string, context: LinkContext) {
    this.peer = peer
    this.url = url
    this.#context = context
    this.#backoff = new Backoff(context.random.fork(`backoff ${peer}`), context.backoff)
  }

  /** Whether connections that this host dials win over those that the peer dials. */
  get #ours(): boolean {
    return compareIds(this.#context.host, this.peer) < 0
  }

  /** Begins to connect. */
  start(): void {
    this.#schedule(this.#ours ? 0 : DEFER_MS)
  }

  /** Another address: the connection stands, the next attempt goes there. */
  redirect(url: string): void {
    this.url = url
    this.#timer?.cancel()
    this.#timer = undefined
    this.#backoff.reset()
    this.start()
  }

  /** An attempt is over: with a connection that has been offered to `adopt`, or without. */
  dialed(): void {
    this.#dialing = false
    this.handshaking = false
    this.abandon = undefined
    if (this.channel === undefined) this.#schedule(this.#backoff.nextMs())
  }

  /**
   * Whether a connection of a proven peer may replace what there is. Both sides come to the same
   * answer: a newer one of the same dialer replaces the older, and of two that crossed, the one of
   * the smaller name stays. That host says no while its own handshake is under way, and begins none
   * where it has a connection, so that crossing dials seldom cost a connection that carried frames.
   */
  admits(dialedBy: 'us' | 'them', instance: Uint8Array): boolean {
    const current = this.channel
    if (current === undefined && dialedBy === 'them' && this.#ours) return !this.handshaking
    if (current === undefined || current.dialedBy === dialedBy) return true
    const before = current.peer.hello.instance
    const restarted = instance.some((byte, at) => byte !== before[at])
    return restarted || (dialedBy === 'us') === this.#ours
  }

  /** Takes a connection, which ends the one before. */
  adopt(channel: Channel): void {
    const before = this.channel
    this.channel = undefined
    before?.close(1000, 'replaced by a newer connection')
    if (before !== undefined) this.#context.onChange(this, 'unreachable')
    this.channel = channel
    this.#since = this.#context.clock.now()
    this.#timer?.cancel()
    this.#timer = undefined
    this.#context.onChange(this, 'reachable')
  }

  /** The connection has ended. */
  lost(channel: Channel): void {
    if (this.channel !== channel) return
    this.channel = undefined
    if (this.#context.clock.now() - this.#since >= STABLE_MS) this.#backoff.reset()
    this.#context.onChange(this, 'unreachable')
    this.#schedule(this.#backoff.nextMs() + (this.#ours ? 0 : DEFER_MS))
  }

  /** No more attempts, and no connection. */
  remove(reason: string): void {
    this.#removed = true
    this.#timer?.cancel()
    this.#timer = undefined
    this.abandon?.(reason)
    this.channel?.close(1000, reason)
  }

  #schedule(delayMs: number): void {
    if (this.#removed || this.url === '' || this.#dialing) return
    this.#timer ??= this.#context.clock.setTimer(delayMs, () => {
      this.#timer = undefined
      if (this.channel !== undefined || this.#removed) return
      this.#dialing = true
      this.#context.dial(this)
    })
  }
}
