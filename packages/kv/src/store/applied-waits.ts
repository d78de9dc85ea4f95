// Waits for a replica to have applied so much: reads at followers, reads of one's own writes, and
// polls of watches all come down to this.
import type { Clock } from '@quorate/core'
import { deadlines } from '../routing/deadlines.ts'
import type { ShardMachine } from '../machine/shard-machine.ts'

/** Waits on one state machine. */
export interface AppliedWaits {
  /**
   * Calls `check` after commands were applied until it returns `true`, and `expired` where that has
   * not happened in time. Neither is called during this call.
   */
  wait(timeoutMs: number, check: () => boolean, expired: () => void): void
  /** How many wait. */
  readonly size: number
  /** Ends all as expired. */
  close(): void
}

/** Makes the waits of a state machine. */
export function appliedWaits(machine: ShardMachine, clock: Clock): AppliedWaits {
  const due = deadlines(clock)
  const waits = new Set<{ readonly deadline: number; check(): boolean; expire(): void }>()
  const stop = machine.onApplied(() => {
    for (const wait of waits) {
      if (!wait.check()) continue
      waits.delete(wait)
      due.remove(wait)
    }
  })
  return {
    get size() {
      return waits.size
    },
    wait(timeoutMs, check, expired) {
      const wait = {
        deadline: clock.now() + timeoutMs,
        check,
        expire: () => {
          waits.delete(wait)
          expired()
        },
      }
      waits.add(wait)
      due.add(wait)
    },
    close() {
      stop()
      due.expireAll()
    },
  }
}
