// Test harnesses that log one line at a call and one at its end, by a process that does one thing
// at a time, all pair up in the same way.
import type { Operation } from '../history.ts'
import { HistoryError } from './history-error.ts'

/** A call that was read and may still be answered. */
interface OpenCall<Input> {
  readonly position: number
  readonly input: Input
}

/** Pairs calls and answers of single-threaded processes, as the Clojure test logs record them. */
export class ProcessLog<Input, Output> {
  readonly #operations: Operation<Input, Output>[] = []
  readonly #open = new Map<string, OpenCall<Input>>()

  /** The input of the open call of a process, if there is one. */
  openInput(process: string): Input | undefined {
    return this.#open.get(process)?.input
  }

  /** A process calls. Its time is the line. */
  call(line: number, process: string, input: Input): void {
    if (this.#open.has(process)) {
      throw new HistoryError(line, `process ${process} calls while its last call is open`)
    }
    this.#open.set(process, { position: this.#operations.length, input })
    this.#operations.push({ client: process, input, call: line })
  }

  /** The open call of a process ends. */
  end(line: number, process: string, outcome: 'ok' | 'failed' | 'unknown', output?: Output): void {
    const open = this.#open.get(process)
    const started = open && this.#operations[open.position]
    if (open === undefined || started === undefined) {
      throw new HistoryError(line, `process ${process} ends a call that it did not make`)
    }
    this.#open.delete(process)
    this.#operations[open.position] = { ...started, return: line, output, outcome }
  }

  /** Everything read; calls without an end have an unknown outcome. */
  operations(): Operation<Input, Output>[] {
    return this.#operations
  }
}
