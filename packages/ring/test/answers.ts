// One set of answers from every algorithm, to be compared between processes, orders of members
// and, as vectors.json, languages.
import {
  allocatedTokens,
  boundedLoads,
  fnv1a,
  hashRing,
  jump,
  ketama,
  maglev,
  md5Ketama,
  memento,
  multiProbe,
  murmur3,
  redisSlots,
  rendezvous,
  shardTable,
  xxh32,
  xxh64,
} from '../src/index.ts'
import type { MemberOptions, Placement } from '../src/index.ts'

/** Keys of all sorts. */
const keys: readonly string[] = [
  '',
  'a',
  'key-1',
  'user:1000',
  '{user1000}.following',
  'foo{}{bar}',
  'ключ',
  '鍵',
  '😀 smile',
  'a longer key with some spaces in it, well over thirty-two bytes',
  ...Array.from({ length: 22 }, (_, i) => `item/${i * 7919}`),
]

const plain: readonly MemberOptions[] = ['alpha', 'bravo', 'charlie', 'delta', 'echo'].map(
  (id) => ({
    id,
  }),
)
const weighted = plain.map(({ id }, i) => ({ id, weight: 1 + (i % 3) }))
const zoned = plain.map(({ id }, i) => ({ id, zone: `zone-${i % 3}` }))

/** The placements whose answers are recorded, with their members in the order that `order` gives. */
function subjects(
  order: <T>(list: readonly T[]) => readonly T[],
): Readonly<
  Record<string, { readonly members: readonly MemberOptions[]; readonly placement: Placement }>
> {
  const of = (
    members: readonly MemberOptions[],
    make: (members: readonly MemberOptions[]) => Placement,
  ): { members: readonly MemberOptions[]; placement: Placement } => ({
    members,
    placement: make(order(members)),
  })
  return {
    hashRing: of(plain, (members) => hashRing({ members })),
    'hashRing, weights': of(weighted, (members) => hashRing({ members })),
    'hashRing, zones': of(zoned, (members) => hashRing({ members })),
    'hashRing, xxh64, 40 virtual nodes': of(plain, (members) =>
      hashRing({ members, hash: xxh64, virtualNodes: 40 }),
    ),
    'hashRing, allocated tokens, 8 virtual nodes': of(plain, (members) =>
      hashRing({ members, virtualNodes: 8, tokens: allocatedTokens() }),
    ),
    rendezvous: of(plain, (members) => rendezvous({ members })),
    'rendezvous, weights': of(weighted, (members) => rendezvous({ members })),
    jump: of(plain, (members) => jump({ members })),
    'memento, bravo left': of(plain, (members) => memento({ members }).with({ remove: ['bravo'] })),
    maglev: of(plain, (members) => maglev({ members })),
    'maglev, weights, table of 251': of(weighted, (members) => maglev({ members, tableSize: 251 })),
    multiProbe: of(plain, (members) => multiProbe({ members })),
    'boundedLoads over hashRing': of(plain, (members) => boundedLoads(hashRing({ members }))),
    ketama: of(plain, (members) => ketama({ members })),
    'shardTable, 64 shards': of(zoned, (members) => shardTable({ members, shards: 64 })),
    redisSlots: of(plain, (members) => redisSlots({ members })),
  }
}

const hashes = { murmur3, xxh32, xxh64, fnv1a, 'md5-ketama': md5Ketama }

/** Everything that vectors.json holds. */
export function vectors(order: <T>(list: readonly T[]) => readonly T[]): unknown {
  return {
    format: 1,
    keys,
    hashes: Object.fromEntries(
      Object.entries(hashes).map(([name, hash]) => [name, keys.map((key) => hash.hash(key))]),
    ),
    placements: Object.entries(subjects(order)).map(([name, { members, placement }]) => ({
      name,
      members,
      fingerprint: placement.fingerprint,
      owners: keys.map((key) => placement.locate(key)),
      replicas: keys.map((key) => placement.preferenceList(key, 3)),
    })),
    shards: {
      'murmur3/tags, 64 shards': keys.map((key) =>
        shardTable({ members: [], shards: 64 }).shardOf(key),
      ),
      'crc16/tags, 16384 shards': keys.map((key) => redisSlots({ members: [] }).shardOf(key)),
    },
  }
}
