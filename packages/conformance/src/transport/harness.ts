// What the author of a transport hands to the suite, and the runner that the suite is handed to:
// neither knows the other, so any test framework and any transport fit together.
import type { NodeId, Transport, TransportSupports } from '@quorate/core'

/** The hosts of one check. */
export interface TransportHosts {
  /**
   * A transport for a host, not started, that knows all other hosts of the check as its peers. A
   * second one for the same host is asked for only after the first was closed: a restart.
   */
  transport(host: NodeId): Transport
  /** What `setPeer` takes to reach a host. */
  address(host: NodeId): string
  /** Releases what the check does not know of: servers, temporary files. */
  close(): Promise<void>
}

/** Makes the transports that a check needs. */
export interface TransportHarness {
  /** Makes hosts that can reach each other and nobody else. */
  create(hosts: readonly NodeId[]): Promise<TransportHosts>
  /**
   * Milliseconds that a check waits for something that must happen. Default 10,000. A transport
   * that does everything at once can be given less.
   */
  readonly patienceMs?: number | undefined
}

/** One thing that every transport must do. */
export interface TransportCheck {
  /** What must hold, as a sentence. */
  readonly name: string
  /** The capability without which the check does not apply. */
  readonly needs?: keyof TransportSupports | undefined
  /** Resolves where it holds, rejects with an explanation where it does not. */
  run(harness: TransportHarness): Promise<void>
}
