// The smallest listener and dialer that pass the suite for clients, and the faults that can be put
// into them: each of them is what a check exists for.
import {
  abortError,
  QuorateError,
  systemClock,
  type ClientListener,
  type Connection,
  type ConnectionHandlers,
  type Lifecycle,
  type SendOutcome,
  type TransportContext,
} from '@quorate/core'
import type { ClientHarness } from './client-harness.ts'
import { limits } from './lab.ts'

/** What can be wrong with connections of clients. */
export type ClientFault =
  | 'reorders-frames'
  | 'mixes-clients'
  | 'reuses-a-buffer'
  | 'tells-inside-send'
  | 'takes-oversized-frames'
  | 'has-no-bound'
  | 'loses-the-last-frames'
  | 'hides-its-own-close'
  | 'tells-the-end-twice'
  | 'sends-after-close'
  | 'dials-nobody'
  | 'ignores-abort'
  | 'keeps-connections'
  | 'leaves-a-timer'
  | 'is-never-closed'
  | 'starts-again'

const clock = systemClock()

class End implements Connection {
  other!: End
  handlers!: ConnectionHandlers
  readonly #fault: ClientFault | undefined
  readonly #all: Set<End>
  readonly #memory = new Uint8Array(65_536)
  #inbox: Uint8Array[] = []
  #queuedBytes = 0
  #closing: string | undefined
  #ended = false
  #scheduled = false

  constructor(fault: ClientFault | undefined, all: Set<End>) {
    this.#fault = fault
    this.#all = all
  }

  send(frame: Uint8Array): SendOutcome {
    const { other } = this
    const closed = this.#closing !== undefined
    if (closed) return this.#fault === 'sends-after-close' ? 'queued' : 'dropped'
    const oversized = frame.length > limits.frameBytesMax
    if (oversized && this.#fault !== 'takes-oversized-frames') return 'dropped'
    const full = other.#queuedBytes + frame.length > limits.sendQueueBytesMax
    if (full && this.#fault !== 'has-no-bound') return 'dropped'
    const targets = this.#fault === 'mixes-clients' ? [...this.#all] : [other]
    for (const target of targets) if (target !== this) target.#receive(frame)
    return 'queued'
  }

  close(reason = 'closed'): void {
    if (this.#closing !== undefined) return
    if (this.#fault === 'loses-the-last-frames') this.other.#inbox.length = 0
    this.#inbox.length = 0
    this.#hangUp(reason, this.#fault === 'hides-its-own-close')
    this.other.#hangUp(reason)
  }

  #hangUp(reason: string, secretly = false): void {
    this.#closing ??= reason
    if (secretly) this.#ended = true
    this.#schedule()
  }

  #receive(frame: Uint8Array): void {
    if (this.#closing !== undefined) return
    const bytes = frame.slice()
    if (this.#fault === 'tells-inside-send') return this.handlers.onFrame(bytes)
    this.#queuedBytes += bytes.length
    this.#inbox.push(bytes)
    this.#schedule()
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    clock.defer(() => this.#deliver())
  }

  #deliver(): void {
    this.#scheduled = false
    const frames = this.#inbox
    this.#inbox = []
    if (this.#fault === 'reorders-frames') frames.reverse()
    for (const frame of frames) {
      this.#queuedBytes -= frame.length
      if (this.#fault === 'reuses-a-buffer' && frame.length === 1_000) {
        this.#memory.set(frame)
        this.handlers.onFrame(this.#memory.subarray(0, frame.length))
      } else this.handlers.onFrame(frame)
    }
    if (this.#closing === undefined || this.#ended) return
    this.#ended = true
    this.#all.delete(this)
    this.handlers.onClose(this.#closing)
    if (this.#fault === 'tells-the-end-twice') this.handlers.onClose(this.#closing)
  }
}

class Listener implements ClientListener {
  status: Lifecycle = 'opening'
  readonly #fault: ClientFault | undefined
  readonly #all = new Set<End>()
  readonly #accepted = new Set<End>()
  #onConnection: ((connection: Connection) => ConnectionHandlers) | undefined

  constructor(fault: ClientFault | undefined) {
    this.#fault = fault
  }

  async start(
    context: Pick<TransportContext, 'clock' | 'limits' | 'logger' | 'metrics'>,
    onConnection: (connection: Connection) => ConnectionHandlers,
  ): Promise<void> {
    if (this.status === 'closed' && this.#fault !== 'starts-again') {
      throw new QuorateError('CLOSED', 'the listener is closed')
    }
    if (this.#fault === 'leaves-a-timer') context.clock.setTimer(60_000, () => {})
    this.#onConnection = onConnection
    this.status = 'open'
  }

  accept(handlers: ConnectionHandlers): Connection {
    const near = new End(this.#fault, this.#all)
    const far = new End(this.#fault, this.#all)
    near.other = far
    far.other = near
    near.handlers = handlers
    for (const end of [near, far]) this.#all.add(end)
    this.#accepted.add(far)
    far.handlers = this.#onConnection?.(far) ?? { onFrame() {}, onClose() {} }
    return near
  }

  async close(): Promise<void> {
    this.status = this.#fault === 'is-never-closed' ? 'closing' : 'closed'
    if (this.#fault === 'keeps-connections') return
    for (const end of this.#accepted) end.close('the listener closes')
    await new Promise<void>((resolve) => clock.defer(resolve))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** Clients in the same turn; with a fault, ones that the suite must find. */
function loopbackClientHarness(fault?: ClientFault): ClientHarness {
  return {
    patienceMs: fault === undefined ? 10_000 : 300,
    async create() {
      const listener = new Listener(fault)
      return {
        listener,
        dialer: {
          async dial(address, handlers, { signal } = {}) {
            await Promise.resolve()
            if (signal?.aborted === true && fault !== 'ignores-abort') {
              throw abortError(signal, 'dialing')
            }
            if (address !== 'here' && fault !== 'dials-nobody') {
              throw new QuorateError('UNAVAILABLE', `nobody listens at ${address}`)
            }
            return listener.accept(handlers)
          },
        },
        address: () => 'here',
        nowhere: () => 'nowhere',
        async close() {},
      }
    },
  }
}

const found: Readonly<Record<ClientFault, string>> = {
  'reorders-frames': 'frames of a connection arrive whole and in order, both ways',
  'mixes-clients': 'frames reach the other end of their own connection only',
  'reuses-a-buffer': 'a frame of a client or to one belongs to its receiver',
  'tells-inside-send': 'no handler of a connection runs inside a call of it',
  'takes-oversized-frames': 'a frame over frameBytesMax to a client is dropped, and harms no other',
  'has-no-bound':
    'the queue of a connection is bounded, and takes frames again once it has drained',
  'loses-the-last-frames':
    'the end of a connection is told once at either end, after its last frame',
  'hides-its-own-close': 'the end of a connection is told once at either end, after its last frame',
  'tells-the-end-twice': 'the end of a connection is told once at either end, after its last frame',
  'sends-after-close': 'a connection that has ended drops frames, and can be closed again',
  'dials-nobody': 'dial fails with UNAVAILABLE where nobody listens',
  'ignores-abort': 'dial with an aborted signal fails with ABORTED',
  'keeps-connections': 'a listener that closes ends its connections, and leaves no timer',
  'leaves-a-timer': 'a listener that closes ends its connections, and leaves no timer',
  'is-never-closed': 'the status of a listener tells where it is in its life',
  'starts-again': 'a listener that was closed does not start: CLOSED',
}

/** A listener and a dialer with a fault. */
export interface BrokenClients {
  /** What they do wrong. */
  readonly name: string
  /** The name of the check that finds it, among others perhaps. */
  readonly fails: string
  /** Makes them. */
  readonly harness: ClientHarness
}

/** Every broken pair. */
export const brokenClients: readonly BrokenClients[] = Object.freeze(
  Object.entries(found).map(([fault, fails]) => ({
    name: fault.replaceAll('-', ' '),
    fails,
    harness: loopbackClientHarness(fault as ClientFault),
  })),
)

/** The same without a fault, which passes every check. */
export const loopbackClients: ClientHarness = loopbackClientHarness()
