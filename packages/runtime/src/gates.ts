// Messages that may not leave before what they promise is durable.
import type { Envelope } from '@quorate/core'

interface Gate {
  readonly seq: number
  readonly envelopes: readonly Envelope[]
}

/** The messages of one replica that wait for its disk. */
export class Gates {
  #gates: Gate[] = []

  /** Holds messages until everything up to `seq` is durable; `seq` never falls. */
  hold(seq: number, envelopes: readonly Envelope[]): void {
    this.#gates.push({ seq, envelopes })
  }

  /** Everything up to `seq` is durable: lets through what waited for it, in order. */
  open(seq: number, send: (envelopes: readonly Envelope[]) => void): void {
    let opened = 0
    for (const gate of this.#gates) {
      if (gate.seq > seq) break
      send(gate.envelopes)
      opened++
    }
    if (opened > 0) this.#gates = this.#gates.slice(opened)
  }

  /** Nothing that waits will leave. */
  clear(): void {
    this.#gates = []
  }
}
