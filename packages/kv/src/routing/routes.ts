// Where the shards are, as far as one store or client knows. It is wrong now and then; replies put
// it right, and nothing is ever served by what stands here alone.
import { ByteReader, ByteWriter, QuorateError, checkId } from '@quorate/core'
import type { NodeId, ShardId } from '@quorate/core'

/** What is known of one shard. */
export interface Route {
  /** The shard. */
  readonly shard: ShardId
  /** The epoch that requests must name. */
  epoch: number
  /** The leader, where one is believed in. */
  leader: NodeId | undefined
  /** The hosts that hold a replica. */
  members: readonly NodeId[]
}

/** A version of the map: who holds which shard, and where clients reach whom. */
export interface ClusterMap {
  /** Grows with each change of the placement. */
  readonly version: number
  /** The shards, by number. */
  readonly shards: readonly {
    readonly epoch: number
    readonly leader: NodeId | undefined
    readonly members: readonly NodeId[]
  }[]
  /** The addresses for clients, of the hosts that have one. */
  readonly addresses: ReadonlyMap<NodeId, string>
}

/** The routes to all shards of a store. */
export interface RouteTable {
  /** The version of the map that it was last told. */
  readonly version: number
  /** The route to a shard. */
  route(shard: ShardId): Route
  /** All routes, by shard. */
  readonly all: readonly Route[]
  /** Takes over what a map knows better: greater epochs, other members, and leaders where none is known. */
  install(map: ClusterMap): void
}

/** Makes a table from a first map. */
export function routeTable(map: ClusterMap): RouteTable {
  let version = map.version
  const all: Route[] = map.shards.map((record, shard) => ({ shard, ...record }))
  return {
    get version() {
      return version
    },
    all,
    route(shard) {
      const route = all[shard]
      if (route === undefined) {
        throw new QuorateError('INVALID_ARGUMENT', `there is no shard ${shard}`)
      }
      return route
    },
    install(next) {
      for (const [shard, record] of next.shards.entries()) {
        const route = all[shard]
        if (route === undefined || record.epoch < route.epoch) continue
        if (record.epoch > route.epoch || next.version >= version) {
          route.epoch = record.epoch
          route.members = record.members
        }
        route.leader ??= record.leader
      }
      version = Math.max(version, next.version)
    },
  }
}

/** The bytes of a map. */
export function encodeMap(map: ClusterMap): Uint8Array {
  const writer = new ByteWriter(1024)
  writer.varint(map.version)
  writer.varint(map.shards.length)
  for (const { epoch, leader, members } of map.shards) {
    writer.varint(epoch)
    writer.text(leader ?? '')
    writer.varint(members.length)
    for (const member of members) writer.text(member)
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
  const shards = Array.from({ length: reader.count(3) }, () => {
    const epoch = reader.varint()
    const leader = reader.text()
    const members = Array.from({ length: reader.count(2) }, () => checkId(reader.text(), 'a host'))
    return { epoch, leader: leader === '' ? undefined : checkId(leader, 'a leader'), members }
  })
  const addresses = new Map<NodeId, string>()
  for (let left = reader.count(3); left > 0; left--) {
    addresses.set(checkId(reader.text(), 'a host'), reader.text())
  }
  reader.end()
  return { version, shards, addresses }
}
