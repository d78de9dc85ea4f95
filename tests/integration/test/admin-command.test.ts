// The commands of whoever runs a cluster: hosts, moves, leaders and plans, on real processes, with
// what each answers and with which exit code.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CommandResult, ProcessCluster } from './processes.ts'
import { processCluster } from './processes.ts'

const IDS = ['a', 'b', 'c', 'd']
const SHARDS = 4
const TIMEOUT_MS = 120_000

interface Members {
  readonly hosts: readonly {
    readonly id: string
    readonly state: string
    readonly reachable: boolean
    readonly shards: readonly number[]
    readonly leads: readonly number[]
  }[]
  readonly underReplicated: readonly number[]
  readonly leaderless: readonly number[]
  readonly moves: readonly { readonly shard: number }[]
  readonly paused: boolean
}

interface Plan {
  readonly paused: boolean
  readonly moves: readonly { readonly shard: number; readonly reason: string }[]
  readonly planned: readonly { readonly shard: number; readonly reason: string }[]
}

async function json<T>(cluster: ProcessCluster, ...args: string[]): Promise<T> {
  const { code, out, err } = await cluster.run(...args, '--json')
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${err}`)
  return JSON.parse(out) as T
}

const members = (cluster: ProcessCluster): Promise<Members> => json<Members>(cluster, 'members')

async function untilMembers(
  cluster: ProcessCluster,
  holds: (view: Members) => boolean,
): Promise<Members> {
  for (;;) {
    const view = await members(cluster)
    if (holds(view)) return view
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
}

const isSettled = ({ moves, leaderless, underReplicated }: Members): boolean =>
  moves.length + leaderless.length + underReplicated.length === 0

function hostOf(view: Members, id: string): Members['hosts'][number] {
  const host = view.hosts.find((each) => each.id === id)
  if (host === undefined) throw new Error(`there is no host ${id}`)
  return host
}

/** A shard that a host does not hold. */
function shardWithout(view: Members, id: string): string {
  const held = hostOf(view, id).shards
  return String(Array.from({ length: SHARDS }, (_, at) => at).find((at) => !held.includes(at)))
}

function expectFailure(result: CommandResult, code: number, message: RegExp): void {
  expect(result).toMatchObject({ code, err: expect.stringMatching(message) as string })
  expect(result.err).not.toMatch(/^\s+at /m)
}

async function startFour(consensus: string): Promise<ProcessCluster> {
  const options = ['--no-leader-balance']
  const cluster = await processCluster({ ids: IDS, consensus, shards: SHARDS, options })
  await Promise.all(IDS.map((id) => cluster.start(id)))
  await untilMembers(cluster, isSettled)
  return cluster
}

describe('the commands of an operator', () => {
  let cluster: ProcessCluster
  beforeAll(async () => {
    cluster = await startFour('raft')
  }, TIMEOUT_MS)
  afterAll(() => cluster.remove())

  it('show the hosts, as text and as JSON', async () => {
    const view = await members(cluster)
    expect(view.hosts.map(({ id, state, reachable }) => [id, state, reachable])).toEqual(
      IDS.map((id) => [id, 'active', true]),
    )
    expect(view.hosts.flatMap(({ leads }) => leads).toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3])
    const { out } = await cluster.run('members')
    expect(out).toMatch(/^a +active +yes +3 /m)
    expect(out).toContain('every shard has all of its replicas')
  })

  it(
    'move a replica, and tell what would be planned while nothing is',
    async () => {
      expect((await cluster.run('plan')).out).toContain('nothing is to be moved')
      expect((await cluster.run('plan', 'pause')).code).toBe(0)
      const shard = shardWithout(await members(cluster), 'd')
      const moved = await cluster.run('move', shard, '--to', 'd', '--wait')
      expect(moved).toMatchObject({
        code: 0,
        out: expect.stringMatching(/has moved from . to d/) as string,
      })
      expect(hostOf(await members(cluster), 'd').shards).toContain(Number(shard))
      const again = await cluster.run('move', shard, '--to', 'd')
      expectFailure(again, 4, /d has a replica of shard \d already/)
      const plan = await json<Plan>(cluster, 'plan')
      expect(plan).toMatchObject({ paused: true, moves: [] })
      expect(plan.planned).toMatchObject([{ reason: expect.stringMatching(/replicas/) as string }])
      expect((await cluster.run('plan')).out).toMatch(/next\nshard \d .*paused/s)
      expect((await cluster.run('plan', 'resume')).code).toBe(0)
      await untilMembers(
        cluster,
        (view) => isSettled(view) && view.hosts.every(({ shards }) => shards.length === 3),
      )
    },
    TIMEOUT_MS,
  )

  it('hand leaders on, and spread them', async () => {
    for (const shard of hostOf(await members(cluster), 'b').shards) {
      const result = await cluster.run('leaders', 'move', String(shard), '--to', 'b')
      expect(result).toMatchObject({ code: 0, out: `b leads shard ${shard}\n` })
    }
    expect(hostOf(await members(cluster), 'b').leads).toHaveLength(3)
    const elsewhere = shardWithout(await members(cluster), 'b')
    expectFailure(
      await cluster.run('leaders', 'move', elsewhere, '--to', 'b'),
      2,
      /b is no voter of shard/,
    )
    expect((await cluster.run('leaders', 'balance')).code).toBe(0)
    const led = (await json<Members>(cluster, 'leaders')).hosts.map(({ leads }) => leads.length)
    expect(Math.max(...led)).toBeLessThanOrEqual(2)
    expect((await cluster.run('leaders', 'balance')).out).toBe('leaders are spread evenly\n')
  })

  it(
    'take a host out of service, and let it go',
    async () => {
      await cluster.run('put', 'kept', 'through all of it')
      expect((await cluster.run('members', 'cordon', 'd')).code).toBe(0)
      expect(hostOf(await members(cluster), 'd').state).toBe('cordoned')
      expect((await cluster.run('members', 'uncordon', 'd')).code).toBe(0)
      expect(hostOf(await members(cluster), 'd').state).toBe('active')
      expectFailure(await cluster.run('members', 'leave', 'd'), 4, /host d still holds shard/)
      const drained = await cluster.run('drain', 'd', '--wait', '--json')
      expect(drained.code).toBe(0)
      expect(JSON.parse(drained.out)).toEqual({ host: 'd', state: 'drained', replicas: 0 })
      expect((await cluster.run('members', 'leave', 'd')).out).toContain('d has left')
      expect((await members(cluster)).hosts.map(({ id }) => id)).toEqual(['a', 'b', 'c'])
      await cluster.stop('d')
      await expect(cluster.join('d')).rejects.toThrow(/host d has left the cluster/)
      // Three hosts with three replicas each: nobody could take over.
      expectFailure(await cluster.run('drain', 'c'), 4, /no other host can take shards 0, 1, 2, 3/)
      expect((await cluster.run('get', 'kept')).out).toBe('through all of it')
    },
    TIMEOUT_MS,
  )

  it(
    'replace a host by another one',
    async () => {
      await cluster.join('e')
      const done = await cluster.run('members', 'replace', 'c', '--with', 'e', '--wait')
      expect(done).toMatchObject({
        code: 0,
        out: expect.stringContaining('c holds nothing') as string,
      })
      const view = await untilMembers(cluster, isSettled)
      expect(hostOf(view, 'e').shards).toHaveLength(SHARDS)
      expect((await cluster.run('get', 'kept')).out).toBe('through all of it')
    },
    TIMEOUT_MS,
  )

  it(
    'say which host does not answer, and which shards miss it',
    async () => {
      await cluster.kill('e')
      const view = await untilMembers(cluster, ({ underReplicated }) => underReplicated.length > 0)
      expect(hostOf(view, 'e').reachable).toBe(false)
      expect((await cluster.run('members')).out).toMatch(/under-replicated: shards 0, 1, 2, 3/)
      expect((await cluster.run('plan')).out).toContain('e cannot be reached')
    },
    TIMEOUT_MS,
  )

  it.each<[string, string[], number, RegExp]>([
    ['an unknown host', ['members', 'cordon', 'zz'], 2, /no host "zz"; there is a, b/],
    ['a host that does not run', ['members', 'add', 'zz'], 2, /no host zz runs: start it by/],
    ['a shard that is not there', ['move', '99', '--to', 'a'], 2, /the last is 3/],
    ['no target', ['move', '0'], 2, /--to/],
    ['a host for itself', ['members', 'replace', 'a', '--with', 'a'], 2, /by another one/],
    ['an unknown command', ['members', 'ad'], 2, /unknown command 'ad' of members; there is add/],
  ])('refuse %s', async (_, args, code, message) => {
    expectFailure(await cluster.run(...args), code, message)
    const { err } = await cluster.run(...args, '--json')
    expect(JSON.parse(err)).toMatchObject({
      error: { code: 'USAGE', message: expect.stringMatching(message) as string },
    })
  })
})

describe('the same with Paxos', () => {
  let cluster: ProcessCluster
  beforeAll(async () => {
    cluster = await startFour('paxos')
  }, TIMEOUT_MS)
  afterAll(() => cluster.remove())

  it(
    'moves, drains, leads and forgets',
    async () => {
      await cluster.run('put', 'kept', 'through all of it')
      await cluster.run('plan', 'pause')
      const shard = shardWithout(await members(cluster), 'd')
      expect(await cluster.run('move', shard, '--to', 'd', '--wait')).toMatchObject({ code: 0 })
      expect(await cluster.run('leaders', 'move', shard, '--to', 'd')).toMatchObject({ code: 0 })
      await cluster.run('plan', 'resume')
      expect(await cluster.run('drain', 'd', '--wait')).toMatchObject({ code: 0 })
      expect(await cluster.run('members', 'leave', 'd')).toMatchObject({ code: 0 })
      const view = await untilMembers(cluster, isSettled)
      expect(view.hosts.map(({ shards }) => shards.length)).toEqual([SHARDS, SHARDS, SHARDS])
      expect((await cluster.run('get', 'kept')).out).toBe('through all of it')
    },
    TIMEOUT_MS,
  )
})
