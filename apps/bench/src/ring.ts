// Look-ups, changes, balance and movement of @quorate/ring beside the packages that people use for
// the same: one process, the same keys, every round each library once, in an order that rotates.
import { jumpConsistentHash } from '@subspace/jump-consistent-hash'
import ConsistentHash from 'consistent-hash'
import * as EffectRing from 'effect/HashRing'
import * as PrimaryKey from 'effect/PrimaryKey'
import HashRingPeer from 'hashring'
import NodeHashRing from 'node-hashring'
import {
  decodeRing,
  diff,
  encodeRing,
  hashRing,
  jump,
  maglev,
  memento,
  multiProbe,
  redisSlots,
  rendezvous,
  shardTable,
} from '@quorate/ring'
import { median, record, round } from './record.ts'

const ROUNDS = 15
const KEYS = Array.from({ length: 200_000 }, (_, i) => `key-${i}`)
const NODES = Array.from({ length: 101 }, (_, i) => `10.0.0.${i}:7000`)

interface Contender {
  readonly name: string
  /** How many keys a round looks up; slow ones look up fewer. */
  readonly keys: number
  lookup(key: string): unknown
}

interface Named extends PrimaryKey.PrimaryKey {
  readonly id: string
}

function named(id: string): Named {
  return { id, [PrimaryKey.symbol]: () => id }
}

function effectRing(nodes: readonly string[]): EffectRing.HashRing<Named> {
  return EffectRing.addMany(EffectRing.make<Named>(), nodes.map(named))
}

function consistentHash(nodes: readonly string[]): ConsistentHash {
  const ring = new ConsistentHash()
  for (const node of nodes) ring.add(node)
  return ring
}

// The peer takes eight bytes, so that a key has to be hashed first; ours hashes it too.
function subspaceKey(key: string, bytes: Uint8Array, view: DataView): Uint8Array {
  let hash = 0x811c9dc5
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193)
  view.setUint32(4, hash >>> 0)
  return bytes
}

function peers(nodes: readonly string[]): readonly Contender[] {
  const hashring = new HashRingPeer(nodes)
  const consistent = consistentHash(nodes)
  const node = new NodeHashRing(nodes)
  const effect = effectRing(nodes)
  const bytes = new Uint8Array(8)
  const view = new DataView(bytes.buffer)
  return [
    { name: 'hashring', keys: 10_000, lookup: (key) => hashring.get(key) },
    { name: 'consistent-hash', keys: 600_000, lookup: (key) => consistent.get(key) },
    { name: 'node-hashring', keys: 600_000, lookup: (key) => node.findNode(key) },
    { name: 'effect HashRing', keys: 600_000, lookup: (key) => EffectRing.get(effect, key) },
    {
      name: '@subspace/jump-consistent-hash',
      keys: 150_000,
      lookup: (key) => jumpConsistentHash(subspaceKey(key, bytes, view), nodes.length),
    },
  ]
}

function ours(nodes: readonly string[]): readonly Contender[] {
  const ring = hashRing({ members: nodes })
  const zoned = hashRing({ members: nodes.map((id, i) => ({ id, zone: `z${i % 5}` })) })
  const table = shardTable({ members: nodes, shards: 1024 })
  const slots = redisSlots({ members: nodes })
  const placements = [
    rendezvous({ members: nodes }),
    jump({ members: nodes }),
    maglev({ members: nodes }),
    memento({ members: nodes }),
    multiProbe({ members: nodes }),
  ]
  return [
    { name: 'hashRing', keys: 600_000, lookup: (key) => ring.locate(key) },
    { name: 'shardTable', keys: 600_000, lookup: (key) => table.locate(key) },
    { name: 'redisSlots', keys: 600_000, lookup: (key) => slots.shardOf(key) },
    ...placements.map((placement) => ({
      name: placement.kind,
      keys: 150_000,
      lookup: (key: string) => placement.locate(key),
    })),
    {
      name: 'hashRing, 3 replicas by zone',
      keys: 150_000,
      lookup: (key) => zoned.preferenceList(key, 3),
    },
  ]
}

let sink = 0

function pass({ keys, lookup }: Contender, offset: number): number {
  let missing = 0
  const start = process.cpuUsage()
  for (let i = 0, at = offset % KEYS.length; i < keys; i++, at++) {
    if (at === KEYS.length) at = 0
    if (lookup(KEYS[at]!) === undefined) missing++
  }
  const { user, system } = process.cpuUsage(start)
  sink += missing
  return keys / (user + system)
}

function lookups(n: number): Record<string, unknown> {
  const nodes = NODES.slice(0, n)
  const all = [...ours(nodes), ...peers(nodes)]
  const rates = new Map(all.map(({ name }) => [name, [] as number[]]))
  for (const contender of all) pass(contender, 0)
  for (let turn = 0; turn < ROUNDS; turn++) {
    for (let i = 0; i < all.length; i++) {
      const contender = all[(i + turn) % all.length]!
      rates.get(contender.name)!.push(pass(contender, turn * 20_011))
    }
  }
  const rows = all.map(({ name }) => [name, round(median(rates.get(name)!))] as const)
  const paired = (a: string, b: string): number =>
    round(median(rates.get(a)!.map((rate, i) => rate / rates.get(b)![i]!)))
  const ratios = peers(nodes).map(({ name }) => [name, paired('hashRing', name)] as const)
  const jumps = paired('jump', '@subspace/jump-consistent-hash')
  for (const [name, rate] of rows) console.log(`${n} nodes  ${name.padEnd(32)} ${rate} M/s`)
  for (const [name, ratio] of ratios) console.log(`${n} nodes  hashRing / ${name}: ${ratio}`)
  console.log(`${n} nodes  jump / @subspace/jump-consistent-hash: ${jumps}`)
  return {
    millionsPerSecond: Object.fromEntries(rows),
    hashRingTimes: Object.fromEntries(ratios),
    jumpTimesSubspace: jumps,
  }
}

function allocation(): Record<string, number> {
  const collect = globalThis.gc
  if (collect === undefined) throw new Error('run with --expose-gc')
  const result: Record<string, number> = {}
  for (const contender of ours(NODES.slice(0, 10)).filter(
    ({ name }) => !name.includes('replicas'),
  )) {
    const run = { ...contender, keys: 2_000_000 }
    pass(run, 0)
    collect()
    const before = process.memoryUsage().heapUsed
    for (let i = 0; i < 5; i++) pass(run, 0)
    const bytes = process.memoryUsage().heapUsed - before
    result[contender.name] = round(Math.max(0, bytes) / 10_000_000)
    console.log(`${contender.name.padEnd(20)} ${bytes} bytes for 10,000,000 look-ups`)
  }
  return result
}

function milliseconds(times: number, body: (i: number) => unknown): number {
  const taken: number[] = []
  for (let i = 0; i < times; i++) {
    const start = process.cpuUsage()
    if (body(i) === undefined) sink++
    const { user, system } = process.cpuUsage(start)
    taken.push((user + system) / 1000)
  }
  return round(median(taken))
}

function changes(): Record<string, number> {
  const hundred = NODES.slice(0, 100)
  const ring = hashRing({ members: hundred })
  const bytes = encodeRing(ring)
  const thirtyOne = NODES.slice(0, 31)
  const table = shardTable({ members: thirtyOne, shards: 1024 })
  const zoned = shardTable({
    members: thirtyOne.map((id, i) => ({ id, zone: `z${i % 4}` })),
    shards: 1024,
  })
  const joining = { id: 'joins', zone: 'z1' }
  const peer = new HashRingPeer(hundred)
  const effect = effectRing(hundred)
  const node = new NodeHashRing(hundred)
  const result = {
    'hashRing 100 x 160, build': milliseconds(30, () => hashRing({ members: hundred })),
    'hashRing 100 x 160, add one': milliseconds(60, (i) => ring.with({ add: [`new-${i}`] })),
    'hashRing 100 x 160, remove one': milliseconds(60, (i) => ring.with({ remove: [hundred[i]!] })),
    'hashRing 100 x 160, diff': milliseconds(30, () => diff(ring, ring.with({ add: ['n'] }))),
    'hashRing 100 x 160, restore from bytes': milliseconds(60, () => decodeRing(bytes)),
    'hashring 100, add one': milliseconds(10, (i) => peer.add(`new-${i}`)),
    'effect HashRing 100, add one': milliseconds(30, (i) =>
      EffectRing.add(effect, named(`new-${i}`)),
    ),
    'node-hashring 100, add one': milliseconds(30, (i) => {
      node.addNode(`new-${i}`)
      return node
    }),
    'shardTable 1024 x 31 x 3, build': milliseconds(30, () =>
      shardTable({ members: thirtyOne, shards: 1024 }),
    ),
    'shardTable 1024 x 31 x 3, add one and plan': milliseconds(30, () =>
      diff(table, table.with({ add: ['joins'] })),
    ),
    'shardTable 1024 x 31 x 3, remove one and plan': milliseconds(30, (i) =>
      diff(table, table.with({ remove: [thirtyOne[i]!] })),
    ),
    'shardTable 1024 x 31 x 3 in 4 zones, add one and plan': milliseconds(30, () =>
      diff(zoned, zoned.with({ add: [joining] })),
    ),
  }
  for (const [name, value] of Object.entries(result)) console.log(`${name.padEnd(56)} ${value} ms`)
  return result
}

interface Movement {
  readonly movedPercent: number
  readonly needlessPercent: number
  readonly peakToMean: number
}

// Who a key belongs to before and after an 101st node joins the 100.
function movement(
  name: string,
  before: (key: string) => string | undefined,
  after: (key: string) => string | undefined,
): readonly [string, Movement] {
  const joined = NODES[100]!
  const old = KEYS.map(before)
  const next = KEYS.map(after)
  const loads = new Map<string | undefined, number>()
  for (const id of old) loads.set(id, (loads.get(id) ?? 0) + 1)
  const moved = next.filter((id, i) => id !== old[i])
  const needless = moved.filter((id) => id !== joined).length
  const percent = (count: number): number => round((100 * count) / KEYS.length)
  const peak = (Math.max(...loads.values()) * 100) / KEYS.length
  const row = {
    movedPercent: percent(moved.length),
    needlessPercent: percent(needless),
    peakToMean: round(peak),
  }
  console.log(
    `${name.padEnd(28)} moved ${row.movedPercent} %, needless ${row.needlessPercent} %, peak/mean ${row.peakToMean}`,
  )
  return [name, row]
}

function movements(): Record<string, Movement> {
  const nodes = NODES.slice(0, 100)
  const joined = NODES[100]!
  const mine = [
    hashRing({ members: nodes }),
    rendezvous({ members: nodes }),
    jump({ members: nodes }),
    memento({ members: nodes }),
    maglev({ members: nodes }),
    multiProbe({ members: nodes }),
  ].map((placement) => {
    const grown = placement.with({ add: [joined] })
    return movement(
      placement.kind,
      (key) => placement.locate(key),
      (key) => grown.locate(key),
    )
  })
  const peer = new HashRingPeer(nodes)
  const grown = new HashRingPeer(nodes).add(joined)
  const consistent = consistentHash(nodes)
  const other = consistentHash(nodes)
  const nodeRing = new NodeHashRing(nodes)
  const nodeGrown = new NodeHashRing([...nodes, joined])
  const effect = effectRing(nodes)
  const effectGrown = effectRing([...nodes, joined])
  const shard = (key: string): number => Number(key.slice(4)) % 300
  const shards = EffectRing.getShards(effect, 300)!
  const shardsGrown = EffectRing.getShards(effectGrown, 300)!
  return Object.fromEntries([
    ...mine,
    movement(
      'hashring',
      (key) => peer.get(key),
      (key) => grown.get(key),
    ),
    movement(
      'consistent-hash, same nodes',
      (key) => consistent.get(key),
      (key) => other.get(key),
    ),
    movement(
      'node-hashring',
      (key) => nodeRing.findNode(key),
      (key) => nodeGrown.findNode(key),
    ),
    movement(
      'effect HashRing',
      (key) => EffectRing.get(effect, key)?.id,
      (key) => EffectRing.get(effectGrown, key)?.id,
    ),
    movement(
      'effect getShards(300)',
      (key) => shards[shard(key)]!.id,
      (key) => shardsGrown[shard(key)]!.id,
    ),
  ])
}

const results = {
  rounds: ROUNDS,
  keys: KEYS.length,
  lookups10: lookups(10),
  lookups100: lookups(100),
  bytesPerLookup: allocation(),
  changesMs: changes(),
  addOneTo100: movements(),
}
record('ring', results)
if (sink < 0) console.log(sink)
