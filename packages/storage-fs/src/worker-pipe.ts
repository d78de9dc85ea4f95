// The pipe of production: a thread that writes and syncs the log with synchronous calls, fed
// through shared memory, and a second one for slow work that must delay no write.
import { Worker } from 'node:worker_threads'
import type { FsOp, LogPipe, PipeEvents } from './log-pipe.ts'
import { RingSpace } from './ring.ts'
import { writerThread } from './writer-thread.ts'

const PUBLISHED = 0
const JUMP = 1
const DURABLE = 2
const WAKE = 3

/** Makes a pipe with two threads. */
export function workerPipe(ringBytes: number): LogPipe {
  return new WorkerPipe(ringBytes)
}

type Reply =
  | number
  | { readonly failed: Failure }
  | { readonly full: Failure }
  | { readonly id: number; readonly error: Failure | undefined }
interface Failure {
  readonly message: string
  readonly code: string | undefined
  /** The step of a job that failed. */
  readonly step?: string | undefined
}

/** A thread that runs jobs; the writer's also takes what is published in the ring. */
class Thread {
  readonly #worker: Worker
  readonly #control: Int32Array
  readonly #jobs = new Map<
    number,
    { readonly resolve: () => void; readonly reject: (error: unknown) => void }
  >()
  readonly #exited: Promise<void>
  #nextId = 1
  #gone: Error | undefined

  constructor(
    name: string,
    control: Int32Array,
    ring: Uint8Array,
    onReply: (reply: Reply) => void,
    onGone: (error: Error) => void,
  ) {
    this.#control = control
    // Some builds wrap functions in a call that keeps their names; in the thread it does nothing.
    const program = `const __name = (value) => value; (${writerThread.toString()})()`
    this.#worker = new Worker(program, {
      eval: true,
      name,
      workerData: { control, ring },
      execArgv: [],
    })
    this.#worker.on('message', (reply: Reply) => {
      if (typeof reply === 'object' && 'id' in reply) this.#settle(reply.id, reply.error)
      else onReply(reply)
    })
    this.#worker.on('error', (error) =>
      this.#lose(error instanceof Error ? error : new Error(String(error)), onGone),
    )
    this.#exited = new Promise((resolve) => {
      this.#worker.on('exit', () => {
        this.#lose(new Error('the thread that writes has ended'), onGone)
        resolve()
      })
    })
  }

  #lose(error: Error, onGone: (error: Error) => void): void {
    if (this.#gone !== undefined) return
    this.#gone = error
    for (const { reject } of this.#jobs.values()) reject(error)
    this.#jobs.clear()
    onGone(error)
  }

  #settle(id: number, error: Failure | undefined): void {
    const job = this.#jobs.get(id)
    this.#jobs.delete(id)
    if (error === undefined) job?.resolve()
    else job?.reject(revive(error))
  }

  run(ops: readonly (FsOp | { readonly op: 'discard' })[]): Promise<void> {
    if (this.#gone !== undefined) return Promise.reject(this.#gone)
    return new Promise((resolve, reject) => {
      const id = this.#nextId++
      this.#jobs.set(id, { resolve, reject })
      this.#worker.postMessage({ id, ops: ops.map((op) => portable(op)) })
      this.wake()
    })
  }

  wake(): void {
    Atomics.add(this.#control, WAKE, 1)
    Atomics.notify(this.#control, WAKE)
  }

  async close(): Promise<void> {
    if (this.#gone === undefined) {
      this.#worker.postMessage({})
      this.wake()
    }
    await this.#exited
  }
}

class WorkerPipe implements LogPipe {
  readonly ring: Uint8Array
  readonly view: DataView
  readonly #space: RingSpace
  readonly #control: Int32Array = new Int32Array(new SharedArrayBuffer(16))
  readonly #writer: Thread
  readonly #helper: Thread
  #events: PipeEvents | undefined
  /** What the owner has been told is durable. */
  #told = 0
  #scheduled = false
  #closing = false

  constructor(ringBytes: number) {
    this.ring = new Uint8Array(new SharedArrayBuffer(ringBytes))
    this.view = new DataView(this.ring.buffer)
    this.#space = new RingSpace(ringBytes)
    const gone = (error: Error): void => {
      if (!this.#closing) this.#events?.failed(error)
    }
    this.#writer = new Thread(
      'quorate-log',
      this.#control,
      this.ring,
      (reply) => this.#onReply(reply),
      gone,
    )
    const own = new Int32Array(new SharedArrayBuffer(16))
    this.#helper = new Thread(
      'quorate-files',
      own,
      new Uint8Array(new SharedArrayBuffer(8)),
      () => {},
      gone,
    )
  }

  get durableCount(): number {
    // The shared counter has 32 bits; it is at most one ring ahead of what is known here.
    return this.#told + ((Atomics.load(this.#control, DURABLE) - this.#told) >>> 0)
  }

  start(events: PipeEvents): void {
    this.#events = events
  }

  reserve(bytes: number): number | undefined {
    return this.#space.reserve(bytes)
  }

  publish(_bytes: number): void {
    const { jumped, before } = this.#space.commit()
    if (jumped) Atomics.store(this.#control, JUMP, before | 0)
    if (this.#scheduled) return
    // At the end of the turn: what arrives together is synced together.
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      Atomics.store(this.#control, PUBLISHED, this.#space.count | 0)
      this.#writer.wake()
    })
  }

  #onReply(reply: Reply): void {
    if (typeof reply === 'number') {
      const durable = this.durableCount
      const bytes = durable - this.#told
      // One sync's news may come after the counter has moved on with the next.
      if (bytes === 0) return
      this.#told = durable
      this.#space.release(durable)
      this.#events?.durable(durable, bytes, reply)
    } else if ('failed' in reply) this.#events?.failed(revive(reply.failed))
    else if ('full' in reply) this.#events?.full(revive(reply.full))
  }

  async discard(): Promise<void> {
    await this.#writer.run([{ op: 'discard' }])
    this.#told = this.#space.count
    this.#space.release(this.#told)
  }

  run(ops: readonly FsOp[]): Promise<void> {
    return this.#writer.run(ops)
  }

  background(ops: readonly FsOp[]): Promise<void> {
    return this.#helper.run(ops)
  }

  async close(): Promise<void> {
    this.#closing = true
    await Promise.all([this.#writer.close(), this.#helper.close()])
  }
}

/** A step as another thread can run it: a descriptor instead of a file. */
function portable(op: FsOp | { readonly op: 'discard' }): Record<string, unknown> {
  if (!('file' in op)) return { ...op }
  const { file, ...rest } = op
  return { ...rest, fd: file.fd }
}

function revive({ message, code, step }: Failure): Error {
  return Object.assign(new Error(message), code === undefined ? {} : { code, step })
}
