// Once everything is spread it stays where it is: ten simulated minutes under a load that goes up and
// down by a fifth, and not one move.
import { createRandom, isQuorateError } from '@quorate/core'
import type { Placement } from '@quorate/kv'
import { paxos } from '@quorate/paxos'
import { raft } from '@quorate/raft'
import { describe, expect, it } from 'vitest'
import { SimKvClients } from './sim-kv-clients.ts'
import { judgeHistory, kvHistory } from './sim-kv-history.ts'
import type { Algorithm } from './sim-kv-store.ts'
import { simKv } from './sim-kv-store.ts'
import { settled } from './sim-kv-rest.ts'

const MINUTES = 10
/** Slow clocks make simulated minutes cheap. */
const timing = { electionTimeoutMs: 3_000, heartbeatIntervalMs: 600 }
const algorithms: readonly Algorithm[] = [
  { name: 'raft', consensus: raft(timing) },
  {
    name: 'paxos',
    consensus: paxos(timing),
    promises: { leaderPerEpoch: false, epochsAgree: false },
  },
]

interface Silence {
  readonly before: Placement
  readonly after: Placement
  readonly planned: number
}

describe('a store that has come to rest', () => {
  it.each(algorithms.map((each) => [each.name, each] as const))(
    'moves nothing any more (%s)',
    { timeout: 300_000 },
    async (_name, algorithm) => {
      const store = await simKv({
        seed: 1,
        algorithm,
        members: ['h1', 'h2', 'h3', 'h4'],
        spares: ['h5'],
        mapHosts: ['h1', 'h2', 'h3'],
        shards: 4,
        replicas: 3,
        snapshots: { everyEntries: 500, keepEntries: 50 },
        intervalMs: 1_000,
        replaceAfterMs: 30_000,
        lagEntriesMax: 64,
        balanceLeaders: true,
      })
      const { cluster, hosts } = store
      const random = createRandom(1).fork('noise')
      const options = { thinkMs: 1_000, embedded: 0.5, vanishing: 0 }
      const clients = new SimKvClients(store, kvHistory(), options)
      const sleep = (ms: number): Promise<void> =>
        new Promise((resolve) => cluster.after(ms, () => resolve()))
      const watch = async (): Promise<Silence> => {
        const client = await clients.connect('operator')
        for (;;) {
          try {
            await client.admin.join('h5')
            break
          } catch (error) {
            if (!isQuorateError(error)) throw error
            await sleep(500)
          }
        }
        const rest = async (): Promise<Placement> => {
          for (;;) {
            const { placement, why } = await settled(store, client, new Set())
            if (placement !== undefined && why === undefined && placement.hosts['h5'] === 'active')
              return placement
            await sleep(500)
          }
        }
        await rest()
        // Whatever was about to be planned has been by then.
        await sleep(5_000)
        const before = await rest()
        for (let at = 0; at < MINUTES * 6; at++) {
          // From four to six clients, a fifth less or more than five.
          clients.scale(4 + random.below(3))
          await sleep(10_000)
        }
        const planned = await client.admin.plan()
        return { before, after: await client.admin.placement(), planned: planned.length }
      }
      for (const id of hosts) cluster.start(id)
      clients.start(5)
      let silence: Silence | undefined
      watch().then(
        (result) => void (silence = result),
        (error: unknown) => cluster.fail(error),
      )
      await cluster.run((MINUTES + 5) * 60_000, () => silence !== undefined)
      cluster.close()
      expect(cluster.failure?.error).toBeUndefined()
      expect(silence?.after).toEqual(silence?.before)
      expect(silence?.planned).toBe(0)
      const { voters } = silence?.after.shards[0] ?? { voters: [] }
      expect(voters).toHaveLength(3)
      clients.abandon()
      expect(
        judgeHistory({ ...clients.history, keys: clients.history.keys.slice(0, 600) }).wrong,
      ).toBeUndefined()
      console.log(`${algorithm.name}: ${cluster.events} events, ${clients.counts.ok} operations`)
    },
  )
})
