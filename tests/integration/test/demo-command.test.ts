// The cluster that `npm start` runs: what it prints, that a host which ends is started again until
// it starts, and what a directory of an earlier one means.
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { freePort, runCommand, startCommand } from './processes.ts'

const TIMEOUT_MS = 60_000
let data: string
let port: number
let running: Demo | undefined

interface Demo {
  /** Everything printed so far. */
  readonly output: () => string
  /** Resolves once what was printed matches. */
  until(pattern: RegExp): Promise<RegExpExecArray>
  /** Presses ctrl-C; resolves with the exit code. */
  stop(): Promise<number | null>
}

async function startDemo(...args: string[]): Promise<Demo> {
  const base = ['demo', '--data', data, '--port', String(port), '--storage', 'memory']
  const child = startCommand(...base, '--shards', '2', ...args)
  let text = ''
  let wake = (): void => {}
  const hear = (part: Buffer): void => {
    text += part.toString()
    wake()
  }
  child.stdout.on('data', hear)
  child.stderr.on('data', hear)
  child.once('exit', () => wake())
  const until: Demo['until'] = async (pattern) => {
    for (;;) {
      const found = pattern.exec(text)
      if (found !== null) return found
      if (child.exitCode !== null) throw new Error(`the demo ended (${child.exitCode}): ${text}`)
      await new Promise<void>((resolve) => (wake = resolve))
    }
  }
  running = {
    output: () => text,
    until,
    async stop() {
      if (child.exitCode === null) {
        const exited = once(child, 'exit')
        child.kill('SIGINT')
        await exited
      }
      return child.exitCode
    },
  }
  await until(/ctrl-C stops all of it/)
  return running
}

/** The process of a host, once the host that is asked has heard from it. */
async function pidOf(id: string): Promise<number> {
  for (;;) {
    const response = await fetch(`http://127.0.0.1:${port}/api/cluster`)
    const { hosts } = (await response.json()) as { hosts: { id: string; pid: number }[] }
    const pid = hosts.find((host) => host.id === id)?.pid ?? 0
    if (pid !== 0) return pid
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'quorate-demo-'))
  // Three hosts take two ports each.
  port = await freePort([1, 2, 100, 101, 102])
})
afterEach(async () => {
  await running?.stop()
})
afterAll(() => rm(data, { recursive: true, force: true }))

describe('the demo', () => {
  it(
    'starts a host again until it starts',
    async () => {
      const demo = await startDemo()
      expect(demo.output()).not.toContain('"level"')
      process.kill(await pidOf('b'), 'SIGKILL')
      await demo.until(/host b ended \(SIGKILL\); it is started again in 2 s/)
      const squatter = createServer((socket) => socket.destroy())
      await once(squatter.listen(port + 101, '127.0.0.1'), 'listening')
      await demo.until(/host b did not start \(exit code 8\); it is started again in 4 s/)
      await new Promise((resolve) => squatter.close(resolve))
      await demo.until(/host b is back/)
      expect(await runCommand('put', 'x', 'y', '--data', data)).toMatchObject({ code: 0 })
      expect(await demo.stop()).toBe(0)
    },
    TIMEOUT_MS,
  )

  it(
    'begins anew where nothing was kept, and says so',
    async () => {
      const demo = await startDemo('--shards', '3')
      expect(demo.output()).toMatch(/--shards 2 .*--storage memory kept nothing: this is a new one/)
      expect(demo.output()).toContain('3 shards of 3 replicas')
      expect(await runCommand('get', 'x', '--data', data)).toMatchObject({ code: 3 })
      expect(await demo.stop()).toBe(0)
    },
    TIMEOUT_MS,
  )

  const hasIpv6 = Object.values(networkInterfaces()).some((all) =>
    all?.some(({ address }) => address === '::1'),
  )
  it.each([['0.0.0.0', '127.0.0.1'], ...(hasIpv6 ? [['::1', '[::1]']] : [])])(
    'bound to %s prints addresses that work',
    async (bind, host) => {
      const demo = await startDemo('--bind', bind as string)
      await demo.until(
        new RegExp(`dashboard +http://${host?.replaceAll(/[[\]]/g, '\\$&')}:${port}`),
      )
      expect(await runCommand('put', 'x', 'y', '--data', data)).toMatchObject({ code: 0 })
      expect((await fetch(`http://${host}:${port}/api/cluster`)).status).toBe(200)
      expect(await demo.stop()).toBe(0)
    },
    TIMEOUT_MS,
  )

  it('is not begun over data that another layout has made, nor beside a damaged file', async () => {
    const file = join(data, 'cluster.json')
    const layout = '--nodes 3 --shards 16 --replicas 3 --consensus raft --storage fs'
    const hosts = [{ id: 'a', client: 'ws://127.0.0.1:1/client' }]
    await writeFile(file, JSON.stringify({ cluster: 'playground', layout, hosts }))
    const other = await runCommand('demo', '--data', data, '--port', String(port), '--shards', '4')
    expect(other).toMatchObject({ code: 8, err: expect.stringContaining(layout) as string })
    // The file tells of a cluster; that it does not run is only found out.
    expect(await runCommand('get', 'x', '--data', data, '--timeout', '300')).toMatchObject({
      code: 6,
      err: expect.stringMatching(/UNAVAILABLE.*if the cluster of .* start it again$/m) as string,
    })
    await writeFile(file, '{"cluster": "play')
    for (const args of [['demo', '--port', String(port)], ['get', 'x'], ['members']]) {
      const result = await runCommand(...args, '--data', data)
      expect(result).toMatchObject({
        code: 8,
        err: expect.stringMatching(/cluster\.json is damaged: remove it/) as string,
      })
    }
  })
})
