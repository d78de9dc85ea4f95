// What a managed store costs whose shards nobody uses: processor time, over three hosts in one process.
import { hashRing } from '@quorate/ring'
import { round } from '../record.ts'
import { startCluster } from './cluster.ts'
import type { Algorithm } from './cluster.ts'

/** What to measure. */
export interface IdleOptions {
  /** The algorithm. */
  readonly consensus: Algorithm
  /** After how long without anything to do a shard falls asleep; 0: never. Default: the algorithm's own. */
  readonly hibernateAfterMs?: number | undefined
  /** For how long nobody asks anything before it is measured, in milliseconds. */
  readonly settleMs: number
  /** How many shards. */
  readonly shards: number
  /** For how long. */
  readonly seconds: number
}

/** The share of one core that three hosts use together while nothing is asked of them. */
export async function measureIdle(options: IdleOptions): Promise<object> {
  const { consensus, hibernateAfterMs, settleMs, shards, seconds } = options
  const ids = ['a', 'b', 'c']
  const partitioner = hashRing({ members: ids, shards, replicas: 3 })
  const managed = { balanceLeaders: true }
  const cluster = await startCluster({ ids, consensus, hibernateAfterMs, partitioner, managed })
  try {
    // Groups fall asleep only after a while without anything to do.
    await passing(settleMs)
    const cpu = process.cpuUsage()
    const started = performance.now()
    await passing(seconds * 1_000)
    const { user, system } = process.cpuUsage(cpu)
    const percent = (user + system) / 10 / (performance.now() - started)
    return {
      shards,
      hosts: 3,
      hibernateAfterMs: hibernateAfterMs ?? 'default',
      corePercent: round(percent),
      corePercentEach: round(percent / 3),
    }
  } finally {
    await cluster.close()
  }
}

function passing(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
