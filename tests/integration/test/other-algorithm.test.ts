// Data that one algorithm wrote is refused by the other, with the way out in the message.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { processCluster, runCommand } from './processes.ts'

it.each([
  ['raft', 'paxos'],
  ['paxos', 'raft'],
])('a directory of %s is not opened with %s', { timeout: 60_000 }, async (made, opened) => {
  const data = await mkdtemp(join(tmpdir(), 'quorate-other-'))
  const one = await processCluster({ ids: ['a'], consensus: made, shards: 1 })
  try {
    await one.start('a', ['--data', data])
    expect(await one.stop('a')).toBe(0)
    const ports = ['--client-port', '0', '--peer-port', '0']
    const options = ['--peers', '', '--data', data, '--shards', '1', '--consensus', opened]
    const result = await runCommand('node', '--id', 'a', ...ports, ...options)
    expect(result).toMatchObject({
      code: 8,
      err: expect.stringContaining('STORAGE_ALGORITHM_MISMATCH') as string,
    })
    expect(result.err).toContain('use the algorithm that made it, or another directory')
  } finally {
    await one.remove()
    await rm(data, { recursive: true, force: true })
  }
})
