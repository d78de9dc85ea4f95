// A host that comes into a running cluster by the command: it takes its share, is known to all after
// every process was killed, and its name is nobody else's.
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { KvStatus } from '@quorate/kv'
import type { ProcessCluster } from './processes.ts'
import { freePorts, processCluster, runCommand } from './processes.ts'

const IDS = ['a', 'b', 'c']
const TIMEOUT_MS = 120_000

async function statusOf(cluster: ProcessCluster): Promise<KvStatus> {
  const { code, out, err } = await cluster.run('status', '--json')
  if (code !== 0 && code !== 6) throw new Error(err)
  return JSON.parse(out) as KvStatus
}

async function untilStatus(
  cluster: ProcessCluster,
  holds: (status: KvStatus) => boolean,
): Promise<KvStatus> {
  for (;;) {
    const status = await statusOf(cluster)
    if (holds(status)) return status
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
}

/** Whether each host is a voter of as many shards as any other, and no host of more. */
function isSpread({ shards }: KvStatus, hosts: readonly string[], each: number): boolean {
  const held = (id: string): number => shards.filter(({ voters }) => voters.includes(id)).length
  return (
    hosts.every((id) => held(id) === each) &&
    shards.every(({ replicas, underReplicated }) => replicas.length === 3 && !underReplicated)
  )
}

describe('a fourth host', () => {
  let cluster: ProcessCluster
  beforeAll(async () => {
    cluster = await processCluster({ ids: IDS, consensus: 'paxos', shards: 4 })
    await Promise.all(IDS.map((id) => cluster.start(id)))
    await Promise.all(
      Array.from({ length: 8 }, (_, at) => cluster.run('put', `key-${at}`, `value-${at}`)),
    )
  }, TIMEOUT_MS)
  afterAll(() => cluster.remove())

  it(
    'takes its share, and is there again after all were killed',
    async () => {
      await cluster.join('d')
      const all = [...IDS, 'd']
      await untilStatus(cluster, (status) => isSpread(status, all, 3))
      await Promise.all(all.map((id) => cluster.kill(id)))
      // Whom it asks may not be there yet.
      const others = ['b', 'c', 'a']
      await Promise.all([cluster.join('d'), ...others.map((id) => cluster.start(id))])
      const { hosts } = await untilStatus(cluster, (status) => isSpread(status, all, 3))
      expect(hosts.map(({ id, reachable }) => [id, reachable])).toEqual(all.map((id) => [id, true]))
      const { out } = await cluster.run('scan', 'key-', '--json')
      expect(
        out
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as object),
      ).toMatchObject(
        Array.from({ length: 8 }, (_, at) => ({ key: `key-${at}`, value: `value-${at}` })),
      )
    },
    TIMEOUT_MS,
  )
})

describe('a host that cannot join', () => {
  let cluster: ProcessCluster
  const joining = (...args: string[]) => {
    const base = ['node', '--join', cluster.addresses[0] as string, '--storage', 'memory']
    return runCommand(...base, '--data', join(cluster.data, 'other'), ...args)
  }
  beforeAll(async () => {
    cluster = await processCluster({
      ids: ['a', 'b'],
      consensus: 'raft',
      shards: 2,
      options: ['--replicas', '1'],
    })
    await Promise.all(['a', 'b'].map((id) => cluster.start(id)))
  })
  afterAll(() => cluster.remove())

  it.each<[string, string[], number, RegExp]>([
    ['has the name of another', ['--id', 'a'], 8, /there is a host a in the cluster already/],
    ['names hosts too', ['--id', 'x', '--peers', 'a=ws://127.0.0.1:1'], 2, /leave out --peers/],
    ['asks for other shards', ['--id', 'x', '--shards', '3'], 8, /has --shards 2, not 3/],
    ['says no address', ['--id', 'x', '--bind', '0.0.0.0'], 2, /--advertise/],
    ['has no name', [], 2, /--id/],
    ['has a bad name', ['--id', '../x'], 2, /--id must be/],
  ])('%s', async (_, args, code, message) => {
    const result = await joining(...args)
    expect(result).toMatchObject({ code, err: expect.stringMatching(message) as string })
    expect(result.err).not.toMatch(/^\s+at /m)
    expect((await statusOf(cluster)).hosts).toHaveLength(2)
  })

  it('finds nobody', async () => {
    const [port] = await freePorts(1)
    expect(await joining('--id', 'x', '--join', `ws://127.0.0.1:${port}/client`)).toMatchObject({
      code: 6,
      err: expect.stringMatching(/no host answers at ws:\/\/127\.0\.0\.1/) as string,
    })
  })

  it('has lost its data, unless it says so', async () => {
    await cluster.join('m', ['--storage', 'memory'])
    await cluster.kill('m')
    await expect(cluster.join('m', ['--storage', 'memory'])).rejects.toThrow(
      /ended \(8\).*--rejoin/,
    )
    await cluster.join('m', ['--storage', 'memory', '--rejoin'])
  })

  it('is not known by what did not fit, and comes in once it does', async () => {
    const taken = new URL(cluster.addresses[0] as string).port
    const refusals: [string[], RegExp][] = [
      [['--consensus', 'paxos'], /INVALID_OPTIONS.*has --consensus raft, not paxos/],
      [['--storage', 'stone'], /INVALID_OPTIONS.*"stone" is unknown/],
      [['--client-port', taken], /PORT_IN_USE.*by --client-port/],
      [['--peer-port', taken], /PORT_IN_USE.*by --peer-port/],
    ]
    for (const [args, message] of refusals) {
      const error = await cluster.join('y', args).catch((failure: unknown) => failure)
      expect(String(error)).toMatch(/ended \(8\)/)
      expect(String(error)).toMatch(message)
    }
    await cluster.join('y')
    expect(await cluster.stop('y')).toBe(0)
  })

  it('is named in --peers of a cluster that runs', async () => {
    expect(await cluster.stop('b')).toBe(0)
    const more = 'a=ws://127.0.0.1:1,x=ws://127.0.0.1:2'
    await expect(cluster.start('b', ['--peers', more])).rejects.toThrow(
      /ended \(8\).*began with --shards 2 --replicas 1 and the hosts a, b.* by --join/,
    )
    await cluster.start('b')
  })

  it('learns what its damaged file said from the others', async () => {
    const file = join(cluster.data, 'a.hosts.json')
    await cluster.kill('a')
    const before = await readFile(file, 'utf8')
    expect(before).toContain('"m"')
    await writeFile(file, before.slice(0, 20))
    await expect(cluster.start('a')).rejects.toThrow(/a\.hosts\.json is damaged/)
    await rm(file)
    await cluster.start('a')
    while (!(await readFile(file, 'utf8')).includes('"m"')) {
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  })
})
