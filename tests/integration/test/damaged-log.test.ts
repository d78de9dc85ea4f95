// A disk that has lost an entry which its host had acknowledged: the host says so, gets it from the
// others, and is as good as before; where it was told to halt, it does not start.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { isQuorateError } from '@quorate/core'
import type { KvClient } from '@quorate/kv'
import type { ProcessCluster } from './processes.ts'
import { processCluster, runCommand } from './processes.ts'

const IDS = ['a', 'b', 'c']
const VALUES = 40
const SHARDS = 2
const TIMEOUT_MS = 120_000

const valueOf = (number: number): string => `value ${number} `.padEnd(300, `${number}.`)

async function until<T>(ask: () => Promise<T | undefined> | T | undefined): Promise<T> {
  for (;;) {
    const answer = await ask()
    if (answer !== undefined) return answer
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** Where an entry that holds this text stands in the log of a host. */
async function placeOf(path: string, text: string): Promise<number | undefined> {
  const at = (await readFile(path)).indexOf(text)
  return at < 0 ? undefined : at
}

/** Hands the leadership of a shard to a host; `undefined` where it may not lead yet. */
async function leads(client: KvClient, shard: number, host: string): Promise<true | undefined> {
  try {
    await client.admin.transferLeader(shard, host, { timeoutMs: 5_000 })
    return true
  } catch (error) {
    if (isQuorateError(error)) return undefined
    throw error
  }
}

async function checkRepair(cluster: ProcessCluster): Promise<void> {
  await Promise.all(IDS.map((id) => cluster.start(id)))
  const client = await cluster.client()
  try {
    for (let number = 0; number < VALUES; number++)
      await client.put(`key-${number}`, valueOf(number))
    const log = join(cluster.data, 'b', 'log', '0000000001.seg')
    const at = await until(() => placeOf(log, valueOf(7)))
    await until(() => placeOf(log, valueOf(VALUES - 1)))
    expect(await cluster.stop('b')).toBe(0)
    const bytes = await readFile(log)
    bytes[at + 100] = (bytes[at + 100] as number) ^ 4
    await writeFile(log, bytes)

    const halted = cluster.start('b', ['--on-damage', 'halt'])
    await expect(halted).rejects.toThrow(/ended \(9\).*STORAGE_CORRUPT/s)

    // Nothing else is written meanwhile: what is lost is asked for, not waited for.
    await cluster.start('b', ['--log', 'warn'])
    expect(cluster.log('b')).toContain(
      'entries are damaged: their groups get them from other hosts',
    )
    await until(() =>
      cluster.log('b').includes('entries that were damaged have been replaced') ? true : undefined,
    )
    const own = ['--stale', '--connect', cluster.addresses[1] as string]
    await until(async () => {
      const { code, out } = await runCommand('get', `key-${VALUES - 1}`, ...own)
      return code === 0 && out.includes(valueOf(VALUES - 1)) ? true : undefined
    })
    for (const number of [6, 7, 8]) {
      const { out } = await runCommand('get', `key-${number}`, ...own)
      expect(out).toContain(valueOf(number))
    }
    // It counts again: it may lead, and with one of the others it is a majority.
    for (let shard = 0; shard < SHARDS; shard++) await until(() => leads(client, shard, 'b'))
    await cluster.kill('c')
    await client.put('after', 'repair', { timeoutMs: 60_000 })
    for (let number = 0; number < VALUES; number++) {
      const entry = await client.get(`key-${number}`, { timeoutMs: 60_000 })
      expect(entry?.text()).toBe(valueOf(number))
    }
    expect(await cluster.stop('b')).toBe(0)
    const report = await runCommand('store', 'verify', join(cluster.data, 'b'), '--json')
    expect(report.code).toBe(0)
    expect(JSON.parse(report.out)).toMatchObject({ findings: [{ kind: 'replaced' }] })
  } finally {
    await client.close()
  }
}

describe('a host whose disk has lost an entry', () => {
  it.each(['raft', 'paxos'])(
    'gets it from the others, and says so (%s)',
    async (consensus) => {
      const cluster = await processCluster({ ids: IDS, consensus, shards: SHARDS })
      try {
        await checkRepair(cluster)
      } finally {
        await cluster.remove()
      }
    },
    TIMEOUT_MS,
  )

  it(
    'does not start where it has the only copy',
    async () => {
      const cluster = await processCluster({ ids: ['a'], consensus: 'raft', shards: 1 })
      try {
        await cluster.start('a')
        const client = await cluster.client()
        for (let number = 0; number < 9; number++)
          await client.put(`key-${number}`, valueOf(number))
        await client.close()
        expect(await cluster.stop('a')).toBe(0)
        const log = join(cluster.data, 'a', 'log', '0000000001.seg')
        const bytes = await readFile(log)
        const at = bytes.indexOf(valueOf(5))
        bytes[at + 100] = (bytes[at + 100] as number) ^ 4
        await writeFile(log, bytes)
        await expect(cluster.start('a')).rejects.toThrow(/ended \(9\).*STORAGE_CORRUPT/s)
      } finally {
        await cluster.remove()
      }
    },
    TIMEOUT_MS,
  )
})
