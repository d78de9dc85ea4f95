// Typed events without a dependency on any platform's emitter: a set of listeners for each
// name, and an unsubscribe function instead of a second method to forget.
import type { Logger } from './observability.ts'

/** Removes a listener; idempotent. */
export type Unsubscribe = () => void

/** Something that tells listeners of events; `Events` maps each name to what a listener is given. */
export interface EventSource<Events extends object> {
  /** Calls `listener` at each event of that name until the returned function is called. */
  on<Name extends keyof Events>(name: Name, listener: (event: Events[Name]) => void): Unsubscribe
}

/** An {@link EventSource} for its owner, who may also emit. */
export interface Emitter<Events extends object> extends EventSource<Events> {
  /** Calls each listener in the order of subscription; one that throws is logged and the rest still run. */
  emit<Name extends keyof Events>(name: Name, event: Events[Name]): void
  /** How many listeners there are, of all names. */
  count(): number
  /** Removes every listener. */
  clear(): void
}

/** Makes an emitter; failures of listeners go to `logger`. */
export function createEmitter<Events extends object>(logger: Logger): Emitter<Events> {
  const listeners = new Map<keyof Events, Set<(event: never) => void>>()
  return {
    on(name, listener) {
      // A wrapper keeps two subscriptions of one function apart, so that each can be removed.
      const entry = (event: never): void => listener(event)
      const set = listeners.get(name) ?? new Set()
      listeners.set(name, set.add(entry))
      return () => void set.delete(entry)
    },
    emit(name, event) {
      for (const listener of listeners.get(name) ?? []) {
        try {
          listener(event as never)
        } catch (error) {
          logger.error({ event: String(name), error }, 'a listener threw')
        }
      }
    },
    count: () => [...listeners.values()].reduce((sum, set) => sum + set.size, 0),
    clear: () => listeners.clear(),
  }
}
