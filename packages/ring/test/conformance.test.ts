// Every algorithm and every table against the suites that anybody's would have to pass.
import { describe, it } from 'vitest'
import { partitionerConformance, placementConformance } from '@quorate/conformance/partitioner'
import type { PartitionerSubject, PlacementSubject } from '@quorate/conformance/partitioner'
import {
  allocatedTokens,
  boundedLoads,
  boundedLoadsFrom,
  decodeRing,
  encodeRing,
  hashRing,
  hashRingFrom,
  jump,
  jumpFrom,
  ketama,
  ketamaFrom,
  maglev,
  maglevFrom,
  memento,
  mementoFrom,
  multiProbe,
  multiProbeFrom,
  rangeTable,
  redisSlots,
  rendezvous,
  rendezvousFrom,
  shardTable,
  shardTableFrom,
  xxh64,
} from '../src/index.ts'
import type {
  BoundedLoadsJson,
  HashRing,
  HashRingJson,
  JumpJson,
  KetamaJson,
  MaglevJson,
  MementoJson,
  MultiProbeJson,
  RangeTable,
  RendezvousJson,
  ShardTable,
  ShardTableJson,
} from '../src/index.ts'

const tokens = allocatedTokens({ replicas: 3 })

// Each with the peak that its theory or its construction allows ten members.
const placements: readonly PlacementSubject[] = [
  {
    name: 'a ring of random tokens',
    create: (members) => hashRing({ members }),
    restore: (json) => hashRingFrom(json as HashRingJson),
    peakToMean: 1.3,
    supports: hashRing({ members: [] }).supports,
  },
  {
    name: 'a ring by xxh64',
    create: (members) => hashRing({ members, hash: xxh64, virtualNodes: 256 }),
    restore: (json) => hashRingFrom(json as HashRingJson, { hash: xxh64 }),
    peakToMean: 1.25,
    supports: hashRing({ members: [] }).supports,
  },
  {
    name: 'a ring of allocated tokens',
    create: (members) => hashRing({ members, tokens, virtualNodes: 16 }),
    restore: (json) => hashRingFrom(json as HashRingJson, { tokens }),
    peakToMean: 1.25,
    supports: hashRing({ members: [], tokens }).supports,
  },
  {
    name: 'rendezvous',
    create: (members) => rendezvous({ members }),
    restore: (json) => rendezvousFrom(json as RendezvousJson),
    peakToMean: 1.000001,
    supports: rendezvous({ members: [] }).supports,
  },
  {
    name: 'jump',
    create: (members) => jump({ members }),
    restore: (json) => jumpFrom(json as JumpJson),
    peakToMean: 1.000001,
    supports: jump({ members: [] }).supports,
  },
  {
    name: 'memento',
    create: (members) => memento({ members }),
    restore: (json) => mementoFrom(json as MementoJson),
    peakToMean: 1.000001,
    supports: memento({ members: [] }).supports,
  },
  {
    name: 'maglev',
    create: (members) => maglev({ members }),
    restore: (json) => maglevFrom(json as MaglevJson),
    peakToMean: 1 + 10 / 65_537,
    supports: maglev({ members: [] }).supports,
  },
  {
    name: 'multi-probe',
    create: (members) => multiProbe({ members }),
    restore: (json) => multiProbeFrom(json as MultiProbeJson),
    peakToMean: 1.1,
    supports: multiProbe({ members: [] }).supports,
  },
  {
    name: 'bounded loads over rendezvous',
    create: (members) => boundedLoads(rendezvous({ members }), { epsilon: 0.1 }),
    restore(json) {
      const { base } = json as BoundedLoadsJson
      return boundedLoadsFrom(json as BoundedLoadsJson, rendezvousFrom(base as RendezvousJson))
    },
    peakToMean: 1.101,
    supports: boundedLoads(rendezvous({ members: [] })).supports,
  },
  {
    name: 'ketama',
    create: (members) => ketama({ members }),
    restore: (json) => ketamaFrom(json as KetamaJson),
    peakToMean: 1.3,
    supports: ketama({ members: [] }).supports,
  },
  {
    name: 'a table of shards asked for keys',
    create: (members) => shardTable({ members, shards: 1000, replicas: 1 }),
    restore: (json) => shardTableFrom(json as ShardTableJson),
    peakToMean: 1.01,
    supports: shardTable({ members: [] }).supports,
  },
]

const test = { describe, it }

for (const subject of placements) {
  placementConformance({ ...subject, name: `${subject.name}, as a placement`, test })
}

placementConformance({
  ...placements[0]!,
  name: 'a ring through bytes, as a placement',
  test,
  create: (members) => decodeRing(encodeRing(hashRing({ members }))),
  restore: (json) => decodeRing(encodeRing(hashRingFrom(json as HashRingJson) as HashRing)),
})

const supports = { uniformShards: true, zones: true, changes: true, minimalMovement: true }

const tables: readonly PartitionerSubject[] = [
  {
    name: 'a table of shards',
    create: (members, options) => hashRing({ members, ...options }),
    change: (table, change) => (table as ShardTable).with(change),
    peakToMean: 1.001,
    supports,
  },
  {
    name: 'a table of shards with hard zones',
    create: (members, options) => shardTable({ members, ...options, zones: 'hard' }),
    change: (table, change) => (table as ShardTable).with(change),
    peakToMean: 1.001,
    supports,
  },
]

for (const subject of tables) {
  partitionerConformance({ ...subject, name: `${subject.name}, as a partitioner`, test })
}

partitionerConformance({
  name: 'Redis slots, as a partitioner of its own number of shards',
  test,
  create: (members, { replicas }) => {
    const slots = redisSlots({ members, replicas })
    return {
      version: slots.version,
      shards: 128,
      replicas,
      shardOf: (key) => Math.floor(slots.shardOf(key) / 128),
      owners: (shard, n) => slots.owners(shard === 128 ? 16_384 : shard * 128 + (shard % 1), n),
    }
  },
  supports: { uniformShards: true, zones: true, changes: false, minimalMovement: false },
  peakToMean: 2,
})

const splits = Array.from({ length: 127 }, (_, i) => `key-${String(i).padStart(3, '0')}`)
partitionerConformance({
  name: 'ranges of keys, as a partitioner',
  test,
  create: (members, options) => rangeTable({ members, splits, ...options }),
  change: (table, change) => (table as RangeTable).with(change),
  peakToMean: 1.001,
  supports: { ...supports, uniformShards: false },
})
