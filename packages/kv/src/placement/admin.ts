// Administration of a store: what an operator asks for, and how it is said on the wire. Requests
// are few and read by people, so they travel as JSON.
import { QuorateError, decodeUtf8, encodeUtf8, isId } from '@quorate/core'
import type { CallOptions, Clock, Key, Membership, NodeId, Random, ShardId } from '@quorate/core'
import { keyBytes, rawKey } from '../key.ts'
import type { RawKey } from '../key.ts'
import { hexOf, holds, keyOfHex, rangeFromJson } from '../machine/key-range.ts'
import type { RangeJson } from '../machine/key-range.ts'
import type { Router } from '../routing/router.ts'
import type { Route } from '../routing/routes.ts'
import { planMoves } from './planner.ts'
import type { PlannedMove } from './planner.ts'
import { decodeChangeResult, decodePlacement } from './state.ts'
import type { Placement, PlacementCommand, PlacementResult, ShardPlacement } from './state.ts'

/** A request about placement, to whoever can do it. */
export type AdminRequest =
  /** To the leader of the map's group. */
  | { readonly op: 'placement' | 'where' }
  | {
      readonly op: 'change'
      readonly command: PlacementCommand
      /** Names the order, so that it is carried out once however often it is sent. */
      readonly operation?: string | undefined
    }
  | { readonly op: 'outcome'; readonly operation: string }
  /** To a shard's leader. */
  | { readonly op: 'group' | 'asked'; readonly shard: ShardId }
  | {
      readonly op: 'membership'
      readonly shard: ShardId
      readonly voters: readonly NodeId[]
      readonly learners: readonly NodeId[]
      readonly version: number
    }
  | { readonly op: 'transfer'; readonly shard: ShardId; readonly to: NodeId }
  | { readonly op: 'fence'; readonly shard: ShardId; readonly epoch: number }
  /** To a host that is to get a replica. */
  | { readonly op: 'prepare'; readonly shard: ShardId }
  /** To a host that is to hold the map. */
  | { readonly op: 'prepare-map' }

/** How a shard's group stands, as its leader tells. */
export interface GroupView {
  /** The leader. */
  readonly leader: NodeId
  /** The members in force. */
  readonly membership: Membership
  /** Whether the members in force are committed, so that they may be changed. */
  readonly settled: boolean
  /** How many entries each peer is behind; what has never answered is not there. */
  readonly behind: Readonly<Record<NodeId, number>>
  /** The shard's epoch. */
  readonly epoch: number
  /** Bytes of its keys and values. */
  readonly bytes: number
}

/** The bytes of a request. */
export function encodeAdmin(request: AdminRequest): Uint8Array {
  return encodeUtf8(JSON.stringify(request))
}

/**
 * Reads a request.
 *
 * @throws QuorateError `MALFORMED`
 */
export function decodeAdmin(bytes: Uint8Array): AdminRequest {
  let value: Partial<Record<string, unknown>>
  try {
    value = JSON.parse(decodeUtf8(bytes)) as typeof value
  } catch (cause) {
    throw malformed(cause)
  }
  if (typeof value !== 'object' || value === null) throw malformed()
  const { op, shard, voters, learners, version, to, epoch, command, operation } = value
  const whole = (number: unknown): boolean => Number.isSafeInteger(number) && Number(number) >= 0
  const ids = (list: unknown): boolean => Array.isArray(list) && list.every(isId)
  const fits =
    op === 'placement' ||
    op === 'where' ||
    op === 'prepare-map' ||
    (op === 'change' &&
      typeof command === 'object' &&
      (operation === undefined || isId(operation))) ||
    (op === 'outcome' && isId(operation)) ||
    ((op === 'group' || op === 'asked' || op === 'prepare') && whole(shard)) ||
    (op === 'membership' && whole(shard) && ids(voters) && ids(learners) && whole(version)) ||
    (op === 'transfer' && whole(shard) && isId(to)) ||
    (op === 'fence' && whole(shard) && whole(epoch))
  if (!fits) throw malformed()
  return value as unknown as AdminRequest
}

/** Any answer as JSON. */
export function encodeAnswerJson(value: unknown): Uint8Array {
  return encodeUtf8(JSON.stringify(value ?? null))
}

function malformed(cause?: unknown): QuorateError {
  return new QuorateError('MALFORMED', 'a request about placement that cannot be read', { cause })
}

/** Options of an order. */
export interface OrderOptions extends CallOptions {
  /**
   * Names the order, 1 to 64 of `A-Z a-z 0-9 _ -`: where it is given again under its name, because no
   * answer came, it is carried out once and answered as it was, as long as it is among the last 128
   * orders. Default: a name of its own for each call, which repeats itself under it.
   */
  readonly operation?: string | undefined
}

/**
 * What operators do with a store whose placement is managed. A call that gets no answer repeats its
 * order, and what was ordered happens once. Also an order that is given anew where it is being carried
 * out, or was, resolves and changes nothing; of merges that can be said only under one name.
 */
export interface KvAdmin {
  /** Where everything is, and what is being moved. */
  placement(options?: CallOptions): Promise<Placement>
  /** The moves that would be planned now, with their reasons; nothing is done. */
  plan(options?: CallOptions): Promise<readonly PlannedMove[]>
  /** Lets a host have replicas: a new one, or one that was cordoned or drained. */
  join(host: NodeId, options?: OrderOptions): Promise<void>
  /** Gives a host no further replicas. */
  cordon(host: NodeId, options?: OrderOptions): Promise<void>
  /** Moves everything away from a host; it is empty once the placement names it nowhere. */
  drain(host: NodeId, options?: OrderOptions): Promise<void>
  /**
   * Forgets a host that holds nothing any more.
   *
   * @throws QuorateError `CONFLICT` where it still holds a replica
   */
  leave(host: NodeId, options?: OrderOptions): Promise<void>
  /**
   * Moves one replica of a shard; resolves once the move is planned.
   *
   * @throws QuorateError `CONFLICT` where the shard is being moved elsewhere
   */
  move(shard: ShardId, from: NodeId, to: NodeId, options?: OrderOptions): Promise<void>
  /**
   * Splits the range of keys that holds `key` there; resolves once that is planned.
   *
   * @throws QuorateError `CONFLICT` where the range is being changed, `NOT_SUPPORTED` where shards are hash slots
   */
  split(key: Key, options?: OrderOptions): Promise<void>
  /**
   * Merges the range of keys that holds `key` with the one after it; resolves once that is planned.
   * The keys of the second go to where the first is.
   *
   * @throws QuorateError `CONFLICT` where one of the two is being changed or there is none after it,
   * `NOT_SUPPORTED` where shards are hash slots
   */
  merge(key: Key, options?: OrderOptions): Promise<void>
  /** Hands a shard's leadership to one of its voters. Does not need a managed placement. */
  transferLeader(shard: ShardId, to: NodeId, options?: CallOptions): Promise<void>
  /** Plans nothing any more by itself; moves under way are completed. */
  pause(options?: OrderOptions): Promise<void>
  /** Plans again. */
  resume(options?: OrderOptions): Promise<void>
}

/** The range of a key in a placement. */
function rangeAt(
  { shards }: Placement,
  key: RawKey,
): { readonly shard: ShardId; readonly epoch: number; readonly range: RangeJson } {
  for (const [shard, { epoch, range }] of shards.entries()) {
    if (range !== undefined && holds(rangeFromJson(range), key)) return { shard, epoch, range }
  }
  throw new QuorateError('NOT_SUPPORTED', 'the shards of this store are hash slots, not ranges')
}

/** What administration works with. */
export interface AdminContext {
  /** Takes requests to leaders. */
  readonly router: Router
  /** Finds the group that holds the map. */
  mapRoute(options: CallOptions): Promise<Route>
  /** The route to a shard. */
  shardRoute(shard: ShardId): Route
  /** A new name for an order. */
  operation(): string
  /** How many replicas each shard should have, as far as the placement tells where nothing else does. */
  replicas(placement: Placement): number
}

/** Names for orders: no two alike, whoever makes them, as far as chance can see to it. */
export function operationNames(clock: Clock, random: Random): () => string {
  const word = (): string => random.uint32().toString(36)
  return () => `${Math.floor(clock.now()).toString(36)}-${word()}-${word()}-${word()}`
}

/** Makes the administration of a store. */
export function kvAdmin(context: AdminContext): KvAdmin {
  return new Admin(context)
}

class Admin implements KvAdmin {
  readonly #context: AdminContext

  constructor(context: AdminContext) {
    this.#context = context
  }

  async placement(options: CallOptions = {}): Promise<Placement> {
    return decodePlacement(await this.#ask({ op: 'placement' }, options))
  }

  async plan(options?: CallOptions): Promise<readonly PlannedMove[]> {
    const placed = await this.placement(options)
    const replicas = this.#context.replicas(placed)
    return planMoves(placed, { dead: new Set(), replicas, movesPerHostMax: 2 })
  }

  join(id: NodeId, options?: OrderOptions): Promise<void> {
    return this.#change({ type: 'host', id, state: 'active' }, options)
  }

  cordon(id: NodeId, options?: OrderOptions): Promise<void> {
    return this.#change({ type: 'host', id, state: 'cordoned' }, options)
  }

  drain(id: NodeId, options?: OrderOptions): Promise<void> {
    return this.#change({ type: 'host', id, state: 'draining' }, options)
  }

  leave(id: NodeId, options?: OrderOptions): Promise<void> {
    return this.#change({ type: 'host', id, state: 'gone' }, options)
  }

  pause(options?: OrderOptions): Promise<void> {
    return this.#change({ type: 'pause', paused: true }, options)
  }

  resume(options?: OrderOptions): Promise<void> {
    return this.#change({ type: 'pause', paused: false }, options)
  }

  async move(shard: ShardId, from: NodeId, to: NodeId, options?: OrderOptions): Promise<void> {
    if (await this.#wasDone(options)) return
    const held = (await this.placement(options)).shards[shard]
    if (held !== undefined && isMoved(held, from, to)) return
    if (held?.voters.includes(from) !== true || held.voters.includes(to)) {
      const message = `shard ${shard} cannot move from ${from} to ${to}`
      throw new QuorateError('INVALID_ARGUMENT', message)
    }
    const voters = [...held.voters.filter((id) => id !== from), to]
    const { epoch } = held
    await this.#change({ type: 'plan', shard, epoch, to: voters, reason: 'asked for' }, options)
  }

  async split(key: Key, options?: OrderOptions): Promise<void> {
    if (await this.#wasDone(options)) return
    const now = await this.placement(options)
    const at = hexOf(rawKey(keyBytes(key)))
    const { shard, epoch, range } = rangeAt(now, rawKey(keyBytes(key)))
    // A range begins there, or is about to.
    if (range.start === at || now.shards[shard]?.handover?.start === at) return
    await this.#change({ type: 'split', shard, epoch, at }, options)
  }

  async merge(key: Key, options?: OrderOptions): Promise<void> {
    if (await this.#wasDone(options)) return
    const now = await this.placement(options)
    const { shard: before, range } = rangeAt(now, rawKey(keyBytes(key)))
    if (range.end === undefined) throw new QuorateError('CONFLICT', 'it is the last range')
    const { shard, epoch } = rangeAt(now, keyOfHex(range.end))
    if (now.shards[shard]?.handover?.to === before) return
    await this.#change({ type: 'merge', shard, epoch }, options)
  }

  async transferLeader(shard: ShardId, to: NodeId, options: CallOptions = {}): Promise<void> {
    const payload = encodeAdmin({ op: 'transfer', shard, to })
    const what = `transfer of shard ${shard} to ${to}`
    const { router, shardRoute } = this.#context
    await router.admin(shardRoute.call(this.#context, shard), payload, options, what)
  }

  async #ask(request: AdminRequest, options: CallOptions): Promise<Uint8Array> {
    const route = await this.#context.mapRoute(options)
    return this.#context.router.admin(route, encodeAdmin(request), options, request.op)
  }

  async #change(command: PlacementCommand, options: OrderOptions = {}): Promise<void> {
    const operation = options.operation ?? this.#context.operation()
    settled(decodeChangeResult(await this.#ask({ op: 'change', command, operation }, options)))
  }

  /** Whether an order has been carried out; only those that have a name are given twice. */
  async #wasDone(options: OrderOptions = {}): Promise<boolean> {
    const { operation } = options
    if (operation === undefined) return false
    const bytes = await this.#ask({ op: 'outcome', operation }, options)
    const result = JSON.parse(decodeUtf8(bytes)) as PlacementResult | null
    if (result !== null) settled(result)
    return result !== null
  }
}

function settled(result: PlacementResult): void {
  if (!result.ok) throw new QuorateError('CONFLICT', result.message)
}

/** Whether a shard has moved from one host to another, or is on its way. */
function isMoved({ voters, move, left }: ShardPlacement, from: NodeId, to: NodeId): boolean {
  if (move !== undefined && voters.includes(from)) {
    return !voters.includes(to) && move.to.includes(to) && !move.to.includes(from)
  }
  return voters.includes(to) && !voters.includes(from) && left?.includes(from) === true
}
