// A watch under way: one poll for each shard, merged as they are answered. Where keys go from one
// shard to another, what the one has to tell of them is shown before what the other has.
import { QuorateError, decodeUtf8, isQuorateError } from '@quorate/core'
import type { ShardId } from '@quorate/core'
import type { KvEvent } from '../kv.ts'
import type { Router } from '../routing/router.ts'
import type { ValueFormat } from './entry.ts'
import { decodeWatchPage } from './watch-page.ts'
import type { PolledChange, WatchPage } from './watch-page.ts'
import { tokenOf } from './watch-token.ts'
import type { Positions } from './watch-token.ts'

const POLL_MS = 20_000

interface Polled {
  readonly shard: ShardId
  readonly page: WatchPage
  /** How many of its changes have been shown. */
  readonly shown: number
}

/** A watch under way. */
export class Watching {
  readonly #router: Router
  readonly #positions: Positions
  readonly #prefix: Uint8Array
  readonly #signal: AbortSignal
  readonly #ready: Polled[] = []
  /** Pages that wait until another shard has shown all that it had, by that shard. */
  readonly #held = new Map<ShardId, Polled[]>()
  #failure: { readonly error: unknown } | undefined
  #wake = (): void => {}

  constructor(router: Router, positions: Positions, prefix: Uint8Array, signal: AbortSignal) {
    this.#router = router
    this.#positions = positions
    this.#prefix = prefix
    this.#signal = signal
  }

  /** The changes, as they come. */
  async *events<Out>(format: ValueFormat<never, Out>): AsyncGenerator<KvEvent<Out>> {
    for (const shard of this.#positions.keys()) this.#start(shard)
    for (;;) {
      const polled = this.#ready.shift()
      if (polled !== undefined) {
        yield* this.#show(polled, format)
        continue
      }
      if (this.#failure !== undefined) throw this.#failure.error
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  *#show<Out>(polled: Polled, format: ValueFormat<never, Out>): Generator<KvEvent<Out>> {
    const { shard, page } = polled
    const positions = this.#positions
    for (let at = polled.shown; at < page.changes.length; at++) {
      const change = page.changes[at] as PolledChange
      // A token inside a transaction would have to name a part of it.
      const whole = page.changes[at + 1]?.revision !== change.revision
      if (change.handover === undefined) {
        if (whole) positions.set(shard, change.revision)
        yield eventOf(shard, change, whole ? tokenOf(this.#router, positions) : undefined, format)
        continue
      }
      const { handover, revision } = change
      if ('from' in handover && positions.has(handover.from)) {
        const waiting = this.#held.get(handover.from) ?? []
        waiting.push({ shard, page, shown: at })
        this.#held.set(handover.from, waiting)
        return
      }
      positions.set(shard, revision)
      if ('to' in handover && this.#follow(shard, handover, revision)) return
    }
    positions.set(shard, Math.max(positions.get(shard) ?? 0, page.revision))
    this.#start(shard)
  }

  /** Goes on where keys have gone; `true` where the shard that they come from has none left. */
  #follow(
    shard: ShardId,
    { to, last }: { readonly to: ShardId; readonly last: boolean },
    revision: number,
  ): boolean {
    if (!this.#positions.has(to)) {
      this.#positions.set(to, revision)
      this.#start(to)
    }
    if (!last) return false
    this.#positions.delete(shard)
    this.#ready.push(...(this.#held.get(shard) ?? []))
    this.#held.delete(shard)
    return true
  }

  #start(shard: ShardId): void {
    this.#poll(shard).then(
      (page) => {
        this.#ready.push({ shard, page, shown: 0 })
        this.#wake()
      },
      (error: unknown) => {
        this.#failure ??= { error }
        this.#wake()
      },
    )
  }

  async #poll(shard: ShardId): Promise<WatchPage> {
    const router = this.#router
    const after = this.#positions.get(shard) as number
    for (;;) {
      await this.#known(shard)
      try {
        const options = { signal: this.#signal, timeoutMs: POLL_MS }
        return decodeWatchPage(await router.watch(shard, after, this.#prefix, options))
      } catch (error) {
        // A watch outlasts any time without a replica; it ends when its owner ends it.
        if (!isQuorateError(error, 'TIMEOUT')) throw error
      }
    }
  }

  /** Waits until the map has a shard that a handover told of. */
  async #known(shard: ShardId): Promise<void> {
    const { routes, clock } = this.#router
    for (let wait = 1; routes.all[shard] === undefined; wait = Math.min(100, wait * 2)) {
      if (this.#signal.aborted) throw new QuorateError('ABORTED', 'the watch was ended')
      await this.#router.relearn()
      await new Promise<void>((resolve) => void clock.setTimer(wait, resolve))
    }
    if (!this.#router.ranged || routes.route(shard).members.length > 0) return
    throw new QuorateError('COMPACTED', `shard ${shard} is no more, nor are its changes`)
  }
}

function eventOf<Out>(
  shard: ShardId,
  change: PolledChange,
  token: string | undefined,
  format: ValueFormat<never, Out>,
): KvEvent<Out> {
  const { key, value, revision } = change
  return {
    type: value === undefined ? 'delete' : 'put',
    key,
    value: value === undefined ? undefined : format.fromBytes(value),
    version: revision,
    shard,
    token,
    keyText: () => decodeUtf8(key),
  }
}
