// Clients of the in-process network: pairs of connections, each end with an inbox of its own, so
// that frames arrive whole, in order and never inside the call that sent them.
import {
  abortError,
  QuorateError,
  type AbortOptions,
  type ClientDialer,
  type ClientListener,
  type Clock,
  type Connection,
  type ConnectionHandlers,
  type Lifecycle,
  type Limits,
  type SendOutcome,
  type TransportContext,
} from '@quorate/core'
import { Fifo, FRAME_COST } from './fifo.ts'
import { Turn } from './turn.ts'

type ListenerContext = Pick<TransportContext, 'clock' | 'limits' | 'logger' | 'metrics'>

/** One end of a connection. */
class End implements Connection {
  other!: End
  handlers: ConnectionHandlers | undefined
  readonly #limits: Limits
  readonly #inbox = new Fifo<Uint8Array>()
  readonly #turn: Turn
  readonly #gone: (end: End) => void
  #inboxBytes = 0
  #closing: string | undefined
  #ended = false

  constructor(limits: Limits, clock: Clock, gone: (end: End) => void) {
    this.#limits = limits
    this.#gone = gone
    this.#turn = new Turn(clock, () => this.#deliver())
  }

  send(frame: Uint8Array): SendOutcome {
    const { other } = this
    if (this.#closing !== undefined || other.#closing !== undefined) return 'dropped'
    if (frame.length > this.#limits.frameBytesMax) return 'dropped'
    if (other.#inboxBytes + frame.length > this.#limits.sendQueueBytesMax) return 'dropped'
    other.#inbox.push(frame)
    other.#inboxBytes += frame.length + FRAME_COST
    other.#turn.schedule()
    return 'queued'
  }

  close(reason = 'closed'): void {
    if (this.#closing !== undefined) return
    // What the other end sent and nobody has seen yet is lost, as on a socket; what this end sent
    // still arrives there before the end does.
    this.#inbox.clear()
    this.#closing = reason
    this.#turn.schedule()
    this.other.#hangUp(reason)
  }

  #hangUp(reason: string): void {
    this.#closing ??= reason
    this.#turn.schedule()
  }

  #deliver(): void {
    const { handlers } = this
    if (handlers === undefined || this.#ended) return
    try {
      for (let frame = this.#inbox.shift(); frame !== undefined; frame = this.#inbox.shift()) {
        this.#inboxBytes -= frame.length + FRAME_COST
        handlers.onFrame(frame.slice())
      }
    } finally {
      if (this.#inbox.length > 0) this.#turn.schedule()
      else if (this.#closing !== undefined) this.#end(this.#closing, handlers)
    }
  }

  #end(reason: string, handlers: ConnectionHandlers): void {
    this.#ended = true
    this.#turn.cancel()
    this.#gone(this)
    handlers.onClose(reason)
  }
}

/** Accepts the network's clients at one address. */
export class MemoryListener implements ClientListener {
  readonly #address: string
  readonly #registry: Map<string, MemoryListener>
  readonly #ends = new Set<End>()
  #status: Lifecycle = 'opening'
  #context: ListenerContext | undefined
  #onConnection: ((connection: Connection) => ConnectionHandlers) | undefined
  #idle: (() => void) | undefined

  constructor(address: string, registry: Map<string, MemoryListener>) {
    this.#address = address
    this.#registry = registry
  }

  get status(): Lifecycle {
    return this.#status
  }

  async start(
    context: ListenerContext,
    onConnection: (connection: Connection) => ConnectionHandlers,
  ): Promise<void> {
    if (this.#status !== 'opening') {
      if (this.#status === 'open') throw new TypeError('a listener is started once')
      throw new QuorateError('CLOSED', 'the listener is closed')
    }
    if (this.#registry.has(this.#address)) {
      this.#status = 'closed'
      throw new QuorateError('PORT_IN_USE', `another listener has the address ${this.#address}`)
    }
    this.#context = context
    this.#onConnection = onConnection
    this.#registry.set(this.#address, this)
    this.#status = 'open'
  }

  /** Connects a client to this listener, or returns `undefined` where it does not listen. */
  accept(limits: Limits, clock: Clock, handlers: ConnectionHandlers): Connection | undefined {
    const context = this.#context
    const onConnection = this.#onConnection
    if (this.#status !== 'open' || context === undefined || onConnection === undefined) return
    const gone = (end: End): void => {
      this.#ends.delete(end)
      if (this.#ends.size === 0) this.#idle?.()
    }
    const near = new End(limits, clock, () => {})
    const far = new End(context.limits, context.clock, gone)
    near.other = far
    far.other = near
    near.handlers = handlers
    this.#ends.add(far)
    far.handlers = onConnection(far)
    return near
  }

  async close(_options?: AbortOptions): Promise<void> {
    if (this.#status === 'closed') return
    this.#status = 'closing'
    if (this.#registry.get(this.#address) === this) this.#registry.delete(this.#address)
    if (this.#ends.size > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve
        for (const end of this.#ends) end.close('the listener closes')
      })
    }
    this.#status = 'closed'
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** Connects to the listeners of a network. */
export function dialer(
  registry: ReadonlyMap<string, MemoryListener>,
  limits: Limits,
  clock: Clock,
): ClientDialer {
  return {
    async dial(address, handlers, options) {
      const signal = options?.signal
      // Nothing happens inside the call, as on a socket.
      await Promise.resolve()
      if (signal?.aborted === true) throw abortError(signal, `connecting to ${address}`)
      const connection = registry.get(address)?.accept(limits, clock, handlers)
      if (connection === undefined) {
        throw new QuorateError('UNAVAILABLE', `nobody listens at ${address}`)
      }
      return connection
    },
  }
}
