// Keys that go from one range to another while a call is on its way: nothing was done then, and the
// call is made anew where the keys are by now, within the time that its caller gave it.
import { QuorateError, abortError } from '@quorate/core'
import type { CallOptions, ShardId } from '@quorate/core'
import { Moved, OnTheWay } from '../routing/routed-call.ts'
import type { Router } from '../routing/router.ts'

const TIMEOUT_MS = 10_000
const WAIT_MIN_MS = 1
const WAIT_MAX_MS = 20
/** Most attempts without a wait. */
const TURNS_MAX = 4

/**
 * The shard of a key.
 *
 * @throws OnTheWay while the key is on its way from one to another
 */
export function shardOf(router: Router, key: Uint8Array): ShardId {
  const shard = router.shardOf(key)
  if (shard === undefined) throw new OnTheWay()
  return shard
}

/** Some of the keys, each by its place in `keys`, by shard; throws {@link OnTheWay} likewise. */
export function byShard(
  router: Router,
  members: readonly number[],
  keys: readonly Uint8Array[],
): Map<ShardId, number[]> {
  const groups = new Map<ShardId, number[]>()
  for (const member of members) {
    const shard = shardOf(router, keys[member] as Uint8Array)
    const group = groups.get(shard)
    if (group === undefined) groups.set(shard, [member])
    else group.push(member)
  }
  return groups
}

/** Waits for work on some members; resolves with those of which nothing was done since they moved. */
export async function unlessMoved(
  work: Promise<void>,
  members: readonly number[],
): Promise<readonly number[]> {
  try {
    await work
    return []
  } catch (error) {
    if (error instanceof Moved) return members
    throw error
  }
}

/**
 * Attempts a call until its keys stay where they were found.
 *
 * @throws QuorateError `TIMEOUT` where they are on their way for too long, and what the call throws
 */
export async function following<T, Options extends CallOptions>(
  router: Router,
  options: Options,
  what: string,
  attempt: (left: Options) => Promise<T>,
): Promise<T> {
  if (!router.ranged) return attempt(options)
  const { clock } = router
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS
  const deadline = clock.now() + timeoutMs
  let wait = WAIT_MIN_MS
  for (let turn = 0; ; turn++) {
    try {
      return await attempt({ ...options, timeoutMs: Math.max(1, deadline - clock.now()) })
    } catch (error) {
      if (!(error instanceof Moved)) throw error
      // Whoever said that they have moved also said where they are.
      if (!(error instanceof OnTheWay) && turn < TURNS_MAX) continue
    }
    if (options.signal?.aborted === true) throw abortError(options.signal, what)
    if (clock.now() + wait >= deadline) {
      const message = `${what} was not done within ${timeoutMs} ms: its keys are being moved`
      throw new QuorateError('TIMEOUT', message)
    }
    await router.relearn()
    const delay = wait
    wait = Math.min(WAIT_MAX_MS, wait * 2)
    await new Promise<void>((resolve) => void clock.setTimer(delay, resolve))
  }
}
