// The thread that writes, as one function that uses nothing outside itself: its text is what the
// worker runs, so that it works from the sources, from the build and in any bundle alike.
import type { MessagePort } from 'node:worker_threads'

/** A step of a job, as it reaches the thread: a descriptor stands for a file. */
type Step =
  | { op: 'write'; fd: number; bytes: Uint8Array; position: number }
  | { op: 'read'; fd: number; into: Uint8Array; position: number }
  | { op: 'zero'; fd: number; from: number; to: number }
  | { op: 'datasync' | 'sync' | 'close'; fd: number }
  | { op: 'rename'; from: string; to: string }
  | { op: 'unlink' | 'syncDir'; path: string }
  | { op: 'target'; fd: number; position: number }
  | { op: 'discard' }

/** The program of the thread. */
export function writerThread(): void {
  const fs = process.getBuiltinModule('node:fs')
  const { performance } = process.getBuiltinModule('node:perf_hooks')
  const { parentPort, receiveMessageOnPort, workerData } =
    process.getBuiltinModule('node:worker_threads')
  const PUBLISHED = 0
  const JUMP = 1
  const DURABLE = 2
  const WAKE = 3
  const ZEROS = new Uint8Array(1024 * 1024)

  const port = parentPort as MessagePort
  const { control, ring } = workerData as { control: Int32Array; ring: Uint8Array }
  let tail = 0
  let tailOffset = 0
  let target = { fd: -1, position: 0 }
  let failed = false
  /** The disk was full: nothing is written until what was published has been discarded. */
  let full = false
  let open = true

  /** Writes and syncs everything published so far. */
  function flush(): boolean {
    const published = Atomics.load(control, PUBLISHED)
    const bytes = (published - tail) >>> 0
    if (bytes === 0 || failed || full) return false
    const toJump = (Atomics.load(control, JUMP) - tail) >>> 0
    const before = tailOffset
    const pieces: Uint8Array[] = []
    if (toJump < bytes) {
      if (toJump > 0) pieces.push(ring.subarray(tailOffset, tailOffset + toJump))
      pieces.push(ring.subarray(0, bytes - toJump))
      tailOffset = bytes - toJump
    } else {
      pieces.push(ring.subarray(tailOffset, tailOffset + bytes))
      tailOffset += bytes
    }
    const start = performance.now()
    let wrote = false
    try {
      writeGathered(target.fd, pieces, target.position)
      wrote = true
      fs.fdatasyncSync(target.fd)
    } catch (error) {
      if (!wrote && isNoSpace(error)) {
        full = true
        tailOffset = before
        port.postMessage({ full: plain(error) })
        return true
      }
      failed = true
      port.postMessage({ failed: plain(error) })
      return true
    }
    target.position += bytes
    tail = published
    Atomics.store(control, DURABLE, published)
    port.postMessage(performance.now() - start)
    return true
  }

  /** Passes over what was published and not written. */
  function discard(): void {
    const published = Atomics.load(control, PUBLISHED)
    const bytes = (published - tail) >>> 0
    const toJump = (Atomics.load(control, JUMP) - tail) >>> 0
    tailOffset = bytes > 0 && toJump < bytes ? bytes - toJump : tailOffset + bytes
    tail = published
    full = false
    Atomics.store(control, DURABLE, published)
  }

  /** Runs the jobs that have come. */
  function receive(): boolean {
    let any = false
    for (;;) {
      const received = receiveMessageOnPort(port)
      if (received === undefined) return any
      any = true
      const { id, ops } = received.message as { id: number; ops: readonly Step[] | undefined }
      if (ops === undefined) {
        open = false
        return true
      }
      let error: { message: string; code: unknown; step?: string } | undefined
      let step = ''
      try {
        for (const op of ops) {
          step = op.op
          run(op)
        }
      } catch (thrown) {
        error = { ...plain(thrown), step }
      }
      port.postMessage({ id, error })
    }
  }

  function run(op: Step): void {
    switch (op.op) {
      case 'write':
        return writeGathered(op.fd, [op.bytes], op.position)
      case 'read': {
        let done = 0
        while (done < op.into.length) {
          const got = fs.readSync(op.fd, op.into, done, op.into.length - done, op.position + done)
          if (got === 0) break
          done += got
        }
        op.into.fill(0, done)
        return
      }
      case 'zero':
        for (let at = op.from; at < op.to; at += ZEROS.length) {
          writeGathered(op.fd, [ZEROS.subarray(0, Math.min(ZEROS.length, op.to - at))], at)
        }
        return
      case 'datasync':
        return fs.fdatasyncSync(op.fd)
      case 'sync':
        return fs.fsyncSync(op.fd)
      case 'close':
        return fs.closeSync(op.fd)
      case 'rename':
        return fs.renameSync(op.from, op.to)
      case 'unlink':
        return fs.unlinkSync(op.path)
      case 'syncDir':
        return syncDirectory(op.path)
      case 'target':
        target = { fd: op.fd, position: op.position }
        return
      case 'discard':
        return discard()
    }
  }

  function syncDirectory(path: string): void {
    if (process.platform === 'win32') return
    const fd = fs.openSync(path, 'r')
    try {
      fs.fsyncSync(fd)
    } finally {
      fs.closeSync(fd)
    }
  }

  /** Writes pieces one after the other. A call may come back short without an error: the disk may be full. */
  function writeGathered(fd: number, pieces: readonly Uint8Array[], position: number): void {
    let rest = pieces.filter((piece) => piece.length > 0)
    let at = position
    while (rest.length > 0) {
      let written = fs.writevSync(fd, rest, at)
      if (written === 0)
        throw Object.assign(new Error('EIO: a write made no progress'), { code: 'EIO' })
      at += written
      const next: Uint8Array[] = []
      for (const piece of rest) {
        if (written >= piece.length) written -= piece.length
        else {
          next.push(piece.subarray(written))
          written = 0
        }
      }
      rest = next
    }
  }

  function isNoSpace(error: unknown): boolean {
    return ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(String((error as { code?: unknown }).code))
  }

  function plain(error: unknown): { message: string; code: unknown } {
    return {
      message: error instanceof Error ? error.message : String(error),
      code: (error as { code?: unknown }).code,
    }
  }

  while (open) {
    const wake = Atomics.load(control, WAKE)
    const wrote = flush()
    const received = receive()
    if (!wrote && !received) Atomics.wait(control, WAKE, wake)
  }
  port.close()
}
