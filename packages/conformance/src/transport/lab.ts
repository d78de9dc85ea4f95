// The hosts of one check, with everything they are told written down, and waits that end.
import {
  createRandom,
  noMetrics,
  resolveLimits,
  silentLogger,
  systemClock,
  type Clock,
  type Lane,
  type Limits,
  type NodeId,
  type SendOutcome,
  type Timer,
  type Transport,
  type TransportContext,
} from '@quorate/core'
import type { TransportHarness, TransportHosts } from './harness.ts'

/** Small limits, so that a check reaches them soon. */
export const limits: Limits = resolveLimits({
  frameBytesMax: 65_536,
  commandBytesMax: 4_096,
  messageBytesMax: 4_096,
  sendQueueBytesMax: 1_048_576,
})

/** Turns that a wait still has when its time is over. */
const GRACE_TURNS = 100

/** Fails a check. */
export function expectThat(condition: boolean, explanation: string): asserts condition {
  if (!condition) throw new Error(explanation)
}

/** A clock that knows how many of its timers are set. */
export class CountingClock implements Clock {
  timers = 0
  readonly #clock = systemClock()

  now(): number {
    return this.#clock.now()
  }

  wallNow(): number {
    return this.#clock.wallNow()
  }

  defer(callback: () => void): void {
    this.#clock.defer(callback)
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    let set = true
    const unset = (): void => {
      if (set) this.timers--
      set = false
    }
    this.timers++
    const timer = this.#clock.setTimer(delayMs, () => {
      unset()
      callback()
    })
    return {
      cancel() {
        unset()
        timer.cancel()
      },
    }
  }
}

/** Something that a host was told. */
export type Told =
  | {
      readonly kind: 'frame'
      readonly from: NodeId
      readonly frame: Uint8Array
      readonly text: string
    }
  | { readonly kind: 'peer'; readonly peer: NodeId; readonly state: 'reachable' | 'unreachable' }

/** How many calls of `start` and `send` are running, of whichever host. */
interface Calls {
  depth: number
}

/** One host under test. */
export class TestHost {
  readonly id: NodeId
  readonly transport: Transport
  readonly clock: CountingClock = new CountingClock()
  /** Everything it was told, in order. */
  readonly told: Told[] = []
  /** Calls of handlers during `start` or `send`. */
  toldInside = 0
  /** Called with every frame, after it was written down. */
  onFrame: ((from: NodeId, frame: Uint8Array) => void) | undefined
  readonly #calls: Calls
  readonly #wake: () => void
  #closed: Promise<void> | undefined

  constructor(id: NodeId, transport: Transport, calls: Calls, wake: () => void) {
    this.id = id
    this.transport = transport
    this.#calls = calls
    this.#wake = wake
  }

  /** Leaves closing to the check. */
  forget(): void {
    this.#closed = Promise.resolve()
  }

  /** Closes the transport, once. */
  close(): Promise<void> {
    this.#closed ??= this.transport.close()
    return this.#closed
  }

  async start(over: Partial<TransportContext> = {}): Promise<void> {
    const context: TransportContext = {
      cluster: 'conformance',
      host: this.id,
      wireVersion: 1,
      clock: this.clock,
      random: createRandom(1),
      limits,
      logger: silentLogger,
      metrics: noMetrics,
      ...over,
    }
    const started = this.#within(() =>
      this.transport.start(context, {
        onFrame: (from, frame) => {
          const text = asText(frame)
          this.#tell({ kind: 'frame', from, frame, text })
          this.onFrame?.(from, frame)
        },
        onPeer: (peer, state) => this.#tell({ kind: 'peer', peer, state }),
      }),
    )
    await started
  }

  send(to: NodeId, frame: Uint8Array | string, lane?: Lane): SendOutcome {
    const bytes = typeof frame === 'string' ? new TextEncoder().encode(frame) : frame
    return this.#within(() => this.transport.send(to, bytes, lane))
  }

  /** Whether the last news of a peer was this. */
  sees(peer: NodeId, state: 'reachable' | 'unreachable'): boolean {
    const news = this.told.filter((each) => each.kind === 'peer' && each.peer === peer)
    const last = news.at(-1)
    return last?.kind === 'peer' && last.state === state
  }

  /** The frames that came, as text. */
  texts(from?: NodeId): string[] {
    return this.told.flatMap((each) =>
      each.kind === 'frame' && (from === undefined || each.from === from) ? [each.text] : [],
    )
  }

  #within<T>(call: () => T): T {
    this.#calls.depth++
    try {
      return call()
    } finally {
      this.#calls.depth--
    }
  }

  #tell(told: Told): void {
    if (this.#calls.depth > 0) this.toldInside++
    this.told.push(told)
    this.#wake()
  }
}

/** Makes hosts and waits for what they are told. */
export class Lab {
  readonly #hosts: TransportHosts
  readonly #patienceMs: number
  readonly #made: TestHost[] = []
  readonly #calls: Calls = { depth: 0 }
  #balls = 0
  #waiting: (() => void)[] = []

  constructor(hosts: TransportHosts, patienceMs: number) {
    this.#hosts = hosts
    this.#patienceMs = patienceMs
  }

  host(id: NodeId): TestHost {
    const wake = (): void => {
      for (const each of this.#waiting.splice(0)) each()
    }
    const host = new TestHost(id, this.#hosts.transport(id), this.#calls, wake)
    this.#made.push(host)
    return host
  }

  address(id: NodeId): string {
    return this.#hosts.address(id)
  }

  /** Starts hosts together and waits until each sees all others. */
  async connected(...ids: readonly NodeId[]): Promise<TestHost[]> {
    const hosts = ids.map((id) => this.host(id))
    await Promise.all(hosts.map((host) => host.start()))
    await this.until(
      () => hosts.every((host) => ids.every((id) => id === host.id || host.sees(id, 'reachable'))),
      'the hosts connect to each other',
    )
    return hosts
  }

  /** Waits until a condition holds, looking whenever a host is told something. */
  until(condition: () => boolean, what: string): Promise<void> {
    return waitUntil(condition, what, this.#patienceMs, (wake) => void this.#waiting.push(wake))
  }

  /** Runs something that may never end. */
  within<T>(late: string, run: (over: () => boolean) => Promise<T>): Promise<T> {
    return within(late, this.#patienceMs, run)
  }

  /** Answers from one host to the other, many times: time in which other things would show. */
  async exchange(one: TestHost, other: TestHost, rounds = 20): Promise<void> {
    for (let round = 0; round < rounds; round++) {
      await this.pass(one, other)
      await this.pass(other, one)
    }
  }

  /** One frame from one host to the other; again where a connection was lost with it. */
  async pass(from: TestHost, to: TestHost): Promise<void> {
    const ball = `ball ${this.#balls++}`
    let sentAt = -1
    await this.until(() => {
      if (to.texts(from.id).includes(ball)) return true
      const connections = from.told.filter((each) => each.kind === 'peer').length
      if (connections !== sentAt) from.send(to.id, ball)
      sentAt = connections
      return false
    }, `${ball} of ${from.id} reaches ${to.id}`)
  }

  async close(): Promise<void> {
    await Promise.all(this.#made.map((host) => host.close()))
    await this.#hosts.close()
  }
}

/** Waits until a condition holds; `next` calls back whenever something has happened. */
export async function waitUntil(
  condition: () => boolean,
  what: string,
  patienceMs: number,
  next: (wake: () => void) => void,
): Promise<void> {
  if (condition()) return
  const late = `it did not happen within ${patienceMs} ms that ${what}`
  await within(late, patienceMs, async (over) => {
    while (!condition() && !over()) await new Promise<void>(next)
  })
}

/** Runs something that may never end. */
export async function within<T>(
  late: string,
  patienceMs: number,
  run: (over: () => boolean) => Promise<T>,
): Promise<T> {
  const clock = systemClock()
  let timer: Timer | undefined
  let over = false
  const deadline = new Promise<never>((_resolve, reject) => {
    const giveUp = (turns: number): void => {
      if (turns > 0) return clock.defer(() => giveUp(turns - 1))
      over = true
      reject(new Error(late))
    }
    // Some turns of grace: after a pause of the whole machine the timer is due before anything else.
    timer = clock.setTimer(patienceMs, () => giveUp(GRACE_TURNS))
  })
  try {
    return await Promise.race([run(() => over), deadline])
  } finally {
    timer?.cancel()
  }
}

/** A check that gets a lab, which is closed after it. */
export async function withLab(
  harness: TransportHarness,
  ids: readonly NodeId[],
  run: (lab: Lab) => Promise<void>,
): Promise<void> {
  const lab = new Lab(await harness.create(ids), harness.patienceMs ?? 10_000)
  try {
    await run(lab)
  } finally {
    await lab.close()
  }
}

/** A frame's content for comparison: text where it is short, otherwise its size and a checksum. */
export function asText(frame: Uint8Array): string {
  if (frame.length <= 64) return new TextDecoder().decode(frame)
  let sum = 0
  for (const byte of frame) sum = (Math.imul(sum, 31) + byte) >>> 0
  return `${frame.length} bytes ${sum}`
}
