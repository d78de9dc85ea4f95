// The port over Node's synchronous calls. Directories are opened to be synced, which Windows
// does not allow: there the journal of NTFS orders what Linux is asked to order.
import {
  closeSync,
  constants,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  readdirSync,
  renameSync,
  statfsSync,
  unlinkSync,
  writevSync,
} from 'node:fs'
import type { Fs, FsFile, FsSpace } from './fs.ts'
import { lockFile } from './lock.ts'

class NodeFile implements FsFile {
  readonly fd: number

  constructor(fd: number) {
    this.fd = fd
  }

  writev(buffers: readonly Uint8Array[], position: number): number {
    return writevSync(this.fd, buffers, position)
  }

  read(buffer: Uint8Array, position: number): number {
    return readSync(this.fd, buffer, 0, buffer.length, position)
  }

  datasync(): void {
    fdatasyncSync(this.fd)
  }

  sync(): void {
    fsyncSync(this.fd)
  }

  truncate(bytes: number): void {
    ftruncateSync(this.fd, bytes)
  }

  size(): number {
    return fstatSync(this.fd).size
  }

  close(): void {
    closeSync(this.fd)
  }
}

const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = constants
const FLAGS = { r: O_RDONLY, 'r+': O_RDWR, 'wx+': O_RDWR | O_CREAT | O_EXCL }
// Not everywhere: without them a link is followed, and a pipe waited for, as anywhere else.
const OWN_FILE = (O_NOFOLLOW ?? 0) | (O_NONBLOCK ?? 0)

/** Opens a file of the store: nothing else that somebody may have put in its place. */
function openFile(path: string, flags: number): FsFile {
  const fd = openSync(path, flags | OWN_FILE, 0o600)
  if (fstatSync(fd).isFile()) return new NodeFile(fd)
  closeSync(fd)
  throw Object.assign(new Error(`EINVAL: ${path} is no file`), { code: 'EINVAL' })
}

/** The system's file system. */
export const nodeFs: Fs = {
  open: (path, flags) => openFile(path, FLAGS[flags]),
  rename: (from, to) => renameSync(from, to),
  unlink: (path) => unlinkSync(path),
  mkdir(path) {
    mkdirSync(path, { mode: 0o700 })
  },
  readdir: (path) => readdirSync(path),
  syncDir(path) {
    if (process.platform === 'win32') return
    const fd = openSync(path, O_RDONLY)
    try {
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
  },
  statfs(path): FsSpace {
    const { bavail, blocks, bsize } = statfsSync(path)
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize }
  },
  lock: lockFile,
}
