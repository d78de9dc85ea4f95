// The public face of the package. Each algorithm stands in a module of its own, so that a
// bundler takes only those that are used.
/**
 * Partitioning that can be checked: hash rings, tables of shards and eight more algorithms behind
 * one contract, with plans of moves that carry the proof that they are minimal.
 *
 * @packageDocumentation
 */
export { allocatedTokens } from './allocated-tokens.ts'
export type { AllocatedTokensOptions } from './allocated-tokens.ts'
export type { PlacementOptions } from './base-placement.ts'
export { boundedLoads, boundedLoadsFrom } from './bounded-loads.ts'
export type { BoundedLoads, BoundedLoadsJson, BoundedLoadsOptions } from './bounded-loads.ts'
export { crc16 } from './crc16.ts'
export { diff } from './diff.ts'
export { fnv1a } from './fnv1a.ts'
export type { KeyHash } from './hash.ts'
export { hashRing, hashRingFrom } from './hash-ring.ts'
export type { Arc, HashRing, HashRingJson, HashRingOptions } from './hash-ring.ts'
export { jump, jumpBucket, jumpFrom } from './jump.ts'
export type { Jump, JumpJson } from './jump.ts'
export { hashTag } from './key.ts'
export { diffKeys } from './key-diff.ts'
export type { KeyDiff, KeyFlow } from './key-diff.ts'
export { ketama, ketamaFrom } from './ketama.ts'
export type { Ketama, KetamaJson, KetamaPoint } from './ketama.ts'
export { loadTracker } from './load-tracker.ts'
export type { LoadLease, LoadTracker, LoadTrackerOptions } from './load-tracker.ts'
export { maglev, maglevFrom } from './maglev.ts'
export type { Maglev, MaglevJson, MaglevOptions } from './maglev.ts'
export { md5Ketama } from './md5.ts'
export { memento, mementoFrom } from './memento.ts'
export type { Memento, MementoJson } from './memento.ts'
export type { Member, MemberOptions, MembershipChange } from './members.ts'
export type { BatchLimit, LeaderMove, Move, MoveCertificate, MovePlan } from './move-plan.ts'
export { multiProbe, multiProbeFrom } from './multi-probe.ts'
export type { MultiProbe, MultiProbeJson, MultiProbeOptions } from './multi-probe.ts'
export { murmur3 } from './murmur3.ts'
export { ringSvg } from './picture.ts'
export type { RingMark, RingSvgOptions } from './picture.ts'
export type {
  BalanceStats,
  Candidate,
  Explanation,
  Placement,
  PlacementJson,
  PlacementSupport,
} from './placement.ts'
export { rangeTable, rangeTableFrom } from './range-table.ts'
export type { KeyRange, RangeTable, RangeTableJson, RangeTableOptions } from './range-table.ts'
export { REDIS_SLOTS, redisSlots, redisSlotsFrom } from './redis-slots.ts'
export type { RedisSlotsOptions } from './redis-slots.ts'
export { rendezvous, rendezvousFrom } from './rendezvous.ts'
export type { Rendezvous, RendezvousJson } from './rendezvous.ts'
export { decodeRing, encodeRing } from './ring-codec.ts'
export type { ArcMove, RingDiff, ShareCertificate } from './ring-diff.ts'
export type { ZoneViolation } from './shard-report.ts'
export { shardTable, shardTableFrom } from './shard-table.ts'
export type { HeldShards, ShardTable, ShardTableJson, ShardTableOptions } from './shard-table.ts'
export { decodeTable, encodeTable } from './table-codec.ts'
export { randomTokens } from './tokens.ts'
export type { TokenAllocator, TokenRequest } from './tokens.ts'
export { xxh32 } from './xxh32.ts'
export { xxh64, xxh64Digest } from './xxh64.ts'
export type { ZoneRule } from './zones.ts'
