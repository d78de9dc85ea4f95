// Everything that is opened is closed: one shape for whatever holds a resource, so that a
// failed start can be undone in reverse order and `await using` works everywhere.

/** Options of anything that waits. */
export interface AbortOptions {
  /** Ends the wait; the promise then rejects with `ABORTED`, or with `OUTCOME_UNKNOWN` where the effect may have happened. */
  readonly signal?: AbortSignal | undefined
}

const fans = new WeakMap<
  AbortSignal,
  { readonly fire: () => void; readonly listeners: Set<() => void> }
>()

/**
 * Calls `listener` once when `signal` is aborted, which it must not be yet. However many listen to
 * one signal, the platform sees one listener: many calls under one signal are no leak.
 */
export function onAbort(signal: AbortSignal, listener: () => void): void {
  let fan = fans.get(signal)
  if (fan === undefined) {
    const listeners = new Set<() => void>()
    const fire = (): void => {
      fans.delete(signal)
      for (const each of listeners) each()
    }
    fan = { fire, listeners }
    fans.set(signal, fan)
    signal.addEventListener('abort', fire, { once: true })
  }
  fan.listeners.add(listener)
}

/** Takes back {@link onAbort}; harmless where the listener was called or never added. */
export function offAbort(signal: AbortSignal, listener: () => void): void {
  const fan = fans.get(signal)
  if (fan === undefined) return
  fan.listeners.delete(listener)
  if (fan.listeners.size > 0) return
  fans.delete(signal)
  signal.removeEventListener('abort', fan.fire)
}

/** Where a resource is in its life; it only moves forward. */
export type Lifecycle = 'opening' | 'open' | 'closing' | 'closed'

/** Something that holds resources until it is closed. */
export interface Closeable extends AsyncDisposable {
  /** Where it is in its life. */
  readonly status: Lifecycle
  /**
   * Releases every resource.
   *
   * Contract. Idempotent: further calls return the first call's result. May be called in any
   * state, also while opening or after a failed open. Aborting `signal` stops waiting for
   * orderly completion and releases at once. After it settles no timer, listener, socket or
   * file of this object remains.
   */
  close(options?: AbortOptions): Promise<void>
}

/**
 * Closes all, each even where another fails, the last one first.
 *
 * @throws the failure where one failed, an `AggregateError` where several did
 */
export async function closeAll(
  resources: readonly Pick<Closeable, 'close'>[],
  options?: AbortOptions,
): Promise<void> {
  const failures: unknown[] = []
  for (const resource of resources.toReversed()) {
    try {
      await resource.close(options)
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length === 1) throw failures[0]
  if (failures.length > 1)
    throw new AggregateError(failures, `${failures.length} of ${resources.length} failed to close`)
}
