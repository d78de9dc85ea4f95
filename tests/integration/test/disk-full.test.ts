// A disk that fills up: writes are refused with a typed error, reads go on, nothing acknowledged is
// lost, and writes go on once there is room. Needs root, to mount a small file system.
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { equalBytes, isQuorateError } from '@quorate/core'
import type { KvClient } from '@quorate/kv'
import { processCluster } from './processes.ts'

const SIZE_MB = 512
const FILLER_MB = 304
const VALUE_BYTES = 512 * 1_024

function canMount(): boolean {
  try {
    execFileSync('unshare', ['-m', 'true'], { stdio: 'ignore' })
    return process.getuid?.() === 0
  } catch {
    return false
  }
}

function valueOf(number: number): Uint8Array {
  return new Uint8Array(VALUE_BYTES).fill(number)
}

/** Puts until one is refused; returns how many were acknowledged, and the refusal. */
async function fill(client: KvClient): Promise<{ acknowledged: number; error: unknown }> {
  for (let count = 0; ; count++) {
    if (count * VALUE_BYTES > SIZE_MB * 2 ** 20) throw new Error('the disk never became full')
    try {
      await client.put(`key-${count}`, valueOf(count), {
        timeoutMs: 20_000,
      })
    } catch (error) {
      return { acknowledged: count, error }
    }
  }
}

async function expectAll(client: KvClient, count: number): Promise<void> {
  for (let number = 0; number < count; number++) {
    const entry = await client.get(`key-${number}`)
    // Compared by hand: a matcher takes seconds for each value of this size.
    const same = entry !== undefined && equalBytes(entry.value, valueOf(number))
    expect(same, `key-${number} after ${count} acknowledged writes`).toBe(true)
  }
}

async function untilWritable(client: KvClient): Promise<void> {
  for (;;) {
    try {
      return void (await client.put('after', 'room'))
    } catch (error) {
      if (!isQuorateError(error, 'NO_SPACE')) throw error
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}

describe('a full disk', () => {
  const possible = canMount()
  const required = process.env['QUORATE_REQUIRE_TOOLS'] === '1'
  it.skipIf(!possible && !required)(
    'refuses writes, keeps what was acknowledged, and goes on once there is room (needs root)',
    async () => {
      expect(possible, 'not root, or mounts are not allowed').toBe(true)
      const disk = await mkdtemp(join(tmpdir(), 'quorate-disk-'))
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${SIZE_MB}m`, 'tmpfs', disk])
      const cluster = await processCluster({ ids: ['a'], consensus: 'raft', shards: 2 })
      try {
        const filler = join(disk, 'filler')
        await writeFile(filler, new Uint8Array(FILLER_MB * 2 ** 20))
        await cluster.start('a', ['--data', disk])
        const client = await cluster.client()
        const { acknowledged, error } = await fill(client)
        expect(error).toMatchObject({
          code: 'NO_SPACE',
          message: expect.stringContaining('host a is full or nearly so; free space') as string,
        })
        expect(acknowledged).toBeGreaterThan(10)
        await expectAll(client, acknowledged)
        expect(await cluster.run('put', 'x', 'y')).toMatchObject({
          code: 6,
          err: expect.stringContaining('NO_SPACE') as string,
        })
        await rm(filler)
        await untilWritable(client)
        await cluster.kill('a')
        await cluster.start('a', ['--data', disk])
        await expectAll(client, acknowledged)
        expect((await client.get('after'))?.text()).toBe('room')
        await client.close()
      } finally {
        await cluster.remove()
        execFileSync('umount', ['-l', disk])
        await rm(disk, { recursive: true, force: true })
      }
    },
    180_000,
  )
})
