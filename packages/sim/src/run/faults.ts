// What goes wrong in a run, as plain data: a plan can be printed, replayed, and made smaller until
// only what matters is left.
import type { GroupId, NodeId, Random } from '@quorate/core'
import type { RotMode } from '../fs/rot.ts'

/** A host by name, or `'leader'`: whoever leads the first group when the time comes. */
export type FaultTarget = NodeId

/** How a network is split. `halves`: two sides. `isolate`: one host alone. `bridge`: two sides with one host between them. `one-way`: one host is not heard. `ring`: each hears only its neighbours. */
export type PartitionMode = 'halves' | 'isolate' | 'bridge' | 'one-way' | 'ring'

/** One thing that goes wrong, or one order of an operator. Times are in milliseconds. */
export type Fault = { readonly atMs: number } & (
  | {
      readonly kind: 'crash'
      readonly host: FaultTarget
      readonly power: boolean
      readonly downMs: number
    }
  | {
      readonly kind: 'partition'
      readonly mode: PartitionMode
      readonly host: FaultTarget
      readonly order: readonly NodeId[]
      readonly forMs: number
    }
  | { readonly kind: 'clog'; readonly from: NodeId; readonly to: NodeId; readonly forMs: number }
  | { readonly kind: 'reset'; readonly from: NodeId; readonly to: NodeId }
  | { readonly kind: 'blackout'; readonly downMs: readonly number[] }
  | { readonly kind: 'pause'; readonly host: FaultTarget; readonly forMs: number }
  | { readonly kind: 'drift'; readonly host: NodeId; readonly rate: number }
  | { readonly kind: 'jump'; readonly host: NodeId; readonly byMs: number }
  | {
      readonly kind: 'slow-disk'
      readonly host: FaultTarget
      readonly factor: number
      readonly forMs: number
    }
  | { readonly kind: 'full-disk'; readonly host: FaultTarget; readonly forMs: number }
  | { readonly kind: 'failed-sync'; readonly host: FaultTarget }
  | {
      readonly kind: 'rot'
      readonly host: NodeId
      readonly group: GroupId
      readonly entries: number
      readonly how: RotMode
    }
  | { readonly kind: 'wipe'; readonly host: NodeId }
  | { readonly kind: 'transfer'; readonly group: GroupId; readonly to: NodeId | undefined }
  | {
      readonly kind: 'membership'
      readonly group: GroupId
      readonly voters: readonly NodeId[]
      readonly learners: readonly NodeId[]
    }
  | { readonly kind: 'snapshot'; readonly group: GroupId; readonly host: FaultTarget }
)

/** The name of a kind of fault. */
export type FaultKind = Fault['kind']

/** Every kind of fault that stays within what must be survived. */
export const faultKinds: readonly FaultKind[] = Object.freeze([
  'crash',
  'partition',
  'clog',
  'reset',
  'blackout',
  'pause',
  'drift',
  'jump',
  'slow-disk',
  'full-disk',
  'failed-sync',
  'rot',
  'transfer',
  'membership',
  'snapshot',
])

/** What a plan is drawn for. */
export interface PlanContext {
  /** All hosts, spares included. */
  readonly hosts: readonly NodeId[]
  /** The groups. */
  readonly groups: readonly GroupId[]
  /** How long faults may begin. */
  readonly durationMs: number
  /** The mean time between two faults of one kind. */
  readonly meanMs: number
  /** The hosts whose disks may lose data: fewer than any quorum. */
  readonly rotting: readonly NodeId[]
  /** How many voters a membership has at least. */
  readonly votersMin: number
  /** By how much a clock's rate may differ from 1. */
  readonly driftMax: number
}

/** Draws a plan: for each kind its own source, so that leaving one out changes no other. */
export function drawPlan(
  random: Random,
  kinds: readonly FaultKind[],
  context: PlanContext,
): readonly Fault[] {
  const faults: Fault[] = []
  for (const kind of kinds) {
    const own = random.fork(kind)
    const rate = context.meanMs * (0.5 + own.fraction())
    let atMs = own.fraction() * rate
    while (atMs < context.durationMs) {
      const fault = drawFault(own, kind, atMs, context)
      if (fault !== undefined) faults.push(fault)
      atMs += rate * (0.2 + 1.6 * own.fraction())
    }
  }
  return faults.sort((a, b) => a.atMs - b.atMs)
}

function drawFault(
  random: Random,
  kind: FaultKind,
  at: number,
  context: PlanContext,
): Fault | undefined {
  const { hosts, groups, rotting } = context
  const atMs = Math.floor(at)
  const host = pick(random, hosts)
  const target: FaultTarget = random.fraction() < 0.4 ? 'leader' : host
  const group = pick(random, groups)
  const span = (min: number, max: number): number => min + random.below(max - min + 1)
  switch (kind) {
    case 'crash':
      return { atMs, kind, host: target, power: random.fraction() < 0.5, downMs: span(20, 4_000) }
    case 'partition': {
      const modes: readonly PartitionMode[] = ['halves', 'isolate', 'bridge', 'one-way', 'ring']
      const order = shuffled(random, hosts)
      return { atMs, kind, mode: pick(random, modes), host: target, order, forMs: span(200, 6_000) }
    }
    case 'clog':
      return { atMs, kind, from: host, to: pick(random, hosts), forMs: span(50, 3_000) }
    case 'reset':
      return { atMs, kind, from: host, to: pick(random, hosts) }
    case 'blackout':
      return { atMs, kind, downMs: hosts.map(() => span(20, 2_000)) }
    case 'pause': {
      const length = random.fraction()
      const drawn =
        length < 0.02 ? span(8_000, 60_000) : length < 0.2 ? span(1_000, 8_000) : span(10, 1_000)
      // A pause may last longer than the faults, but has to leave time to recover.
      const forMs = Math.min(drawn, Math.floor(context.durationMs) - atMs + 8_000)
      return { atMs, kind, host: target, forMs }
    }
    case 'drift':
      return { atMs, kind, host, rate: 1 + (2 * random.fraction() - 1) * context.driftMax }
    case 'jump':
      return { atMs, kind, host, byMs: span(0, 7_200_000) - 3_600_000 }
    case 'slow-disk':
      return { atMs, kind, host: target, factor: span(5, 200), forMs: span(200, 4_000) }
    case 'full-disk':
      return { atMs, kind, host: target, forMs: span(200, 5_000) }
    case 'failed-sync':
      return { atMs, kind, host: target }
    case 'rot':
      return rotting.length === 0
        ? undefined
        : {
            atMs,
            kind,
            host: pick(random, rotting),
            group,
            entries: span(1, 8),
            how: pick<RotMode>(random, ['bits', 'lost-write', 'misdirected']),
          }
    case 'wipe':
      return { atMs, kind, host }
    case 'transfer':
      return { atMs, kind, group, to: random.fraction() < 0.5 ? host : undefined }
    case 'membership': {
      const order = shuffled(random, hosts)
      const count = span(Math.min(context.votersMin, hosts.length), hosts.length)
      const rest = order.slice(count)
      const learners = rest.slice(0, random.below(rest.length + 1))
      return { atMs, kind, group, voters: order.slice(0, count), learners }
    }
    case 'snapshot':
      return { atMs, kind, group, host: target }
    default:
      return undefined
  }
}

/** One of several, all alike. */
export function pick<T>(random: Random, from: readonly T[]): T {
  return from[random.below(from.length)] as T
}

/** All of them in another order. */
function shuffled<T>(random: Random, from: readonly T[]): readonly T[] {
  const order = [...from]
  for (let at = order.length - 1; at > 0; at--) {
    const other = random.below(at + 1)
    const swap = order[at] as T
    order[at] = order[other] as T
    order[other] = swap
  }
  return order
}
