// Wraps the state machine under test: commands get a name, results tell where in the log they were
// made, and queries tell how much they saw. With that any state machine's history can be judged.
import type { Command, LogIndex, StateMachine } from '@quorate/core'
import { ByteReader, ByteWriter } from '@quorate/core'

/** Names one attempt at a command: the client and its count. */
export interface Attempt {
  /** The client. */
  readonly client: number
  /** Counts the client's operations. */
  readonly sequence: number
}

/** What a wrapped state machine tells of, while it applies. */
export type OnApplied = (index: LogIndex, attempt: Attempt, result: Uint8Array) => void

/** A command with its name. */
export function nameCommand(attempt: Attempt, command: Uint8Array): Uint8Array {
  const writer = new ByteWriter(command.length + 8)
  writer.varint(attempt.client)
  writer.varint(attempt.sequence)
  writer.raw(command)
  return writer.finish()
}

/** Takes a result or an answer apart: the position it was made at, and its bytes. */
export function readPlaced(bytes: Uint8Array): {
  readonly index: LogIndex
  readonly result: Uint8Array
} {
  const reader = new ByteReader(bytes)
  const index = reader.varint()
  return { index, result: reader.raw(reader.remaining) }
}

function placed(index: LogIndex, result: Uint8Array): Uint8Array {
  const writer = new ByteWriter(result.length + 4)
  writer.varint(index)
  writer.raw(result)
  return writer.finish()
}

/** A state machine that names what it does. */
export class WatchedMachine implements StateMachine {
  readonly #inner: StateMachine
  readonly #onApplied: OnApplied
  #index: LogIndex = 0

  /** Wraps `inner`, which must be new. */
  constructor(inner: StateMachine, onApplied: OnApplied) {
    this.#inner = inner
    this.#onApplied = onApplied
  }

  /** The last command that it contains. */
  get index(): LogIndex {
    return this.#index
  }

  async #applyLater(
    commands: readonly Command[],
    attempts: readonly Attempt[],
    results: Promise<readonly Uint8Array[]>,
  ): Promise<readonly Uint8Array[]> {
    return this.#placeAll(commands, attempts, await results)
  }

  apply(commands: readonly Command[]): Promise<readonly Uint8Array[]> | readonly Uint8Array[] {
    const attempts: Attempt[] = []
    const inner = commands.map(({ index, payload }) => {
      const reader = new ByteReader(payload)
      attempts.push({ client: reader.varint(), sequence: reader.varint() })
      return { index, payload: reader.raw(reader.remaining) }
    })
    const results = this.#inner.apply(inner)
    if (results instanceof Promise) return this.#applyLater(commands, attempts, results)
    return this.#placeAll(commands, attempts, results)
  }

  async query(query: Uint8Array): Promise<Uint8Array> {
    const index = this.#index
    return placed(index, await this.#inner.query(query))
  }

  snapshot(): AsyncIterable<Uint8Array> {
    const writer = new ByteWriter(8)
    writer.uint53(this.#index)
    // Captured now; what is applied while the chunks are read must not show.
    const chunks = this.#inner.snapshot()
    return (async function* () {
      yield writer.finish()
      yield* chunks
    })()
  }

  async restore(chunks: AsyncIterable<Uint8Array>): Promise<void> {
    let header = new Uint8Array(0)
    const iterator = chunks[Symbol.asyncIterator]()
    while (header.length < 8) {
      const next = await iterator.next()
      if (next.done === true) throw new TypeError('a snapshot without its header')
      const joined = new Uint8Array(header.length + next.value.length)
      joined.set(header)
      joined.set(next.value, header.length)
      header = joined
    }
    const rest = header.subarray(8)
    await this.#inner.restore(
      (async function* () {
        if (rest.length > 0) yield rest
        for (;;) {
          const next = await iterator.next()
          if (next.done === true) return
          yield next.value
        }
      })(),
    )
    this.#index = new ByteReader(header.subarray(0, 8)).uint53()
  }

  #placeAll(
    commands: readonly Command[],
    attempts: readonly Attempt[],
    results: readonly Uint8Array[],
  ): readonly Uint8Array[] {
    return results.map((result, at) => {
      const { index } = commands[at] as Command
      this.#index = index
      this.#onApplied(index, attempts[at] as Attempt, result)
      return placed(index, result)
    })
  }
}
