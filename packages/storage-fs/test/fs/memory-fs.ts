// A file system in memory that knows what would survive the loss of power. Fault model: sectors of
// 512 bytes are written whole or not at all; what was not synced, sectors, sizes and names alike,
// survives in any combination; a failed sync leaves pages that read well and are not on the disk.
import { crc32c } from '@quorate/core'
import type { Random } from '@quorate/core'
import type { Fs, FsFile, FsSpace, Unlock } from '../../src/fs.ts'

const SECTOR = 512

class Inode {
  readonly isDirectory: boolean
  /** What a reader sees. Shared with `durable` until it is written to. */
  bytes: Uint8Array = new Uint8Array(0)
  size = 0
  durable: Uint8Array = this.bytes
  durableSize = 0
  entries = new Map<string, Inode>()
  durableEntries = new Map<string, Inode>()

  constructor(isDirectory: boolean) {
    this.isDirectory = isDirectory
  }
}

/** Something that has happened and may or may not survive. */
export type Effect =
  | {
      readonly kind: 'data'
      readonly inode: Inode
      readonly sector: number
      readonly bytes: Uint8Array
      /** The same as what is durable there, or zeros past its end. */
      readonly isVoid: boolean
    }
  | { readonly kind: 'size'; readonly inode: Inode; readonly size: number }
  | { readonly kind: 'names'; readonly inode: Inode; readonly changes: readonly NameChange[] }

interface NameChange {
  readonly name: string
  readonly target: Inode | undefined
}

/** A call, as the hook sees it. */
export interface Call {
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
  readonly path: string
}

function failure(code: string, path: string): Error {
  // Most are expected, and a stack costs more than all the rest of a call.
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  const error = Object.assign(new Error(`${code}: ${path}`), { code })
  Error.stackTraceLimit = stackTraceLimit
  return error
}

/** The file system. */
export class MemoryFs implements Fs {
  #root = new Inode(true)
  readonly #effects: Effect[] = []
  /** Asked before each call; what it throws, the call throws. A number makes a write that short. */
  hook: ((call: Call) => number | void) | undefined
  freeBytes = 1e12
  #locked = new Set<string>()
  /** Whether effects are noted; without, everything is durable at once. */
  tracks = true
  /** Open files, to see that none is left open. */
  openFiles = 0

  /** What has happened since it was made durable last. */
  get effects(): readonly Effect[] {
    return this.#effects
  }

  /** What is left after a crash, where of all effects only these survived. Garbage stands where a size survived without its data. */
  afterCrash(survived: readonly Effect[], garbage?: Random): MemoryFs {
    const copies = new Map<Inode, Inode>()
    const copy = (inode: Inode): Inode => {
      const known = copies.get(inode)
      if (known !== undefined) return known
      const made = new Inode(inode.isDirectory)
      copies.set(inode, made)
      this.#restore(inode, made, survived, garbage)
      if (inode.isDirectory) {
        const entries = new Map(inode.durableEntries)
        for (const effect of survived) {
          if (effect.inode === inode && effect.kind === 'names') applyNames(entries, effect.changes)
        }
        made.entries = new Map([...entries].map(([name, child]) => [name, copy(child)]))
        made.durableEntries = new Map(made.entries)
      }
      return made
    }
    const fs = new MemoryFs()
    fs.#root = copy(this.#root)
    return fs
  }

  /** The same for file systems that hold the same names and bytes, and different for others, as far as 32 bits go. */
  signature(): string {
    const describe = (inode: Inode): string => {
      if (!inode.isDirectory) return `${inode.size}.${contentCrc(inode.bytes, inode.size)}`
      const entries = [...inode.entries].sort(([a], [b]) => (a < b ? -1 : 1))
      return `{${entries.map(([name, child]) => `${name}:${describe(child)}`).join()}}`
    }
    return describe(this.#root)
  }

  #restore(
    inode: Inode,
    made: Inode,
    survived: readonly Effect[],
    garbage: Random | undefined,
  ): void {
    let { durable: bytes, durableSize: size } = inode
    let owned = false
    for (const effect of survived) {
      if (effect.inode !== inode) continue
      if (effect.kind === 'size') {
        if (effect.size > size) {
          const larger = new Uint8Array(Math.max(effect.size, bytes.length))
          larger.set(bytes.subarray(0, size))
          if (garbage !== undefined) fill(larger, size, effect.size, garbage)
          bytes = larger
          owned = true
        }
        size = effect.size
      } else if (effect.kind === 'data') {
        const end = effect.sector * SECTOR + effect.bytes.length
        if (!owned) {
          const larger = new Uint8Array(Math.max(end, bytes.length))
          larger.set(bytes.subarray(0, size))
          bytes = larger
          owned = true
        } else if (bytes.length < end) {
          const larger = new Uint8Array(end)
          larger.set(bytes)
          bytes = larger
        }
        bytes.set(effect.bytes, effect.sector * SECTOR)
      }
    }
    made.bytes = bytes
    made.durable = bytes
    made.size = size
    made.durableSize = size
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

  open(path: string, flags: 'r' | 'r+' | 'wx+'): FsFile {
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

  statfs(path: string): FsSpace {
    this.hook?.({ name: 'statfs', path })
    return { freeBytes: this.freeBytes, totalBytes: 1e12 }
  }

  async lock(path: string): Promise<Unlock | undefined> {
    this.hook?.({ name: 'lock', path })
    if (this.#locked.has(path)) return undefined
    this.#locked.add(path)
    return () => void this.#locked.delete(path)
  }

  /** Forgets all locks, as the end of a process does. */
  endProcess(): void {
    this.#locked = new Set()
    this.openFiles = 0
  }

  /** Makes an inode's effects durable. */
  #settle(inode: Inode): void {
    const mine = this.#effects.filter((effect) => effect.inode === inode)
    if (mine.length === 0) return
    if (inode.isDirectory) inode.durableEntries = new Map(inode.entries)
    else settleFile(inode, mine)
    this.#forget((effect) => effect.inode === inode)
  }

  #forget(which: (effect: Effect) => boolean): void {
    const rest = this.#effects.filter((effect) => !which(effect))
    this.#effects.splice(0, this.#effects.length, ...rest)
  }

  /** For files: writes into an inode. */
  write(inode: Inode, bytes: Uint8Array, position: number): void {
    if (this.freeBytes < Math.max(0, position + bytes.length - inode.size))
      throw failure('ENOSPC', 'write')
    const end = position + bytes.length
    this.resize(inode, Math.max(inode.size, end))
    inode.bytes.set(bytes, position)
    if (!this.tracks) return
    for (let sector = Math.floor(position / SECTOR); sector * SECTOR < end; sector++) {
      const copy = inode.bytes.slice(sector * SECTOR, Math.min((sector + 1) * SECTOR, inode.size))
      const before = inode.durable.subarray(sector * SECTOR, inode.durableSize)
      const isVoid = copy.every((byte, at) => byte === (before[at] ?? 0))
      this.#effects.push({ kind: 'data', inode, sector, bytes: copy, isVoid })
    }
  }

  /** For files: sets a size. */
  resize(inode: Inode, size: number): void {
    if (inode.bytes === inode.durable || inode.bytes.length < size) {
      const larger = new Uint8Array(
        size > inode.bytes.length ? Math.max(size, inode.size * 2) : inode.bytes.length,
      )
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
  syncFile(inode: Inode, call: Call): void {
    try {
      this.hook?.(call)
    } catch (error) {
      this.#forget((effect) => effect.inode === inode && effect.kind === 'data')
      throw error
    }
    this.#settle(inode)
  }
}

/** What was written since becomes durable, and nothing that a failed sync has left behind. */
function settleFile(inode: Inode, effects: readonly Effect[]): void {
  const bytes = new Uint8Array(Math.max(inode.size, inode.durableSize))
  bytes.set(inode.durable.subarray(0, inode.durableSize))
  let size = inode.durableSize
  for (const effect of effects) {
    if (effect.kind === 'size') {
      bytes.fill(0, effect.size)
      size = effect.size
    } else if (effect.kind === 'data') {
      const at = effect.sector * SECTOR
      bytes.set(effect.bytes.subarray(0, Math.max(0, bytes.length - at)), at)
    }
  }
  inode.durable = bytes
  inode.durableSize = size
}

class MemoryFile implements FsFile {
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
    let written = 0
    for (const buffer of buffers) {
      const part = typeof short === 'number' ? buffer.subarray(0, short - written) : buffer
      this.#fs.write(this.#inode, part, position + written)
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
    this.#fs.openFiles--
    // A file is closed whatever is said of it.
    this.#fs.hook?.({ name: 'close', path: this.#path })
  }
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

function applyNames(entries: Map<string, Inode>, changes: readonly NameChange[]): void {
  for (const { name, target } of changes) {
    if (target === undefined) entries.delete(name)
    else entries.set(name, target)
  }
}

function fill(bytes: Uint8Array, from: number, to: number, random: Random): void {
  for (let at = from; at < to; at++) bytes[at] = random.below(256)
}
