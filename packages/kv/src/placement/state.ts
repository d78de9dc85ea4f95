// The map of a store as replicated state: who holds which shard, which moves are under way, and
// which hosts there are. Every change names what it was planned against, so it applies once.
import { QuorateError, compareIds, crc32c, decodeUtf8, encodeUtf8, isId } from '@quorate/core'
import { isRangeJson } from '../machine/key-range.ts'
import type { RangeJson } from '../machine/key-range.ts'
import { handedOver, isBusy, isHandoverChange, isWholeChange } from './handovers.ts'
import type { HandoverChange } from './handovers.ts'
import { isMapChange, mapChanged } from './map-group.ts'
import type { MapChange, MapPlacement } from './map-group.ts'
import type { Command, NodeId, ShardId, StateMachine } from '@quorate/core'

/** What a host is to the placement: `active` may get replicas, `cordoned` keeps its own, `draining` loses them. */
export type HostState = 'active' | 'cordoned' | 'draining'

/** A move of one shard that is under way. */
export interface ShardMove {
  /** Names the move: the index of the entry that planned it. */
  readonly id: number
  /** The voters that the shard is to have. */
  readonly to: readonly NodeId[]
  /** Why, in words. */
  readonly reason: string
  /** The host whose failure caused it; the move is given up should it come back in time. */
  readonly dead?: NodeId | undefined
}

/** Where one shard is. */
export interface ShardPlacement {
  /** Grows with each completed move. */
  readonly epoch: number
  /** Its voters. */
  readonly voters: readonly NodeId[]
  /** What is being changed about it. */
  readonly move?: ShardMove | undefined
  /** The keys in it, in a store of sorted ranges; absent where it has none. */
  readonly range?: RangeJson | undefined
  /** Who founds its group, where the shard came to be by a split. */
  readonly founders?: readonly NodeId[] | undefined
  /** Hosts that have given their replica of it up at some time, and so never found its group. */
  readonly left?: readonly NodeId[] | undefined
  /** Keys on their way from it to another shard. */
  readonly handover?: ShardHandover | undefined
  /** The handover by which it gets keys. */
  readonly receiving?: number | undefined
  /** The handover whose keys it still has to forget. */
  readonly forgetting?: number | undefined
}

/** Keys on their way from one shard to another: a split, or a merge where they are all that it has. */
export interface ShardHandover extends RangeJson {
  /** Names the handover: the index of the entry that planned it. */
  readonly id: number
  /** The shard that gets them. */
  readonly to: ShardId
}

/** Where everything is. */
export interface Placement {
  /** Grows with each change. */
  readonly version: number
  /** How many replicas each shard should have. */
  readonly replicas?: number | undefined
  /** The shards, by number. */
  readonly shards: readonly ShardPlacement[]
  /** The hosts, in order of name. */
  readonly hosts: Readonly<Record<NodeId, HostState>>
  /** Whether no moves are planned by themselves. */
  readonly paused: boolean
  /** Where the map itself is. */
  readonly map?: MapPlacement | undefined
}

/** A change of the placement. */
export type PlacementCommand =
  | { readonly type: 'host'; readonly id: NodeId; readonly state: HostState | 'gone' }
  | {
      readonly type: 'plan'
      readonly shard: ShardId
      /** The shard's epoch when it was planned. */
      readonly epoch: number
      readonly to: readonly NodeId[]
      readonly reason: string
      readonly dead?: NodeId | undefined
    }
  | { readonly type: 'complete' | 'cancel'; readonly shard: ShardId; readonly move: number }
  | { readonly type: 'pause'; readonly paused: boolean }
  | HandoverChange
  | MapChange

/** What came of a change. */
export type PlacementResult =
  | { readonly ok: true; readonly version: number }
  | { readonly ok: false; readonly message: string }

/** The state machine of a placement. */
export interface PlacementMachine extends StateMachine {
  /** The placement now; a new object after each change. */
  readonly placement: Placement
  /** What came of an order, as long as it is remembered; see {@link encodeChange}. */
  outcome(operation: string): PlacementResult | undefined
  /** Calls `listener` after the placement may have changed, until the returned function is called. */
  onChange(listener: () => void): () => void
}

/** Makes the state machine of a placement, from the one that a new store has. */
export function placementMachine(initial: Placement): PlacementMachine {
  return new Machine(initial)
}

/**
 * The bytes of a change.
 *
 * @param operation - names the order that the change is: given again, it is answered as it was and
 * does nothing, as long as it is among the last 128 orders
 */
export function encodeChange(command: PlacementCommand, operation?: string): Uint8Array {
  return encodeUtf8(JSON.stringify(operation === undefined ? command : { ...command, operation }))
}

/** Reads what came of a change. */
export function decodeChangeResult(bytes: Uint8Array): PlacementResult {
  return JSON.parse(decodeUtf8(bytes)) as PlacementResult
}

/** The placement after a change, or in words why it does not apply. */
export function changed(
  placement: Placement,
  command: PlacementCommand,
  index: number,
): Placement | string {
  const version = placement.version + 1
  if (command.type === 'pause') return { ...placement, version, paused: command.paused }
  if (command.type === 'host') return withHost({ ...placement, version }, command)
  if (isMapChange(command)) return mapChanged(placement, command, index)
  if (isHandoverChange(command)) return handedOver(placement, command, index)
  const { shard } = command
  const held = placement.shards[shard]
  if (held === undefined) return `there is no shard ${shard}`
  const put = (next: ShardPlacement): Placement => ({
    ...placement,
    version,
    shards: placement.shards.with(shard, next),
  })
  if (command.type === 'plan') {
    if (isBusy(held)) return `shard ${shard} is being moved already`
    if (held.voters.length === 0) return `shard ${shard} is no more`
    if (held.epoch !== command.epoch) return `shard ${shard} has epoch ${held.epoch}`
    const to = [...new Set(command.to)].sort(compareIds)
    if (to.length === 0 || to.some((id) => placement.hosts[id] === undefined)) {
      return `shard ${shard} cannot move to hosts that are not there`
    }
    const { reason, dead } = command
    return put({ ...held, move: { id: index, to, reason, dead } })
  }
  if (held.move?.id !== command.move) return `move ${command.move} is not under way`
  const { move, ...rest } = held
  if (command.type === 'cancel') return put(rest)
  const gone = [...(held.left ?? []), ...held.voters.filter((id) => !move.to.includes(id))]
  const left = gone.length === 0 ? {} : { left: [...new Set(gone)].sort(compareIds) }
  return put({ ...rest, epoch: held.epoch + 1, voters: move.to, ...left })
}

function withHost(
  placement: Placement,
  { id, state }: PlacementCommand & { readonly type: 'host' },
): Placement | string {
  if (state === 'gone') {
    const used = placement.shards.findIndex(
      ({ voters, move }) => voters.includes(id) || move?.to.includes(id) === true,
    )
    if (used >= 0) return `host ${id} still holds shard ${used}`
    const { map } = placement
    if (map?.hosts.includes(id) === true || map?.move?.to.includes(id) === true) {
      return `host ${id} still holds the map`
    }
  }
  const entries = Object.entries(placement.hosts).filter(([host]) => host !== id)
  if (state !== 'gone') entries.push([id, state])
  entries.sort(([a], [b]) => compareIds(a, b))
  return { ...placement, hosts: hostTable(entries) }
}

/** The states of hosts by name, without a prototype, so that no name means something else. */
export function hostTable(
  entries: readonly (readonly [NodeId, HostState])[],
): Readonly<Record<NodeId, HostState>> {
  const table = Object.create(null) as Record<NodeId, HostState>
  for (const [id, state] of entries) table[id] = state
  return table
}

class Machine implements PlacementMachine {
  #placement: Placement
  /** What came of the last orders, in their order. */
  #operations = new Map<string, PlacementResult>()
  readonly #listeners = new Set<() => void>()

  constructor(initial: Placement) {
    this.#placement = initial
  }

  get placement(): Placement {
    return this.#placement
  }

  outcome(operation: string): PlacementResult | undefined {
    return this.#operations.get(operation)
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  apply(commands: readonly Command[]): readonly Uint8Array[] {
    const results = commands.map((command) => encodeUtf8(JSON.stringify(this.#applyOne(command))))
    for (const listener of this.#listeners) listener()
    return results
  }

  query(): Uint8Array {
    return encodePlacement(this.#placement)
  }

  *snapshot(): Iterable<Uint8Array> {
    const operations = [...this.#operations]
    const bytes = encodeUtf8(JSON.stringify({ ...this.#placement, operations }))
    yield encodeUtf8(`${crc32c(bytes).toString(16).padStart(8, '0')}\n`)
    yield bytes
  }

  async restore(chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const all: number[] = []
    for await (const chunk of chunks) for (const byte of chunk) all.push(byte)
    const bytes = Uint8Array.from(all)
    const body = bytes.subarray(9)
    if (decodeUtf8(bytes.subarray(0, 8)) !== crc32c(body).toString(16).padStart(8, '0')) {
      throw new QuorateError('MALFORMED', 'a placement with a bad checksum')
    }
    this.#placement = decodePlacement(body)
    this.#operations = new Map(operationsOf(body))
    for (const listener of this.#listeners) listener()
  }

  #applyOne({ index, payload }: Command): PlacementResult {
    const read = readChange(payload)
    if (read === undefined) return { ok: false, message: 'a change that cannot be read' }
    const { operation, ...command } = read
    const before = operation === undefined ? undefined : this.#operations.get(operation)
    if (before !== undefined) return before
    const result = this.#change(command, index)
    if (operation !== undefined) this.#remember(operation, result)
    return result
  }

  #change(command: PlacementCommand, index: number): PlacementResult {
    const next = changed(this.#placement, command, index)
    if (typeof next === 'string') return { ok: false, message: next }
    this.#placement = next
    return { ok: true, version: next.version }
  }

  #remember(operation: string, result: PlacementResult): void {
    this.#operations.set(operation, result)
    if (this.#operations.size <= OPERATIONS_MAX) return
    const [oldest] = this.#operations.keys()
    this.#operations.delete(oldest as string)
  }
}

/** The bytes of a placement. */
function encodePlacement(placement: Placement): Uint8Array {
  return encodeUtf8(JSON.stringify(placement))
}

/**
 * Reads a placement.
 *
 * @throws QuorateError `MALFORMED`
 */
export function decodePlacement(bytes: Uint8Array): Placement {
  const value = parse(bytes) as Partial<Placement> | undefined
  const fits =
    Number.isSafeInteger(value?.version) &&
    Array.isArray(value?.shards) &&
    value.shards.every(
      ({ epoch, voters, range }) =>
        Number.isSafeInteger(epoch) && ids(voters) && (range === undefined || isRangeJson(range)),
    ) &&
    typeof value.hosts === 'object' &&
    (value.map === undefined || ids(value.map.hosts))
  if (!fits) throw new QuorateError('MALFORMED', 'a placement that cannot be read')
  const { operations: _, ...placement } = value as Placement & { readonly operations?: unknown }
  return { ...placement, hosts: hostTable(Object.entries(placement.hosts)) }
}

/** The orders that are remembered with a placement. */
function operationsOf(bytes: Uint8Array): readonly (readonly [string, PlacementResult])[] {
  const { operations = [] } = parse(bytes) as {
    readonly operations?: readonly (readonly [string, PlacementResult])[]
  }
  return operations
}

/** Reads a change; `undefined` where the bytes are none. */
function readChange(bytes: Uint8Array): OrderedChange | undefined {
  const value = parse(bytes) as OrderedChange | undefined
  if (value?.operation !== undefined && !isId(value.operation)) return undefined
  switch (value?.type) {
    case 'pause':
      return typeof value.paused === 'boolean' ? value : undefined
    case 'host':
      return isId(value.id) && HOST_STATES.includes(value.state) ? value : undefined
    case 'plan':
      return Number.isSafeInteger(value.epoch) && ids(value.to) ? value : undefined
    case 'complete':
    case 'cancel':
      return Number.isSafeInteger(value.move) ? value : undefined
    case 'map-plan':
      return ids(value.to) ? value : undefined
    case 'map-complete':
    case 'map-cancel':
      return Number.isSafeInteger(value.move) ? value : undefined
    case 'split':
    case 'merge':
    case 'handed':
    case 'forgotten':
    case 'retire':
      return isWholeChange(value) ? value : undefined
    default:
      return undefined
  }
}

/** A change, and the order that it is. */
type OrderedChange = PlacementCommand & { readonly operation?: string | undefined }

/** Orders that are remembered, so that one whose answer was lost can be given again. */
const OPERATIONS_MAX = 128

const HOST_STATES: readonly string[] = ['active', 'cordoned', 'draining', 'gone']

function ids(value: unknown): value is readonly NodeId[] {
  return Array.isArray(value) && value.every(isId)
}

function parse(bytes: Uint8Array): unknown {
  try {
    const value: unknown = JSON.parse(decodeUtf8(bytes))
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}
