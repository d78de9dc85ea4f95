// Single-decree Paxos (Lamport, Paxos Made Simple, 2001), and nothing else: one value, chosen once. The two
// phases fit on a page here; the rest of this package is what it takes to choose many, fast.

/** A ballot of the synod: attempts in order, and among those of equal number, proposers in order. */
export interface SynodBallot {
  /** Counts the attempts. */
  readonly attempt: number
  /** Whose it is. Nobody else ever uses it, and its owner uses it once. */
  readonly proposer: string
}

/** What an acceptor must not forget: durable before it answers. */
export interface SynodAcceptor<T> {
  /** It takes part in nothing smaller. */
  readonly promised: SynodBallot | undefined
  /** The last proposal that it accepted. Kept apart from the promise: to promise is not to accept. */
  readonly accepted: SynodProposal<T> | undefined
}

/** A value, proposed under a ballot. */
export interface SynodProposal<T> {
  /** Under which. */
  readonly ballot: SynodBallot
  /** What. */
  readonly value: T
}

/** What proposers ask and acceptors answer. Any of these may be lost, late or repeated. */
export type SynodMessage<T> =
  /** Phase 1a: take part in nothing smaller than this, and tell me what you accepted. */
  | { readonly type: 'prepare'; readonly ballot: SynodBallot }
  /** Phase 1b: I will not, and this is the last that I accepted. */
  | {
      readonly type: 'promise'
      readonly ballot: SynodBallot
      readonly accepted: SynodProposal<T> | undefined
    }
  /** Phase 2a: accept this value. */
  | { readonly type: 'accept'; readonly ballot: SynodBallot; readonly value: T }
  /** Phase 2b: I have. */
  | { readonly type: 'accepted'; readonly ballot: SynodBallot }
  /** I promised somebody else more than your ballot. */
  | { readonly type: 'refuse'; readonly ballot: SynodBallot; readonly promised: SynodBallot }

/** An acceptor that never took part in anything. */
export const newAcceptor: SynodAcceptor<never> = Object.freeze({
  promised: undefined,
  accepted: undefined,
})

/** Orders ballots; anything is larger than none. */
export function compareBallots(a: SynodBallot | undefined, b: SynodBallot | undefined): number {
  if (a === undefined || b === undefined) return Number(a !== undefined) - Number(b !== undefined)
  if (a.attempt !== b.attempt) return a.attempt - b.attempt
  return a.proposer < b.proposer ? -1 : a.proposer > b.proposer ? 1 : 0
}

/** What an acceptor becomes by a message, and what it answers. */
export interface SynodAnswer<T> {
  /** The acceptor afterwards. */
  readonly acceptor: SynodAcceptor<T>
  /** Its answer; nothing where the message asks nothing of it. */
  readonly reply: SynodMessage<T> | undefined
}

/** A value that was chosen, which may itself be `undefined`. */
export interface SynodValue<T> {
  /** The value. */
  readonly value: T
}

/** What an acceptor becomes by a message, and what it answers. */
export function answer<T>(acceptor: SynodAcceptor<T>, message: SynodMessage<T>): SynodAnswer<T> {
  if (message.type !== 'prepare' && message.type !== 'accept') {
    return { acceptor, reply: undefined }
  }
  const { ballot } = message
  const { promised, accepted } = acceptor
  if (promised !== undefined && compareBallots(ballot, promised) < 0) {
    return { acceptor, reply: { type: 'refuse', ballot, promised } }
  }
  if (message.type === 'prepare') {
    return {
      acceptor: { promised: ballot, accepted },
      reply: { type: 'promise', ballot, accepted },
    }
  }
  const proposal = { ballot, value: message.value }
  return { acceptor: { promised: ballot, accepted: proposal }, reply: { type: 'accepted', ballot } }
}

/** One attempt to have a value chosen, from its first message to its last. */
export class SynodAttempt<T> {
  /** Its ballot. */
  readonly ballot: SynodBallot
  readonly #acceptors: readonly string[]
  readonly #wish: T
  readonly #promises = new Set<string>()
  readonly #acceptances = new Set<string>()
  #latest: SynodProposal<T> | undefined
  #value: SynodValue<T> | undefined
  #refusedBy: SynodBallot | undefined

  /**
   * An attempt to have `wish` chosen by a majority of `acceptors`.
   *
   * @param ballot - the caller's own, larger than any that it used before, restarts included
   */
  constructor(ballot: SynodBallot, acceptors: readonly string[], wish: T) {
    this.ballot = ballot
    this.#acceptors = acceptors
    this.#wish = wish
  }

  /** What to ask each acceptor now; asking again does no harm, and makes up for losses. */
  get asks(): SynodMessage<T> {
    const { ballot } = this
    return this.#value === undefined
      ? { type: 'prepare', ballot }
      : { type: 'accept', ballot, value: this.#value.value }
  }

  /** The value that is chosen, once it is: the wish, or what somebody else had begun. */
  get chosen(): SynodValue<T> | undefined {
    return this.#isMajority(this.#acceptances) ? this.#value : undefined
  }

  /** The ballot that this one must give way to; the next attempt should be larger. */
  get refusedBy(): SynodBallot | undefined {
    return this.#refusedBy
  }

  /** Takes an acceptor's answer. Those to other ballots count for nothing in this one. */
  take(from: string, reply: SynodMessage<T>): void {
    if (compareBallots(reply.ballot, this.ballot) !== 0 || !this.#acceptors.includes(from)) return
    if (reply.type === 'promise') this.#promised(from, reply.accepted)
    else if (reply.type === 'accepted' && this.#value !== undefined) this.#acceptances.add(from)
    else if (reply.type === 'refuse' && compareBallots(reply.promised, this.#refusedBy) > 0) {
      this.#refusedBy = reply.promised
    }
  }

  #promised(from: string, accepted: SynodProposal<T> | undefined): void {
    // Once a value is fixed, it stays: a ballot has one.
    if (this.#value !== undefined) return
    this.#promises.add(from)
    if (compareBallots(accepted?.ballot, this.#latest?.ballot) > 0) this.#latest = accepted
    if (!this.#isMajority(this.#promises)) return
    // If any smaller ballot has chosen a value, one of this majority accepted it, and the largest
    // ballot among them is of that value: so that is proposed again, and the wish only where it is free.
    this.#value = { value: this.#latest === undefined ? this.#wish : this.#latest.value }
  }

  #isMajority(voices: ReadonlySet<string>): boolean {
    return voices.size * 2 > this.#acceptors.length
  }
}

/** Asks one acceptor and returns its answer, or `undefined` where none came. */
export type AskAcceptor<T> = (
  acceptor: string,
  message: SynodMessage<T>,
) => SynodMessage<T> | undefined

/**
 * A register that is written once, by the first who gets through; everybody reads what that was. It
 * keeps nothing itself: all that matters is at the acceptors.
 */
export class WriteOnceRegister<T> {
  readonly #proposer: string
  readonly #acceptors: readonly string[]
  readonly #ask: AskAcceptor<T>
  #attempt: number

  /**
   * A proposer's view of the register.
   *
   * @param proposer - unique among all who write
   * @param attempt - the last attempt that this proposer ever began: what it kept of the
   * {@link WriteOnceRegister.lastAttempt} of an earlier run. Default 0
   */
  constructor(proposer: string, acceptors: readonly string[], ask: AskAcceptor<T>, attempt = 0) {
    this.#proposer = proposer
    this.#acceptors = acceptors
    this.#ask = ask
    this.#attempt = attempt
  }

  /** The last attempt begun; a proposer that starts again must go on from a number at least as large. */
  get lastAttempt(): number {
    return this.#attempt
  }

  /**
   * Writes, unless something was written before; returns what the register holds, or `undefined`
   * where no majority answered. Then it may or may not hold `value`, and a later call finds out.
   *
   * A read is a write as well: what only a minority accepted could otherwise surface after somebody
   * had read that there is nothing.
   */
  write(value: T): SynodValue<T> | undefined {
    this.#attempt += 1
    const { chosen, refusedBy } = this.#try(value)
    if (refusedBy !== undefined) this.#attempt = Math.max(this.#attempt, refusedBy.attempt)
    return chosen
  }

  #try(value: T): SynodAttempt<T> {
    const ballot = { attempt: this.#attempt, proposer: this.#proposer }
    const attempt = new SynodAttempt(ballot, this.#acceptors, value)
    for (let phase = 1; phase <= 2; phase++) {
      const { asks } = attempt
      for (const acceptor of this.#acceptors) {
        const reply = this.#ask(acceptor, asks)
        if (reply !== undefined) attempt.take(acceptor, reply)
      }
    }
    return attempt
  }
}
