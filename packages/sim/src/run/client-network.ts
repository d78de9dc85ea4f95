// Connections of clients to simulated hosts. Fault model: what is sent arrives whole, in order and
// late, until the connection breaks; a cut link breaks it silently, and refuses new ones.
import type {
  ClientDialer,
  ClientListener,
  Connection,
  ConnectionHandlers,
  Lifecycle,
  NodeId,
  Random,
  SendOutcome,
} from '@quorate/core'
import { QuorateError } from '@quorate/core'
import type { HostScope } from './host-clock.ts'
import { exponential } from './network.ts'
import type { Timeline } from './timeline.ts'

/** How soon the other end notices that a process is gone, in milliseconds. */
const NOTICED_MS = 5
/** How soon a dialler gives up where nothing answers, in milliseconds. */
const GIVEN_UP_MS = 500

type Accept = (connection: Connection) => ConnectionHandlers

interface Listening {
  readonly scope: HostScope
  readonly accept: Accept
}

/** One side of a connection. */
interface End {
  readonly scope: HostScope
  handlers: ConnectionHandlers | undefined
  lastArrivalMs: number
}

/** How slow the network of clients is, in milliseconds. */
export interface ClientNetworkDelays {
  /** The smallest delay of a frame. */
  readonly delayMinMs: number
  /** The mean of what is added to it. */
  readonly delayMeanMs: number
}

/** The network between clients and hosts. */
export class ClientNetwork {
  /** How slow it is. */
  delays: ClientNetworkDelays
  readonly #timeline: Timeline
  readonly #random: Random
  readonly #listening = new Map<NodeId, Listening>()
  readonly #links = new Set<ClientLink>()
  readonly #cut = new Set<string>()

  /** A network with its own randomness. */
  constructor(timeline: Timeline, random: Random, delays: ClientNetworkDelays) {
    this.#timeline = timeline
    this.#random = random
    this.delays = delays
  }

  /** Where one start of a host takes clients: its address is its name. */
  listener(host: NodeId, scope: HostScope): ClientListener {
    return new Listener(
      (accept) => void this.#listening.set(host, { scope, accept }),
      () => {
        if (this.#listening.get(host)?.scope === scope) this.#listening.delete(host)
      },
    )
  }

  /** How a client reaches hosts. */
  dialer(client: string, scope: HostScope): ClientDialer {
    return {
      dial: (address, handlers) =>
        new Promise((resolve, reject) => {
          const refused = (afterMs: number, why: string): void =>
            this.#after(afterMs, scope, () =>
              reject(new QuorateError('UNAVAILABLE', `${address} ${why}`)),
            )
          if (this.#isCut(client, address)) return refused(GIVEN_UP_MS, 'does not answer')
          this.#timeline.after(this.#delayMs() * 2, () => {
            const listening = this.#listening.get(address)
            if (listening === undefined || listening.scope.over || this.#isCut(client, address))
              return refused(0, 'refuses')
            scope.enter(() => resolve(this.#connect(client, scope, handlers, address, listening)))
          })
        }),
    }
  }

  /** Breaks every connection between a client and a host, and refuses new ones until it is mended. */
  setCut(client: string, host: NodeId, cut: boolean): void {
    const name = `${client}>${host}`
    if (!cut) return void this.#cut.delete(name)
    this.#cut.add(name)
    this.reset((link) => link.client === client && link.host === host)
  }

  /** Mends all links. */
  mend(): void {
    this.#cut.clear()
  }

  /** Breaks connections; both ends notice. */
  reset(which: (link: ClientLink) => boolean): void {
    for (const link of this.#links) {
      if (which(link)) link.break('the connection was reset', NOTICED_MS)
    }
  }

  /** A process has died, and its connections with it. */
  drop(scope: HostScope): void {
    for (const [host, listening] of this.#listening) {
      if (listening.scope === scope) this.#listening.delete(host)
    }
    this.reset((link) => link.of(scope))
  }

  #isCut(client: string, host: NodeId): boolean {
    return this.#cut.has(`${client}>${host}`)
  }

  #connect(
    client: string,
    scope: HostScope,
    handlers: ConnectionHandlers,
    host: NodeId,
    listening: Listening,
  ): Connection {
    const near: End = { scope, handlers, lastArrivalMs: 0 }
    const far: End = { scope: listening.scope, handlers: undefined, lastArrivalMs: 0 }
    const link: ClientLink = new ClientLink(client, host, near, far, {
      timeline: this.#timeline,
      delayMs: () => this.#delayMs(),
      over: () => void this.#links.delete(link),
    })
    this.#links.add(link)
    far.handlers = listening.accept(link.side(far))
    return link.side(near)
  }

  #after(delayMs: number, scope: HostScope, run: () => void): void {
    this.#timeline.after(delayMs, () => scope.enter(run))
  }

  #delayMs(): number {
    return this.delays.delayMinMs + exponential(this.#random, this.delays.delayMeanMs)
  }
}

interface LinkContext {
  readonly timeline: Timeline
  delayMs(): number
  over(): void
}

/** One connection. */
class ClientLink {
  readonly client: string
  readonly host: NodeId
  readonly #near: End
  readonly #far: End
  readonly #context: LinkContext
  #broken = false

  constructor(client: string, host: NodeId, near: End, far: End, context: LinkContext) {
    this.client = client
    this.host = host
    this.#near = near
    this.#far = far
    this.#context = context
  }

  of(scope: HostScope): boolean {
    return this.#near.scope === scope || this.#far.scope === scope
  }

  /** What one end does with it. */
  side(end: End): Connection {
    const other = end === this.#near ? this.#far : this.#near
    return {
      send: (frame) => this.#send(end, other, frame),
      close: (reason = 'closed') => {
        // Whoever closes it hears no more of it; what was sent before still arrives.
        end.handlers = undefined
        const { nowMs } = this.#context.timeline
        const afterMs = Math.max(other.lastArrivalMs - nowMs, 0) + this.#context.delayMs()
        this.#context.timeline.after(afterMs, () => this.break(reason, 0))
      },
    }
  }

  /** Ends it; what is under way is lost. */
  break(reason: string, noticedMs: number): void {
    if (this.#broken) return
    this.#broken = true
    this.#context.over()
    for (const { scope, handlers } of [this.#near, this.#far]) {
      this.#context.timeline.after(noticedMs, () => scope.enter(() => handlers?.onClose(reason)))
    }
  }

  #send(from: End, to: End, frame: Uint8Array): SendOutcome {
    const { timeline, delayMs } = this.#context
    if (this.#broken || from.scope.over || from.handlers === undefined) return 'dropped'
    const arrivalMs = Math.max(timeline.nowMs + delayMs(), to.lastArrivalMs)
    to.lastArrivalMs = arrivalMs
    // A copy: the receiver owns what it is given.
    const copy = frame.slice()
    timeline.after(arrivalMs - timeline.nowMs, () => {
      if (this.#broken || to.scope.over) return
      timeline.trace(5, copy.length)
      timeline.traceBytes(copy)
      to.scope.enter(() => to.handlers?.onFrame(copy))
    })
    return 'queued'
  }
}

class Listener implements ClientListener {
  readonly #open: (accept: Accept) => void
  readonly #shut: () => void
  #status: Lifecycle = 'opening'

  constructor(open: (accept: Accept) => void, shut: () => void) {
    this.#open = open
    this.#shut = shut
  }

  get status(): Lifecycle {
    return this.#status
  }

  start(_context: unknown, onConnection: Accept): Promise<void> {
    this.#open(onConnection)
    this.#status = 'open'
    return Promise.resolve()
  }

  close(): Promise<void> {
    this.#shut()
    this.#status = 'closed'
    return Promise.resolve()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
