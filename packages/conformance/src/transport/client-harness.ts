// What the author of a listener and a dialer for clients hands to the suite, and the ends of the
// connections of one check, with everything they are told written down.
import {
  noMetrics,
  silentLogger,
  type ClientDialer,
  type ClientListener,
  type Connection,
  type ConnectionHandlers,
  type SendOutcome,
} from '@quorate/core'
import { asText, CountingClock, expectThat, limits, waitUntil, within } from './lab.ts'

/** The ends of one check. */
export interface ClientEnds {
  /** A listener, not started, at an address of its own. */
  readonly listener: ClientListener
  /** Connects to it. */
  readonly dialer: ClientDialer
  /** Where the listener can be reached once it has started. */
  address(): string
  /** An address at which nobody listens. */
  nowhere(): string | Promise<string>
  /** Releases what the check does not know of. */
  close(): Promise<void>
}

/** Makes the ends that a check needs. */
export interface ClientHarness {
  /** Makes a listener and a dialer that can reach it. */
  create(): Promise<ClientEnds>
  /** Milliseconds that a check waits for something that must happen. Default 10,000. */
  readonly patienceMs?: number | undefined
}

/** One thing that every listener and dialer for clients must do. */
export interface ClientCheck {
  /** What must hold, as a sentence. */
  readonly name: string
  /** Resolves where it holds, rejects with an explanation where it does not. */
  run(harness: ClientHarness): Promise<void>
}

/** One end of one connection. */
export class TestEnd implements ConnectionHandlers {
  connection: Connection | undefined
  /** The frames that came, and the reasons of its ends, in order. */
  readonly frames: Uint8Array[] = []
  readonly texts: string[] = []
  readonly ends: string[] = []
  /** Frames that came after the end. */
  late = 0
  readonly #lab: ClientLab

  constructor(lab: ClientLab) {
    this.#lab = lab
  }

  onFrame = (frame: Uint8Array): void => {
    if (this.ends.length > 0) this.late++
    this.frames.push(frame)
    this.texts.push(asText(frame))
    this.#lab.told()
  }

  onClose = (reason: string): void => {
    this.ends.push(reason)
    this.#lab.told()
  }

  send(frame: Uint8Array | string): SendOutcome {
    const bytes = typeof frame === 'string' ? new TextEncoder().encode(frame) : frame
    return this.#lab.inside(() => (this.connection as Connection).send(bytes))
  }

  close(reason?: string): void {
    this.#lab.inside(() => (this.connection as Connection).close(reason))
  }
}

/** A listener, its clients, and waits for what they are told. */
export class ClientLab {
  readonly clock: CountingClock = new CountingClock()
  readonly ends: ClientEnds
  /** The listener's ends, in the order in which clients came. */
  readonly accepted: TestEnd[] = []
  /** Calls of handlers during `send` and `close`. */
  toldInside = 0
  readonly #patienceMs: number
  #depth = 0
  #waiting: (() => void)[] = []

  constructor(ends: ClientEnds, patienceMs: number) {
    this.ends = ends
    this.#patienceMs = patienceMs
  }

  async listen(): Promise<void> {
    const { clock } = this
    const context = { clock, limits, logger: silentLogger, metrics: noMetrics }
    await this.ends.listener.start(context, (connection) => {
      const end = new TestEnd(this)
      end.connection = connection
      this.accepted.push(end)
      this.told()
      return end
    })
  }

  /** Connects one more client; resolves with both ends once the listener knows of it. */
  async connect(): Promise<{ client: TestEnd; host: TestEnd }> {
    const before = this.accepted.length
    const client = new TestEnd(this)
    client.connection = await this.within('dial did not resolve', () =>
      this.ends.dialer.dial(this.ends.address(), client),
    )
    await this.until(() => this.accepted.length > before, 'the listener is told of a client')
    return { client, host: this.accepted[before] as TestEnd }
  }

  inside<T>(call: () => T): T {
    this.#depth++
    try {
      return call()
    } finally {
      this.#depth--
    }
  }

  told(): void {
    if (this.#depth > 0) this.toldInside++
    for (const wake of this.#waiting.splice(0)) wake()
  }

  until(condition: () => boolean, what: string): Promise<void> {
    return waitUntil(condition, what, this.#patienceMs, (wake) => void this.#waiting.push(wake))
  }

  within<T>(late: string, run: () => Promise<T>): Promise<T> {
    return within(late, this.#patienceMs, run)
  }

  /** A frame each way, so that other things would have had time to show. */
  async exchange({ client, host }: { client: TestEnd; host: TestEnd }): Promise<void> {
    for (let round = 0; round < 10; round++) {
      const [there, back] = [host.texts.length, client.texts.length]
      expectThat(client.send('ping') === 'queued', 'a client could not send')
      await this.until(() => host.texts.length > there, 'a frame of the client arrives')
      expectThat(host.send('pong') === 'queued', 'the host could not send')
      await this.until(() => client.texts.length > back, 'a frame of the host arrives')
    }
  }
}

/** Runs a check with a listener that has started, and closes everything after it. */
export async function withClients(
  harness: ClientHarness,
  run: (lab: ClientLab) => Promise<void>,
): Promise<void> {
  const ends = await harness.create()
  const lab = new ClientLab(ends, harness.patienceMs ?? 10_000)
  try {
    await lab.listen()
    await run(lab)
  } finally {
    // A listener that fails to close is what one of the checks is about.
    await lab.within('the listener did not close', () => ends.listener.close()).catch(() => {})
    await ends.close()
  }
}
