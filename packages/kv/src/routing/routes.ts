// Where the shards are: who holds which, who leads it, which epoch it has and, in a store of sorted
// ranges, which keys are in it. A cache: what is wrong here is put right by the first reply.
import { ByteReader, ByteWriter, QuorateError, checkId } from '@quorate/core'
import type { NodeId, ShardId } from '@quorate/core'
import type { RawKey } from '../key.ts'
import type { KeyRange } from '../machine/key-range.ts'
import { readRange, writeRange } from '../machine/ownership.ts'

/** What is known of one shard. */
export interface Route {
  /** The shard. */
  readonly shard: ShardId
  /** The epoch that requests must name. */
  epoch: number
  /** The leader, where one is believed in. */
  leader: NodeId | undefined
  /** Who was asked last as the leader and could not be: a map may name it for long. */
  failed?: NodeId | undefined
  /** The hosts that hold a replica. */
  members: readonly NodeId[]
  /** The keys in it, in a store of sorted ranges; `undefined`: none. */
  range?: KeyRange | undefined
}

/** A shard in a version of the map. */
export interface MappedShard {
  /** Its epoch. */
  readonly epoch: number
  /** Its leader, where one is known. */
  readonly leader: NodeId | undefined
  /** The hosts that hold a replica. */
  readonly members: readonly NodeId[]
  /** The keys in it, in a store of sorted ranges; `undefined`: none. */
  readonly range?: KeyRange | undefined
}

/** A version of the map: who holds which shard, and where clients reach whom. */
export interface ClusterMap {
  /** Grows with each change of the placement. */
  readonly version: number
  /** Whether shards are sorted ranges of keys. Default: they are hash slots. */
  readonly ranged?: boolean | undefined
  /** The shards, by number. */
  readonly shards: readonly MappedShard[]
  /** The addresses for clients, of the hosts that have one. */
  readonly addresses: ReadonlyMap<NodeId, string>
}

/** The routes to all shards of a store. */
export interface RouteTable {
  /** The version of the map that it was last told. */
  readonly version: number
  /** Whether shards are sorted ranges of keys. */
  readonly ranged: boolean
  /** The route to a shard. */
  route(shard: ShardId): Route
  /** All routes, by shard. */
  readonly all: readonly Route[]
  /** The routes to shards that have keys, in the order of their keys; for sorted ranges alone. */
  readonly sorted: readonly Route[]
  /** The route to the range that a key is in; `undefined` while it is on its way from one to another. */
  locate(key: RawKey): Route | undefined
  /**
   * Takes over what a map knows better: greater epochs, other members, and leaders where none is known,
   * but for one that has just failed.
   */
  install(map: ClusterMap): void
  /** Takes over what a replica of a shard knows better than the map. */
  learn(shard: ShardId, epoch: number, range: KeyRange | undefined): void
}

/** Makes a table from a first map. */
export function routeTable(map: ClusterMap): RouteTable {
  return new Table(map)
}

class Table implements RouteTable {
  readonly ranged: boolean
  readonly all: Route[]
  #version: number
  #sorted: readonly Route[] | undefined

  constructor(map: ClusterMap) {
    this.ranged = map.ranged === true
    this.#version = map.version
    this.all = map.shards.map((record, shard) => ({ shard, ...record }))
  }

  get version(): number {
    return this.#version
  }

  get sorted(): readonly Route[] {
    this.#sorted ??= this.all
      .filter(({ range }) => range !== undefined)
      .sort((a, b) => (startOf(a) < startOf(b) ? -1 : 1))
    return this.#sorted
  }

  route(shard: ShardId): Route {
    const route = this.all[shard]
    if (route !== undefined) return route
    throw new QuorateError('INVALID_ARGUMENT', `there is no shard ${shard}`)
  }

  locate(key: RawKey): Route | undefined {
    const { sorted } = this
    let low = 0
    let high = sorted.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (startOf(sorted[middle] as Route) <= key) low = middle + 1
      else high = middle
    }
    const route = sorted[low - 1]
    const end = route?.range?.end
    return end === undefined || key < end ? route : undefined
  }

  install(next: ClusterMap): void {
    for (const [shard, record] of next.shards.entries()) {
      const route = this.all[shard]
      if (route === undefined) {
        // Ranges come to be; hash slots are as many for ever.
        if (this.ranged) this.all[shard] = { shard, ...record }
        continue
      }
      if (record.epoch < route.epoch) continue
      if (record.epoch > route.epoch || next.version >= this.#version) {
        route.epoch = record.epoch
        route.members = record.members
        if (this.ranged) route.range = record.range
      }
      if (record.leader !== route.failed) route.leader ??= record.leader
    }
    this.#version = Math.max(this.#version, next.version)
    this.#sorted = undefined
  }

  learn(shard: ShardId, epoch: number, range: KeyRange | undefined): void {
    const route = this.all[shard]
    if (!this.ranged || route === undefined || epoch <= route.epoch) return
    route.epoch = epoch
    route.range = range
    this.#sorted = undefined
  }
}

function startOf(route: Route): RawKey {
  return (route.range as KeyRange).start
}

/** The bytes of a map. */
export function encodeMap(map: ClusterMap): Uint8Array {
  const writer = new ByteWriter(1024)
  writer.varint(map.version)
  writer.uint8(map.ranged === true ? 1 : 0)
  writer.varint(map.shards.length)
  for (const { epoch, leader, members, range } of map.shards) {
    writer.varint(epoch)
    writer.text(leader ?? '')
    writer.varint(members.length)
    for (const member of members) writer.text(member)
    if (map.ranged === true) writeRange(writer, range)
  }
  writer.varint(map.addresses.size)
  for (const [host, address] of map.addresses) {
    writer.text(host)
    writer.text(address)
  }
  return writer.finish()
}

/**
 * Reads a map.
 *
 * @throws QuorateError `MALFORMED`
 */
export function decodeMap(bytes: Uint8Array): ClusterMap {
  const reader = new ByteReader(bytes)
  const version = reader.varint()
  const flags = reader.uint8()
  if (flags > 1) throw new QuorateError('MALFORMED', 'a map of an unknown kind')
  const ranged = flags === 1
  const shards = Array.from({ length: reader.count(3) }, (): MappedShard => {
    const epoch = reader.varint()
    const leader = reader.text()
    const members = Array.from({ length: reader.count(2) }, () => checkId(reader.text(), 'a host'))
    const known = leader === '' ? undefined : checkId(leader, 'a leader')
    const shard = { epoch, leader: known, members }
    return ranged ? { ...shard, range: readRange(reader) } : shard
  })
  const addresses = new Map<NodeId, string>()
  for (let left = reader.count(3); left > 0; left--) {
    addresses.set(checkId(reader.text(), 'a host'), reader.text())
  }
  reader.end()
  return ranged ? { version, ranged, shards, addresses } : { version, shards, addresses }
}
