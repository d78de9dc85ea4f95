// What a simulated file system is made of: files and directories as a reader sees them, beside what of
// them would outlive the loss of power, and the effects that lie between the two.
import type { Random } from '@quorate/core'

/** The unit that a disk writes whole or not at all, in bytes. */
export const SECTOR = 512

/** A file or a directory. */
export class Inode {
  readonly isDirectory: boolean
  /** What a reader sees. Shared with `durable` until it is written to. */
  bytes: Uint8Array = new Uint8Array(0)
  size = 0
  durable: Uint8Array = this.bytes
  durableSize = 0
  entries: Map<string, Inode> = new Map()
  durableEntries: Map<string, Inode> = new Map()
  /** Which process wrote a sector last. */
  writers: Map<number, number> = new Map()

  constructor(isDirectory: boolean) {
    this.isDirectory = isDirectory
  }
}

/** A name in a directory that came, changed or went. */
export interface NameChange {
  readonly name: string
  readonly target: Inode | undefined
}

/** Something that has happened and may or may not survive. */
export type InodeEffect =
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

/** Changes names in a directory. */
export function applyNames(entries: Map<string, Inode>, changes: readonly NameChange[]): void {
  for (const { name, target } of changes) {
    if (target === undefined) entries.delete(name)
    else entries.set(name, target)
  }
}

/** What was written since becomes durable, and nothing that a failed sync has left behind. */
export function settleFile(inode: Inode, effects: readonly InodeEffect[]): void {
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

/** A copy of a tree as it is after a crash, where of all effects only these survived. */
export function treeAfter(
  root: Inode,
  survived: readonly InodeEffect[],
  garbage: Random | undefined,
): Inode {
  const byInode = new Map<Inode, InodeEffect[]>()
  for (const effect of survived) {
    const mine = byInode.get(effect.inode)
    if (mine === undefined) byInode.set(effect.inode, [effect])
    else mine.push(effect)
  }
  const copies = new Map<Inode, Inode>()
  const copy = (inode: Inode): Inode => {
    const known = copies.get(inode)
    if (known !== undefined) return known
    const made = new Inode(inode.isDirectory)
    copies.set(inode, made)
    const effects = byInode.get(inode) ?? []
    restoreContent(inode, made, effects, garbage)
    made.writers = new Map(inode.writers)
    if (inode.isDirectory) {
      const entries = new Map(inode.durableEntries)
      for (const effect of effects) {
        if (effect.kind === 'names') applyNames(entries, effect.changes)
      }
      made.entries = new Map([...entries].map(([name, child]) => [name, copy(child)]))
      made.durableEntries = new Map(made.entries)
    }
    return made
  }
  return copy(root)
}

function restoreContent(
  inode: Inode,
  made: Inode,
  survived: readonly InodeEffect[],
  garbage: Random | undefined,
): void {
  let { durable: bytes, durableSize: size } = inode
  let owned = false
  const grow = (end: number): void => {
    if (owned && bytes.length >= end) return
    const larger = new Uint8Array(Math.max(end, bytes.length))
    larger.set(owned ? bytes : bytes.subarray(0, size))
    bytes = larger
    owned = true
  }
  for (const effect of survived) {
    if (effect.kind === 'size') {
      if (effect.size > size) {
        grow(effect.size)
        // Where a size survived without its data, what had been on the disk there before shows.
        if (garbage !== undefined) {
          for (let at = size; at < effect.size; at++) bytes[at] = garbage.below(256)
        }
      }
      size = effect.size
    } else if (effect.kind === 'data') {
      grow(effect.sector * SECTOR + effect.bytes.length)
      bytes.set(effect.bytes, effect.sector * SECTOR)
    }
  }
  made.bytes = bytes
  made.durable = bytes
  made.size = size
  made.durableSize = size
}
