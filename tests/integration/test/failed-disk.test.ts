// A sync that fails: the host acknowledges nothing more, ends with the exit code that says so, and knows
// everything that it had acknowledged when it is started again. Needs strace, to make the sync fail.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { isQuorateError } from '@quorate/core'
import { CLI, processCluster } from './processes.ts'

const SYNC = 'fdatasync:error=EIO:when=60+'

function canInject(): boolean {
  const { status } = spawnSync('strace', ['-qq', '-o', '/dev/null', '-e', `inject=${SYNC}`, 'true'])
  return status === 0
}

describe('a host whose disk fails', () => {
  const required = process.env['QUORATE_REQUIRE_TOOLS'] === '1'
  it.skipIf(!canInject() && !required)(
    'ends with a code of its own, and loses nothing',
    async () => {
      const options = ['--replicas', '1', '--log', 'error']
      const cluster = await processCluster({ ids: ['a'], consensus: 'raft', shards: 1, options })
      try {
        const host = spawn(
          'strace',
          ['-f', '-qq', '-o', '/dev/null', '-e', 'trace=fdatasync', '-e', `inject=${SYNC}`].concat(
            [process.execPath, CLI, 'node', '--id', 'a', '--data', cluster.data],
            cluster.arguments('a'),
            options,
          ),
          { stdio: ['ignore', 'ignore', 'pipe'] },
        )
        const exited = once(host, 'exit')
        let told = ''
        host.stderr.on('data', (text: Buffer) => void (told += text.toString()))
        const client = await cluster.client()
        let acknowledged = 0
        try {
          for (; acknowledged < 1_000; acknowledged++)
            await client.put(`key-${acknowledged}`, 'there', { timeoutMs: 10_000 })
        } catch (error) {
          if (!isQuorateError(error)) throw error
        }
        await client.close()
        const [code] = (await exited) as [number | null]
        expect([code, told]).toEqual([74, expect.stringContaining('STORAGE_FAILED')])
        expect(acknowledged).toBeGreaterThan(5)
        expect(acknowledged).toBeLessThan(1_000)

        await cluster.start('a')
        const again = await cluster.client()
        for (let number = 0; number < acknowledged; number++) {
          const entry = await again.get(`key-${number}`, { timeoutMs: 30_000 })
          if (entry?.text() !== 'there') throw new Error(`key-${number} of ${acknowledged} is gone`)
        }
        await again.close()
      } finally {
        await cluster.remove()
      }
    },
    120_000,
  )
})
