// Carries out a handover: copies keys into the shard that gets them while the other goes on
// serving, stops it for what has changed since, and lets the first serve them. Whoever begins anew
// goes by what both shards say, so that it does not matter where somebody else has stopped.
import { QuorateError } from '@quorate/core'
import type { CallOptions, ShardId } from '@quorate/core'
import { rawKey, rawKeyBytes } from '../key.ts'
import type { RawKey } from '../key.ts'
import type { ByteRange, SentEntry } from '../machine/handover-command.ts'
import { rangeBytes, rangeFromJson } from '../machine/key-range.ts'
import type { ShardInfo } from '../machine/query.ts'
import type { Router } from '../routing/router.ts'
import type { PlacementCommand, ShardHandover, ShardPlacement } from './state.ts'

const CALL: CallOptions = { timeoutMs: 5_000 }
const KEYS_PER_PAGE = 2_048
const PAGE_BYTES = 262_144
const FORGET_MAX = 1_024
/** Copying goes on beside writes until so little is left that nobody minds waiting for it. */
const CHANGES_LEFT_MAX = 64
const PASSES_MAX = 5

/** What a handover is carried out with. */
export interface HandoverRunContext {
  /** Takes requests to shards. */
  readonly router: Router
  /** Waits until so many bytes may be copied. */
  pace(bytes: number): Promise<void>
  /** Changes the map. */
  change(command: PlacementCommand): Promise<void>
  /** Whether to stop. */
  isStopped(): boolean
}

/** Brings a handover to its end, from wherever it is. */
export async function runHandover(
  context: HandoverRunContext,
  shard: ShardId,
  held: ShardPlacement,
  receiver: ShardPlacement,
): Promise<void> {
  const { handover } = held
  if (handover !== undefined) {
    await new HandoverRun(context, shard, handover).run(held.epoch + 1, receiver.epoch + 1)
    await context.change({ type: 'handed', shard, handover: handover.id })
  }
}

/** Has a shard forget what it has given away. */
export async function forgetGiven(
  { router, change, isStopped }: HandoverRunContext,
  shard: ShardId,
  handover: number,
): Promise<void> {
  const route = router.routes.route(shard)
  const command = { type: 'forget', handover, max: FORGET_MAX } as const
  for (;;) {
    if (isStopped()) throw stopped()
    const { succeeded } = await router.propose(command, route, CALL)
    if (succeeded) break
  }
  await change({ type: 'forgotten', shard, handover })
}

class HandoverRun {
  readonly #context: HandoverRunContext
  readonly #from: ShardId
  readonly #handover: ShardHandover
  readonly #range: ByteRange
  #token = 0
  #piece = 0

  constructor(context: HandoverRunContext, from: ShardId, handover: ShardHandover) {
    this.#context = context
    this.#from = from
    this.#handover = handover
    this.#range = rangeBytes(rangeFromJson(handover))
  }

  /** Ends with the receiver serving the keys. */
  async run(giverEpoch: number, receiverEpoch: number): Promise<void> {
    const { router } = this.#context
    const { id, to } = this.#handover
    if ((await this.#info(to)).ownership.received === id) return
    const receive = { type: 'receive', handover: id, ...this.#range } as const
    const { revision: token } = await router.propose(receive, router.routes.route(to), CALL)
    this.#token = token
    if (!(await this.#isGiven())) {
      for (let pass = 0; pass < PASSES_MAX; pass++) {
        if ((await this.#copy()) <= CHANGES_LEFT_MAX) break
      }
      const given = { type: 'yield', handover: id, to, next: giverEpoch, ...this.#range } as const
      await router.propose(given, router.routes.route(this.#from), CALL)
    }
    await this.#copy()
    const { outgoing } = (await this.#info(this.#from)).ownership
    if (outgoing?.handover !== id) throw new QuorateError('CONFLICT', 'the keys are not given')
    const { revision } = outgoing
    const own = { type: 'own', handover: id, token, next: receiverEpoch, revision } as const
    await router.propose({ ...own, from: this.#from }, router.routes.route(to), CALL)
  }

  async #info(shard: ShardId): Promise<ShardInfo> {
    return this.#context.router.query(shard, { type: 'info' }, CALL, 'how a shard stands')
  }

  async #isGiven(): Promise<boolean> {
    const { outgoing } = (await this.#info(this.#from)).ownership
    return outgoing?.handover === this.#handover.id
  }

  /** Makes the receiver's entries those of the giver; resolves with how many differed. */
  async #copy(): Promise<number> {
    let changes = 0
    let start: Uint8Array | undefined = this.#range.start
    while (start !== undefined) {
      if (this.#context.isStopped()) throw stopped()
      const page = await this.#page(this.#from, start, this.#range.end, true)
      const last = page.entries.at(-1)
      const next: Uint8Array | undefined =
        page.more && last !== undefined ? afterKey(last.key) : undefined
      const there = await this.#versions(start, next ?? this.#range.end)
      changes += await this.#install(page.entries, there)
      start = next
    }
    return changes
  }

  /** Brings the receiver's part of a page to what the giver has. */
  async #install(
    entries: readonly SentEntry[],
    there: ReadonlyMap<RawKey, number>,
  ): Promise<number> {
    const gone = new Map(there)
    const wanted = new Set<RawKey>()
    for (const { key, stored } of entries) {
      const raw = rawKey(key)
      gone.delete(raw)
      if (there.get(raw) !== stored?.version) wanted.add(raw)
    }
    const removed = [...gone.keys()].map((key) => ({ key: rawKeyBytes(key), stored: undefined }))
    if (removed.length > 0) await this.#send(removed)
    const sorted = [...wanted].sort()
    const [first] = sorted
    const last = sorted.at(-1)
    if (first === undefined || last === undefined) return removed.length
    let start: Uint8Array | undefined = rawKeyBytes(first)
    const end = afterKey(rawKeyBytes(last))
    while (start !== undefined) {
      const page = await this.#page(this.#from, start, end, false)
      const chosen = page.entries.filter(({ key }) => wanted.has(rawKey(key)))
      if (chosen.length > 0) await this.#send(chosen)
      const shown: SentEntry | undefined = page.entries.at(-1)
      start = page.more && shown !== undefined ? afterKey(shown.key) : undefined
    }
    return removed.length + wanted.size
  }

  async #send(entries: readonly SentEntry[]): Promise<void> {
    const { router, pace } = this.#context
    const { id, to } = this.#handover
    let bytes = 0
    for (const { key, stored } of entries) bytes += key.length + (stored?.value.length ?? 0)
    await pace(bytes)
    const piece = ++this.#piece
    const token = this.#token
    const install = { type: 'install', handover: id, token, piece, entries } as const
    await router.propose(install, router.routes.route(to), CALL)
  }

  /** What the receiver has of a stretch. */
  async #versions(from: Uint8Array, end: Uint8Array): Promise<ReadonlyMap<RawKey, number>> {
    const found = new Map<RawKey, number>()
    let start: Uint8Array | undefined = from
    while (start !== undefined) {
      const page = await this.#page(this.#handover.to, start, end, true)
      for (const { key, stored } of page.entries) found.set(rawKey(key), stored?.version ?? 0)
      const last: SentEntry | undefined = page.entries.at(-1)
      start = page.more && last !== undefined ? afterKey(last.key) : undefined
    }
    return found
  }

  async #page(
    shard: ShardId,
    start: Uint8Array,
    end: Uint8Array,
    keysOnly: boolean,
  ): Promise<{ readonly entries: readonly SentEntry[]; readonly more: boolean }> {
    const bounds = { start, end, reverse: false, keysOnly }
    const limits = { limit: KEYS_PER_PAGE, bytesMax: PAGE_BYTES }
    const query = { type: 'sent', ...bounds, ...limits } as const
    return this.#context.router.query(shard, query, CALL, 'copying keys')
  }
}

function afterKey(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1)
  next.set(key)
  return next
}

function stopped(): QuorateError {
  return new QuorateError('CLOSED', 'whoever looks after the placement is being stopped')
}
