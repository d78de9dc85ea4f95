// The file system as this storage needs it. Everything reaches the disk through this port, so
// that a test can put a file system with a crash model, or one that fails, in its place.

/** Free and total bytes of a file system. */
export interface FsSpace {
  /** Bytes that this user may still write. */
  readonly freeBytes: number
  /** Bytes of the whole file system. */
  readonly totalBytes: number
}

/** Releases a lock. */
export type Unlock = () => void

/** Synchronous calls of a file system. Each throws an error with a `code` such as `EIO` or `ENOENT`. */
export interface Fs {
  /** Opens a file: `r` to read, `r+` to read and write, `wx+` to create one that must not exist. */
  open(path: string, flags: 'r' | 'r+' | 'wx+'): FsFile
  /** Renames a file or a directory, replacing a file. */
  rename(from: string, to: string): void
  /** Removes a file. */
  unlink(path: string): void
  /** Makes a directory; its parent must exist. */
  mkdir(path: string): void
  /** The names in a directory. */
  readdir(path: string): readonly string[]
  /** Makes the names in a directory durable. */
  syncDir(path: string): void
  /** Space left where `path` is. */
  statfs(path: string): FsSpace
  /** Takes the lock of a file for this process, or returns `undefined` where another holds it. */
  lock(path: string): Promise<Unlock | undefined>
}

/** An open file. */
export interface FsFile {
  /** The descriptor that another thread of the process can use; -1 where there is none. */
  readonly fd: number
  /** Writes buffers at a position. Returns how many bytes were written, which may be fewer. */
  writev(buffers: readonly Uint8Array[], position: number): number
  /** Reads up to the buffer's length at a position. Returns how many bytes were read; 0 at the end. */
  read(buffer: Uint8Array, position: number): number
  /** Makes the file's data durable. */
  datasync(): void
  /** Makes the file's data and description durable. */
  sync(): void
  /** Sets the size; bytes added are zero. */
  truncate(bytes: number): void
  /** The size in bytes. */
  size(): number
  /** Closes it. */
  close(): void
}

/** The system's code of an error, such as `ENOSPC`; empty where it has none. */
export function systemCode(error: unknown): string {
  const code = (error as { code?: unknown } | undefined)?.code
  return typeof code === 'string' ? code : ''
}

/** Whether an error says that there is no room: on the disk, in a quota, or within a limit of size. */
export function isNoSpace(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(systemCode(error))
}

const ZEROS = new Uint8Array(1024 * 1024)

/** Writes all of `bytes`, going on after a short write. */
export function writeAll(file: FsFile, bytes: Uint8Array, position: number): void {
  let done = 0
  while (done < bytes.length) {
    const written = file.writev([bytes.subarray(done)], position + done)
    if (written === 0)
      throw Object.assign(new Error('EIO: a write made no progress'), { code: 'EIO' })
    done += written
  }
}

/** Fills a file with zeros, so that its blocks are there before anything is written to them. */
export function fillZero(file: FsFile, from: number, to: number): void {
  for (let at = from; at < to; at += ZEROS.length) {
    writeAll(file, ZEROS.subarray(0, Math.min(ZEROS.length, to - at)), at)
  }
}

/** Reads until the buffer is full or the file ends, and returns how many bytes there were. */
export function readFully(file: FsFile, buffer: Uint8Array, position: number): number {
  let done = 0
  while (done < buffer.length) {
    const got = file.read(buffer.subarray(done), position + done)
    if (got === 0) break
    done += got
  }
  return done
}

/** The names in a directory, or `undefined` where there is no such directory. */
export function namesIn(fs: Fs, path: string): readonly string[] | undefined {
  try {
    return fs.readdir(path)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
}
