// The thread that writes: plain JavaScript, because a worker's file is loaded by Node itself, from
// the sources in development and from the build in production, and Node 20 reads no types.
import * as fs from 'node:fs'
import { performance } from 'node:perf_hooks'
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'

const PUBLISHED = 0
const JUMP = 1
const DURABLE = 2
const WAKE = 3
const ZEROS = new Uint8Array(1024 * 1024)

const port = /** @type {import('node:worker_threads').MessagePort} */ (parentPort)
/** @type {{ control: Int32Array, ring: Uint8Array }} */
const { control, ring } = workerData
let tail = 0
let tailOffset = 0
let target = { fd: -1, position: 0 }
let failed = false
let open = true

while (open) {
  const wake = Atomics.load(control, WAKE)
  const wrote = flush()
  const received = receive()
  if (!wrote && !received) Atomics.wait(control, WAKE, wake)
}
port.close()

/** Writes and syncs everything published so far. */
function flush() {
  const published = Atomics.load(control, PUBLISHED)
  const bytes = (published - tail) >>> 0
  if (bytes === 0 || failed) return false
  const toJump = (Atomics.load(control, JUMP) - tail) >>> 0
  const pieces = []
  if (toJump < bytes) {
    if (toJump > 0) pieces.push(ring.subarray(tailOffset, tailOffset + toJump))
    pieces.push(ring.subarray(0, bytes - toJump))
    tailOffset = bytes - toJump
  } else {
    pieces.push(ring.subarray(tailOffset, tailOffset + bytes))
    tailOffset += bytes
  }
  const start = performance.now()
  try {
    writeGathered(target.fd, pieces, target.position)
    fs.fdatasyncSync(target.fd)
  } catch (error) {
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

/** Runs the jobs that have come. */
function receive() {
  let any = false
  for (;;) {
    const received = receiveMessageOnPort(port)
    if (received === undefined) return any
    any = true
    const { id, ops } = received.message
    if (ops === undefined) {
      open = false
      return true
    }
    let error
    try {
      for (const op of ops) run(op)
    } catch (thrown) {
      error = plain(thrown)
    }
    port.postMessage({ id, error })
  }
}

function run(op) {
  switch (op.op) {
    case 'write':
      return writeGathered(op.fd, [op.bytes], op.position)
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
    default:
      throw new Error(`unknown step ${op.op}`)
  }
}

function syncDirectory(path) {
  if (process.platform === 'win32') return
  const fd = fs.openSync(path, 'r')
  try {
    fs.fsyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
}

/** Writes pieces one after the other. A call may come back short without an error: the disk may be full. */
function writeGathered(fd, pieces, position) {
  let rest = pieces
  let at = position
  while (rest.length > 0) {
    let written =
      rest.length === 1
        ? fs.writeSync(fd, rest[0], 0, rest[0].length, at)
        : fs.writevSync(fd, rest, at)
    if (written === 0)
      throw Object.assign(new Error('EIO: a write made no progress'), { code: 'EIO' })
    at += written
    const next = []
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

function plain(error) {
  return { message: error instanceof Error ? error.message : String(error), code: error?.code }
}
