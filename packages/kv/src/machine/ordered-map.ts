// An ordered map that can be captured in constant time: a B+tree whose nodes are copied only when
// they belong to a capture. A snapshot is therefore consistent while applies go on.
import { assert } from '@quorate/core'

const NODE_MAX = 64
const MERGE_MAX = 48
const MERGE_BELOW = 16

interface Leaf<V> {
  readonly leaf: true
  readonly owner: object
  readonly keys: string[]
  readonly values: V[]
}

interface Branch<V> {
  readonly leaf: false
  readonly owner: object
  /** `keys[i]` is the smallest key that can be below `children[i + 1]`. */
  readonly keys: string[]
  readonly children: TreeNode<V>[]
}

type TreeNode<V> = Leaf<V> | Branch<V>

/** Whom a scan shows each entry; `false` ends the scan. */
export type Visit<V> = (key: string, value: V) => boolean

/** A map in ascending order of keys that can only be read. */
export interface OrderedView<V> {
  /** How many entries there are. */
  readonly size: number
  /** The value of a key. */
  get(key: string): V | undefined
  /** Shows entries from `from` (included) to `to` (excluded, `undefined`: no end), in order. */
  scan(from: string, to: string | undefined, visit: Visit<V>): void
  /** Shows the same entries in descending order. */
  scanReverse(from: string, to: string | undefined, visit: Visit<V>): void
}

/** An {@link OrderedView} that can be changed and captured. */
export interface OrderedMap<V> extends OrderedView<V> {
  /** Sets a value and returns the one before. */
  set(key: string, value: V): V | undefined
  /** Removes a key and returns its value. */
  delete(key: string): V | undefined
  /** The map as it stands; later changes do not show in what is returned. */
  capture(): OrderedView<V>
}

/** Makes an ordered map, from entries in strictly ascending order where some are given. */
export function orderedMap<V>(entries: Iterable<readonly [string, V]> = []): OrderedMap<V> {
  return new Tree(entries)
}

class View<V> implements OrderedView<V> {
  protected root: TreeNode<V>
  protected count: number

  constructor(root: TreeNode<V>, count: number) {
    this.root = root
    this.count = count
  }

  get size(): number {
    return this.count
  }

  get(key: string): V | undefined {
    let node = this.root
    while (!node.leaf) node = node.children[childAt(node, key)] as TreeNode<V>
    const at = lowerBound(node.keys, key)
    return node.keys[at] === key ? node.values[at] : undefined
  }

  scan(from: string, to: string | undefined, visit: Visit<V>): void {
    ascend(this.root, from, to, visit)
  }

  scanReverse(from: string, to: string | undefined, visit: Visit<V>): void {
    descend(this.root, from, to, visit)
  }
}

class Tree<V> extends View<V> implements OrderedMap<V> {
  #owner: object = {}
  #before: V | undefined

  constructor(entries: Iterable<readonly [string, V]>) {
    const owner = {}
    super({ leaf: true, owner, keys: [], values: [] }, 0)
    this.#owner = owner
    this.#load(entries)
  }

  capture(): OrderedView<V> {
    this.#owner = {}
    return new View(this.root, this.count)
  }

  set(key: string, value: V): V | undefined {
    this.#before = undefined
    const root = this.#own(this.root)
    const right = this.#insert(root, key, value)
    this.root =
      right === undefined
        ? root
        : { leaf: false, owner: this.#owner, keys: [right.key], children: [root, right.node] }
    if (this.#before === undefined) this.count++
    return this.#before
  }

  delete(key: string): V | undefined {
    if (this.get(key) === undefined) return undefined
    this.#before = undefined
    let root = this.#own(this.root)
    this.#remove(root, key)
    while (!root.leaf && root.children.length === 1) root = root.children[0] as TreeNode<V>
    this.root = root
    this.count--
    return this.#before
  }

  /** The node itself where no capture can see it, otherwise a copy. */
  #own<N extends TreeNode<V>>(node: N): N {
    if (node.owner === this.#owner) return node
    const copy: TreeNode<V> = node.leaf
      ? { leaf: true, owner: this.#owner, keys: [...node.keys], values: [...node.values] }
      : { leaf: false, owner: this.#owner, keys: [...node.keys], children: [...node.children] }
    return copy as N
  }

  #ownChild(branch: Branch<V>, at: number): TreeNode<V> {
    const owned = this.#own(branch.children[at] as TreeNode<V>)
    branch.children[at] = owned
    return owned
  }

  /** Inserts below an owned node; returns the new right half where the node had to be split. */
  #insert(node: TreeNode<V>, key: string, value: V): Split<V> | undefined {
    if (node.leaf) {
      const at = lowerBound(node.keys, key)
      if (node.keys[at] === key) {
        this.#before = node.values[at]
        node.values[at] = value
        return undefined
      }
      node.keys.splice(at, 0, key)
      node.values.splice(at, 0, value)
      return node.keys.length > NODE_MAX ? this.#splitLeaf(node, at) : undefined
    }
    const at = childAt(node, key)
    const right = this.#insert(this.#ownChild(node, at), key, value)
    if (right === undefined) return undefined
    node.keys.splice(at, 0, right.key)
    node.children.splice(at + 1, 0, right.node)
    return node.children.length > NODE_MAX ? this.#splitBranch(node) : undefined
  }

  #splitLeaf(leaf: Leaf<V>, inserted: number): Split<V> {
    // Keys that arrive in ascending order fill their leaves instead of leaving them half empty.
    const half = inserted === leaf.keys.length - 1 ? NODE_MAX - 1 : leaf.keys.length >> 1
    const keys = leaf.keys.splice(half)
    const values = leaf.values.splice(half)
    return { key: keys[0] as string, node: { leaf: true, owner: this.#owner, keys, values } }
  }

  #splitBranch(branch: Branch<V>): Split<V> {
    const half = branch.children.length >> 1
    const children = branch.children.splice(half)
    const keys = branch.keys.splice(half)
    const key = branch.keys.pop() as string
    return { key, node: { leaf: false, owner: this.#owner, keys, children } }
  }

  /** Removes a key that is there from below an owned node. */
  #remove(node: TreeNode<V>, key: string): void {
    if (node.leaf) {
      const at = lowerBound(node.keys, key)
      assert(node.keys[at] === key, 'only a key that is there is removed')
      this.#before = node.values[at]
      node.keys.splice(at, 1)
      node.values.splice(at, 1)
      return
    }
    const at = childAt(node, key)
    const child = this.#ownChild(node, at)
    this.#remove(child, key)
    if (weight(child) < MERGE_BELOW) this.#mergeAround(node, at)
  }

  /** Joins a child that has become small with a neighbour where both fit into one node. */
  #mergeAround(parent: Branch<V>, at: number): void {
    const left = at > 0 ? at - 1 : at
    const [first, second] = [parent.children[left], parent.children[left + 1]]
    if (first === undefined || second === undefined) return
    if (weight(first) + weight(second) > MERGE_MAX) return
    const target = this.#ownChild(parent, left)
    if (target.leaf && second.leaf) {
      target.keys.push(...second.keys)
      target.values.push(...second.values)
    } else if (!target.leaf && !second.leaf) {
      target.keys.push(parent.keys[left] as string, ...second.keys)
      target.children.push(...second.children)
    }
    parent.keys.splice(left, 1)
    parent.children.splice(left + 1, 1)
  }

  #load(entries: Iterable<readonly [string, V]>): void {
    let last: string | undefined
    for (const [key, value] of entries) {
      assert(last === undefined || last < key, 'entries to load are in ascending order')
      last = key
      this.set(key, value)
    }
  }
}

interface Split<V> {
  readonly key: string
  readonly node: TreeNode<V>
}

function weight<V>(node: TreeNode<V>): number {
  return node.leaf ? node.keys.length : node.children.length
}

/** The first position whose key is not below `key`. */
function lowerBound(keys: readonly string[], key: string): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((keys[middle] as string) < key) low = middle + 1
    else high = middle
  }
  return low
}

/** The child below which `key` belongs. */
function childAt<V>(branch: Branch<V>, key: string): number {
  const at = lowerBound(branch.keys, key)
  return branch.keys[at] === key ? at + 1 : at
}

function ascend<V>(
  node: TreeNode<V>,
  from: string,
  to: string | undefined,
  visit: Visit<V>,
): boolean {
  if (!node.leaf) {
    for (let at = childAt(node, from); at < node.children.length; at++) {
      if (at > 0 && to !== undefined && (node.keys[at - 1] as string) >= to) return false
      if (!ascend(node.children[at] as TreeNode<V>, from, to, visit)) return false
    }
    return true
  }
  for (let at = lowerBound(node.keys, from); at < node.keys.length; at++) {
    const key = node.keys[at] as string
    if (to !== undefined && key >= to) return false
    if (!visit(key, node.values[at] as V)) return false
  }
  return true
}

function descend<V>(
  node: TreeNode<V>,
  from: string,
  to: string | undefined,
  visit: Visit<V>,
): boolean {
  if (!node.leaf) {
    const last = to === undefined ? node.children.length - 1 : childAt(node, to)
    for (let at = last; at >= 0; at--) {
      if (!descend(node.children[at] as TreeNode<V>, from, to, visit)) return false
      if (at > 0 && (node.keys[at - 1] as string) <= from) return false
    }
    return true
  }
  const last = to === undefined ? node.keys.length : lowerBound(node.keys, to)
  for (let at = last - 1; at >= 0; at--) {
    const key = node.keys[at] as string
    if (key < from) return false
    if (!visit(key, node.values[at] as V)) return false
  }
  return true
}
