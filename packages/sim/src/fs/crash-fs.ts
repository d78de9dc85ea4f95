// A file system in memory that knows what would survive the loss of power. Fault model: sectors of
// 512 bytes are written whole or not at all; what was not synced, sectors, sizes and names alike,
// survives in any combination; a failed sync leaves pages that read well and are not on the disk.
import type { Random } from '@quorate/core'
import { crc32c } from '@quorate/core'
import type { InodeEffect, NameChange } from './inode.ts'
import { Inode, SECTOR, applyNames, settleFile, treeAfter } from './inode.ts'
import type { RotMode } from './rot.ts'
import { rotSector } from './rot.ts'

const TOTAL_BYTES = 1e12

/** A call, as a hook sees it. */
export interface FsCall {
  /** Which one. */
  readonly name:
    | 'open'
    | 'writev'
    | 'read'
    | 'datasync'
    | 'sync'
    | 'truncate'
    | 'rename'
    | 'unlink'
    | 'mkdir'
    | 'syncDir'
    | 'readdir'
    | 'statfs'
    | 'size'
    | 'lock'
    | 'close'
  /** On what. */
  readonly path: string
}

/** Something that has happened on a {@link CrashFs} since the last sync, and may or may not survive. */
export type FsEffect =
  | {
      /** One sector was written. */
      readonly kind: 'data'
      /** The file, as a key to compare. */
      readonly inode: object
      /** Which sector. */
      readonly sector: number
      /** Whether what is written is what is durable there already, or zeros past its end. */
      readonly isVoid: boolean
    }
  | {
      /** A file's size, or names in a directory, changed. */
      readonly kind: 'size' | 'names'
      /** The file or directory, as a key to compare. */
      readonly inode: object
    }

/** An open file of a {@link CrashFs}. */
export interface CrashFile {
  /** Always -1: no other thread can use it. */
  readonly fd: number
  /** Writes buffers at a position. Returns how many bytes were written: fewer where room ends. */
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

/** How much room a {@link CrashFs} has. */
export interface CrashFsSpace {
  /** Bytes that may still be written. */
  readonly freeBytes: number
  /** Bytes that may be written in all. */
  readonly totalBytes: number
}

/** A file system in memory with a crash model. Calls throw errors with a `code` such as `ENOENT`. */
export interface CrashFs {
  /** Asked before each call; what it throws, the call throws. A number makes a write that short. */
  hook: ((call: FsCall) => number | void) | undefined
  /** Bytes that may still be written. */
  freeBytes: number
  /** Whether effects are noted; without, nothing is known of what a crash may leave. */
  tracks: boolean
  /** The number of the process that uses it now, which only grows: whoever wrote a sector is known by it. */
  process: number
  /** Open files, to see that none is left open. */
  readonly openFiles: number
  /** What has happened since it was made durable last, in order. */
  readonly effects: readonly FsEffect[]
  /** What is left after a crash, where of all effects only these survived. Garbage stands where a size survived without its data. */
  afterCrash(survived: readonly FsEffect[], garbage?: Random): CrashFs
  /** The power fails here and now: whatever of the effects chance has it survives. */
  losePower(random: Random): void
  /**
   * Damages one sector that is durable, holds more than zeros, and has been written by no process from
   * number `since` on. Returns the path of its file; `undefined` where nothing was damaged.
   */
  rot(how: RotMode, since: number, random: Random): string | undefined
  /** Takes everything away. */
  wipe(): void
  /** Forgets locks and open files, as the end of a process does. */
  endProcess(): void
  /** The same for file systems that hold the same names and bytes, and different for others, as far as 32 bits go. */
  signature(): string
  /** Opens a file: `r` to read, `r+` to read and write, `wx+` to create one that must not exist. */
  open(path: string, flags: 'r' | 'r+' | 'wx+'): CrashFile
  /** Renames a file within its directory, replacing another. */
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
  statfs(path: string): CrashFsSpace
  /** Takes the lock of a file, or returns `undefined` where it is taken. */
  lock(path: string): Promise<(() => void) | undefined>
}

/** Makes an empty file system. */
export function crashFs(): CrashFs {
  return new MemoryFs()
}

class MemoryFs implements CrashFs {
  hook: ((call: FsCall) => number | void) | undefined
  freeBytes = TOTAL_BYTES
  tracks = true
  process = 0
  openFiles = 0
  #root = new Inode(true)
  #effects: InodeEffect[] = []
  #locked = new Set<string>()

  get effects(): readonly InodeEffect[] {
    return this.#effects
  }

  afterCrash(survived: readonly FsEffect[], garbage?: Random): MemoryFs {
    const fs = new MemoryFs()
    fs.#root = treeAfter(this.#root, survived as readonly InodeEffect[], garbage)
    return fs
  }

  losePower(random: Random): void {
    const all = this.#effects
    const how = random.below(4)
    const share = random.fraction()
    const survived =
      how === 0
        ? []
        : how === 1
          ? all.slice(0, random.below(all.length + 1))
          : all.filter(() => random.fraction() < share)
    this.#root = treeAfter(this.#root, survived, how === 3 ? random : undefined)
    this.#effects = []
    this.endProcess()
  }

  rot(how: RotMode, since: number, random: Random): string | undefined {
    return rotSector(this.#root, how, since, random)
  }

  wipe(): void {
    this.#root = new Inode(true)
    this.#effects = []
    this.endProcess()
  }

  endProcess(): void {
    this.#locked = new Set()
    this.openFiles = 0
  }

  signature(): string {
    const describe = (inode: Inode): string => {
      if (!inode.isDirectory) return `${inode.size}.${contentCrc(inode.bytes, inode.size)}`
      const entries = [...inode.entries].sort(([a], [b]) => (a < b ? -1 : 1))
      return `{${entries.map(([name, child]) => `${name}:${describe(child)}`).join()}}`
    }
    return describe(this.#root)
  }

  open(path: string, flags: 'r' | 'r+' | 'wx+'): CrashFile {
    this.hook?.({ name: 'open', path })
    let inode = this.#find(path)
    if (flags === 'wx+') {
      if (inode !== undefined) throw failure('EEXIST', path)
      const { directory, name } = this.#parent(path)
      inode = new Inode(false)
      this.#names(directory, [{ name, target: inode }])
    }
    if (inode === undefined || inode.isDirectory) throw failure('ENOENT', path)
    this.openFiles++
    return new MemoryFile(this, inode, path)
  }

  rename(from: string, to: string): void {
    this.hook?.({ name: 'rename', path: from })
    const source = this.#parent(from)
    const target = this.#parent(to)
    const inode = source.directory.entries.get(source.name)
    if (inode === undefined) throw failure('ENOENT', from)
    if (source.directory !== target.directory) throw new Error('renames stay within a directory')
    this.#names(source.directory, [
      { name: source.name, target: undefined },
      { name: target.name, target: inode },
    ])
  }

  unlink(path: string): void {
    this.hook?.({ name: 'unlink', path })
    const { directory, name } = this.#parent(path)
    const inode = directory.entries.get(name)
    if (inode === undefined) throw failure('ENOENT', path)
    this.freeBytes += inode.size
    this.#names(directory, [{ name, target: undefined }])
  }

  mkdir(path: string): void {
    this.hook?.({ name: 'mkdir', path })
    const { directory, name } = this.#parent(path)
    if (directory.entries.has(name)) throw failure('EEXIST', path)
    this.#names(directory, [{ name, target: new Inode(true) }])
  }

  readdir(path: string): readonly string[] {
    this.hook?.({ name: 'readdir', path })
    const inode = this.#find(path)
    if (inode?.isDirectory !== true) throw failure('ENOENT', path)
    return [...inode.entries.keys()]
  }

  syncDir(path: string): void {
    const inode = this.#find(path)
    if (inode?.isDirectory !== true) throw failure('ENOENT', path)
    this.hook?.({ name: 'syncDir', path })
    this.#settle(inode)
  }

  statfs(path: string): CrashFsSpace {
    this.hook?.({ name: 'statfs', path })
    return { freeBytes: this.freeBytes, totalBytes: TOTAL_BYTES }
  }

  async lock(path: string): Promise<(() => void) | undefined> {
    this.hook?.({ name: 'lock', path })
    if (this.#locked.has(path)) return undefined
    this.#locked.add(path)
    return () => void this.#locked.delete(path)
  }

  /** For files: how many bytes can be written at a position before the disk is full. */
  roomFor(inode: Inode, position: number, bytes: number): number {
    return Math.max(0, Math.min(bytes, inode.size + this.freeBytes - position))
  }

  /** For files: writes into an inode. */
  write(inode: Inode, bytes: Uint8Array, position: number): void {
    const end = position + bytes.length
    this.resize(inode, Math.max(inode.size, end))
    inode.bytes.set(bytes, position)
    if (!this.tracks) return
    for (let sector = Math.floor(position / SECTOR); sector * SECTOR < end; sector++) {
      inode.writers.set(sector, this.process)
      const copy = inode.bytes.slice(sector * SECTOR, Math.min((sector + 1) * SECTOR, inode.size))
      const before = inode.durable.subarray(sector * SECTOR, inode.durableSize)
      const isVoid = copy.every((byte, at) => byte === (before[at] ?? 0))
      this.#effects.push({ kind: 'data', inode, sector, bytes: copy, isVoid })
    }
  }

  /** For files: sets a size. */
  resize(inode: Inode, size: number): void {
    if (inode.bytes === inode.durable || inode.bytes.length < size) {
      const room = size > inode.bytes.length ? Math.max(size, inode.size * 2) : inode.bytes.length
      const larger = new Uint8Array(room)
      larger.set(inode.bytes.subarray(0, inode.size))
      inode.bytes = larger
    }
    if (size === inode.size) return
    if (size < inode.size) inode.bytes.fill(0, size, inode.size)
    this.freeBytes -= size - inode.size
    inode.size = size
    if (this.tracks) this.#effects.push({ kind: 'size', inode, size })
  }

  /** For files: a sync, which may fail and then leaves what it should have written as if it were clean. */
  syncFile(inode: Inode, call: FsCall): void {
    try {
      this.hook?.(call)
    } catch (error) {
      this.#forget((effect) => effect.inode === inode && effect.kind === 'data')
      throw error
    }
    this.#settle(inode)
  }

  /** For files: one was closed. */
  closed(): void {
    this.openFiles--
  }

  #find(path: string): Inode | undefined {
    let at: Inode | undefined = this.#root
    for (const part of path.split('/')) {
      if (part !== '') at = at?.entries.get(part)
    }
    return at
  }

  #parent(path: string): { readonly directory: Inode; readonly name: string } {
    const cut = path.lastIndexOf('/')
    const directory = this.#find(path.slice(0, cut))
    if (directory?.isDirectory !== true) throw failure('ENOENT', path)
    return { directory, name: path.slice(cut + 1) }
  }

  #names(directory: Inode, changes: readonly NameChange[]): void {
    applyNames(directory.entries, changes)
    if (this.tracks) this.#effects.push({ kind: 'names', inode: directory, changes })
  }

  /** Makes an inode's effects durable. */
  #settle(inode: Inode): void {
    const mine = this.#effects.filter((effect) => effect.inode === inode)
    if (mine.length === 0) return
    if (inode.isDirectory) inode.durableEntries = new Map(inode.entries)
    else settleFile(inode, mine)
    this.#forget((effect) => effect.inode === inode)
  }

  #forget(which: (effect: InodeEffect) => boolean): void {
    this.#effects = this.#effects.filter((effect) => !which(effect))
  }
}

class MemoryFile implements CrashFile {
  readonly fd = -1
  readonly #fs: MemoryFs
  readonly #inode: Inode
  readonly #path: string
  #open = true

  constructor(fs: MemoryFs, inode: Inode, path: string) {
    this.#fs = fs
    this.#inode = inode
    this.#path = path
  }

  writev(buffers: readonly Uint8Array[], position: number): number {
    const short = this.#fs.hook?.({ name: 'writev', path: this.#path })
    const wanted = buffers.reduce((sum, { length }) => sum + length, 0)
    const room = this.#fs.roomFor(this.#inode, position, wanted)
    // The system says so only where not a single byte fits.
    if (room === 0 && wanted > 0) throw failure('ENOSPC', this.#path)
    const most = typeof short === 'number' ? Math.min(short, room) : room
    let written = 0
    for (const buffer of buffers) {
      const part = buffer.subarray(0, most - written)
      if (part.length > 0) this.#fs.write(this.#inode, part, position + written)
      written += part.length
      if (part.length < buffer.length) break
    }
    return written
  }

  read(buffer: Uint8Array, position: number): number {
    this.#fs.hook?.({ name: 'read', path: this.#path })
    const { bytes, size } = this.#inode
    const part = bytes.subarray(Math.min(position, size), Math.min(position + buffer.length, size))
    buffer.set(part)
    return part.length
  }

  datasync(): void {
    this.#fs.syncFile(this.#inode, { name: 'datasync', path: this.#path })
  }

  sync(): void {
    this.#fs.syncFile(this.#inode, { name: 'sync', path: this.#path })
  }

  truncate(bytes: number): void {
    this.#fs.hook?.({ name: 'truncate', path: this.#path })
    this.#fs.resize(this.#inode, bytes)
  }

  size(): number {
    this.#fs.hook?.({ name: 'size', path: this.#path })
    return this.#inode.size
  }

  close(): void {
    if (!this.#open) throw failure('EBADF', this.#path)
    this.#open = false
    this.#fs.closed()
    // A file is closed whatever is said of it.
    this.#fs.hook?.({ name: 'close', path: this.#path })
  }
}

function failure(code: string, path: string): Error {
  // Most are expected, and a stack costs more than all the rest of a call.
  const engine = Error as { stackTraceLimit?: number }
  const { stackTraceLimit = 10 } = engine
  engine.stackTraceLimit = 0
  const error = Object.assign(new Error(`${code}: ${path}`), { code })
  engine.stackTraceLimit = stackTraceLimit
  return error
}

/** Many states share what was durable before: its checksum is made once. */
const knownCrcs = new WeakMap<Uint8Array, { readonly size: number; readonly crc: number }>()

function contentCrc(bytes: Uint8Array, size: number): number {
  const known = knownCrcs.get(bytes)
  if (known?.size === size) return known.crc
  const crc = crc32c(bytes, 0, 0, size)
  knownCrcs.set(bytes, { size, crc })
  return crc
}
