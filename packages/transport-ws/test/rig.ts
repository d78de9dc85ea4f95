// What the tests of this package share: contexts, inboxes that can be waited for, and hosts that
// know each other's ports.
import {
  createRandom,
  defaultLimits,
  noMetrics,
  silentLogger,
  systemClock,
  type Clock,
  type Connection,
  type ConnectionHandlers,
  type LogFields,
  type Logger,
  type Timer,
  type TransportContext,
  type TransportHandlers,
} from '@quorate/core'
import { webSockets, type WebSocketsOptions, type WebSocketTransport } from '../src/index.ts'

export function context(host: string, over: Partial<TransportContext> = {}): TransportContext {
  return {
    cluster: 'c',
    host,
    wireVersion: 1,
    clock: systemClock(),
    random: createRandom(1),
    limits: defaultLimits,
    logger: silentLogger,
    metrics: noMetrics,
    ...over,
  }
}

export const bytes = (value: string): Uint8Array => new TextEncoder().encode(value)
export const text = (value: Uint8Array): string => new TextDecoder().decode(value)

/** Lines that can be waited for. */
export class Log {
  readonly lines: string[] = []
  #waiting: (() => void)[] = []
  add(line: string): void {
    this.lines.push(line)
    for (const wake of this.#waiting.splice(0)) wake()
  }
  async until(what: string | ((lines: readonly string[]) => boolean)): Promise<void> {
    const done =
      typeof what === 'function' ? what : (lines: readonly string[]) => lines.includes(what)
    while (!done(this.lines)) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }
}

export class Inbox extends Log implements TransportHandlers {
  readonly frames: Uint8Array[] = []
  onFrame = (from: string, frame: Uint8Array): void => {
    this.frames.push(frame)
    this.add(`${from}:${frame.length > 40 ? `${frame.length} bytes` : text(frame)}`)
  }
  onPeer = (peer: string, state: string): void => this.add(`${peer} ${state}`)
}

/** A client's or a listener's end that writes down what it is told. */
export class Caller extends Log implements ConnectionHandlers {
  readonly frames: Uint8Array[] = []
  connection: Connection | undefined
  onFrame = (frame: Uint8Array): void => {
    this.frames.push(frame)
    this.add(frame.length > 40 ? `${frame.length} bytes` : text(frame))
  }
  onClose = (reason: string): void => this.add(`closed: ${reason}`)
}

/** A clock that a test turns by hand, while sockets go on as they please. */
export class ManualClock implements Clock {
  readonly #timers = new Set<{ readonly dueMs: number; readonly callback: () => void }>()
  #nowMs = 0
  #waiting: (() => void)[] = []
  now = (): number => this.#nowMs
  wallNow = (): number => this.#nowMs
  defer = (callback: () => void): void => void setImmediate(callback)
  get timers(): number {
    return this.#timers.size
  }
  setTimer(delayMs: number, callback: () => void): Timer {
    const timer = { dueMs: this.#nowMs + Math.max(0, delayMs), callback }
    this.#timers.add(timer)
    for (const wake of this.#waiting.splice(0)) wake()
    return { cancel: () => void this.#timers.delete(timer) }
  }
  /** Waits until so many timers are set. */
  async until(timers: number): Promise<void> {
    while (this.timers < timers) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }
  /** Lets time pass; timers run in order, those that they set too where they fall due. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms
    for (;;) {
      const due = [...this.#timers].filter(({ dueMs }) => dueMs <= endMs)
      const next = due.toSorted((one, other) => one.dueMs - other.dueMs)[0]
      if (next === undefined) break
      this.#timers.delete(next)
      this.#nowMs = next.dueMs
      next.callback()
    }
    this.#nowMs = endMs
  }
}

/** A logger whose lines can be waited for: the message, then its fields as JSON. */
export function loggerTo(log: Log): Logger {
  const write = (fields: LogFields, message: string): void => {
    log.add(`${message} ${JSON.stringify(fields)}`)
  }
  return { debug: write, info: write, warn: write, error: write }
}

export interface TestHost {
  readonly id: string
  readonly transport: WebSocketTransport
  readonly inbox: Inbox
  readonly log: Log
  readonly url: string
}

const started = new Set<TestHost>()

/** Starts one host on a free port of the loopback. */
export async function host(
  id: string,
  options: WebSocketsOptions = {},
  over: Partial<TransportContext> = {},
): Promise<TestHost> {
  const transport = webSockets({ listen: 0, ...options })
  const inbox = new Inbox()
  const log = new Log()
  await transport.start(context(id, { logger: loggerTo(log), ...over }), inbox)
  const scheme = options.tls === undefined ? 'ws' : 'wss'
  const each = { id, transport, inbox, log, url: `${scheme}://127.0.0.1:${transport.port}` }
  started.add(each)
  return each
}

/** Starts hosts that all know each other. */
export async function cluster(
  ids: readonly string[],
  options: WebSocketsOptions = {},
  over: Partial<TransportContext> = {},
): Promise<TestHost[]> {
  const hosts = await Promise.all(ids.map((id) => host(id, options, over)))
  for (const one of hosts) {
    for (const other of hosts) if (other !== one) one.transport.setPeer(other.id, other.url)
  }
  return hosts
}

/** For `afterEach`: closes every host that the test started. */
export async function closeHosts(): Promise<void> {
  const hosts = [...started]
  started.clear()
  await Promise.all(hosts.map(({ transport }) => transport.close()))
}
