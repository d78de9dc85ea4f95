// What a cluster is made of before any process runs: tables of hosts, addresses, the overview that
// commands and the dashboard share, transfers of leaders, and transactions as JSON.
import { readFile } from 'node:fs/promises'
import { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import { silentLogger } from '@quorate/core'
import type { KvStatus, Placement } from '@quorate/kv'
import { clientAddresses } from '../src/cluster/cluster-file.ts'
import type { HostEntry } from '../src/cluster/host-table.ts'
import { foundingHost } from '../src/cluster/host-settings.ts'
import { isClusterPlan, isHostEntry, mergeHosts } from '../src/cluster/host-table.ts'
import { argumentsOf } from '../src/cluster/local-cluster.ts'
import type { MemberOverview } from '../src/cluster/overview-types.ts'
import { overviewOf } from '../src/cluster/overview.ts'
import { planTransfers } from '../src/commands/leaders.ts'
import type { ClusterOptions } from '../src/commands/node.ts'
import { withCluster } from '../src/commands/node.ts'
import { parseTransaction } from '../src/commands/transaction-json.ts'
import { exitCodes } from '../src/output/exit-codes.ts'
import { httpOrigin, isWildcard, urlHost } from '../src/server/address.ts'
import { runHost } from '../src/server/run-host.ts'

describe('addresses', () => {
  it.each([
    ['127.0.0.1', '127.0.0.1'],
    ['::1', '[::1]'],
    ['[::1]', '[::1]'],
    ['0.0.0.0', '127.0.0.1'],
    ['::', '[::1]'],
    ['db1.internal', 'db1.internal'],
    ['toString', 'toString'],
  ])('%s is reached as %s', (bind, host) => {
    expect(urlHost(bind)).toBe(host)
    expect(URL.canParse(`ws://${urlHost(bind)}:1`)).toBe(true)
  })

  it('know what is bound to every address, and where HTTP is', () => {
    expect(['0.0.0.0', '::', '10.0.0.1'].map(isWildcard)).toEqual([true, true, false])
    expect(httpOrigin('ws://[::1]:7401/client')).toBe('http://[::1]:7401')
    expect(httpOrigin('wss://db1:7401/client')).toBe('https://db1:7401')
  })
})

describe('--connect', () => {
  it('takes addresses, and knows where a host takes clients', async () => {
    const given = 'ws://127.0.0.1:7401, ws://[::1]:7402/,wss://db1/some/path?x=1'
    expect(await clientAddresses(given, '/nowhere')).toEqual([
      'ws://127.0.0.1:7401/client',
      'ws://[::1]:7402/client',
      'wss://db1/some/path?x=1',
    ])
  })
  it.each(['', ',', '127.0.0.1:7401', 'http://127.0.0.1:7401', 'ws://'])('refuses %j', (given) =>
    expect(clientAddresses(given, '/nowhere')).rejects.toThrow(/--connect takes addresses/),
  )
})

describe('a table of hosts', () => {
  const a = { id: 'a', peer: 'ws://x:1', stamp: 0 }
  const b = { id: 'b', peer: 'ws://x:2', stamp: 5 }

  it('takes over what is newer, and nothing else', () => {
    const moved = { ...b, peer: 'ws://y:2', stamp: 6 }
    expect(mergeHosts([a, b], [moved])).toEqual({ hosts: [a, moved], changed: [moved] })
    const older = { ...b, peer: 'ws://y:2', stamp: 4 }
    expect(mergeHosts([a, b], [older, { ...a, peer: 'ws://y:1' }])).toEqual({
      hosts: [a, b],
      changed: [],
    })
    expect(mergeHosts([b], [a]).hosts).toEqual([a, b])
  })

  it('keeps a host gone, whoever tells of it late', () => {
    const gone = { id: 'b', peer: '', stamp: 9, gone: true }
    const { hosts } = mergeHosts([a, b], [gone])
    expect(mergeHosts(hosts, [b]).hosts).toEqual([a, gone])
  })

  it('comes out the same in whatever order news arrive', () => {
    const news = [b, { ...b, peer: 'ws://y:2', stamp: 7 }, { id: 'c', peer: 'ws://z:3', stamp: 1 }]
    const forwards = news.reduce<readonly HostEntry[]>(
      (hosts, one) => mergeHosts(hosts, [one]).hosts,
      [a],
    )
    const backwards = news.reduceRight<readonly HostEntry[]>(
      (hosts, one) => mergeHosts(hosts, [one]).hosts,
      [a],
    )
    expect(forwards).toEqual(backwards)
  })

  it.each([
    [undefined],
    [{}],
    [{ ...a, id: '../a' }],
    [{ ...a, peer: 'http://x:1' }],
    [{ ...a, peer: 'ws://' }],
    [{ ...a, stamp: 0.5 }],
    [{ ...a, gone: 'yes' }],
  ])('refuses %j', (value) => {
    expect(isHostEntry(value)).toBe(false)
  })

  it('knows a plan', () => {
    const plan = { cluster: 'x', consensus: 'raft', shards: 4, replicas: 3, members: ['a'] }
    expect(isClusterPlan(plan)).toBe(true)
    expect(isClusterPlan({ ...plan, members: ['a b'] })).toBe(false)
    expect(isClusterPlan({ ...plan, shards: '4' })).toBe(false)
  })
})

function member(id: string, shards: number[], leads: number[], more = {}): MemberOverview {
  return { id, state: 'active', reachable: true, suspect: false, shards, leads, ...more }
}

describe('how long a shard is idle before it sleeps', () => {
  const parse = (...args: string[]): ClusterOptions => {
    const command = withCluster(new Command('demo')).exitOverride()
    command.configureOutput({ writeErr: () => {} }).parse(args, { from: 'user' })
    return command.opts<ClusterOptions>()
  }

  it.each([
    [[], 10_000],
    [['--hibernate-after', '250'], 250],
    [['--hibernate-after', '0'], 0],
  ])('is what %j says, for every process and its algorithm', async (args, expected) => {
    const options = { ...parse(...args), storage: 'memory' }
    const host = { id: 'a', peerPort: 7_501, clientPort: 7_401 }
    const handedOn = argumentsOf(host, [host], options)
    expect(handedOn[handedOn.indexOf('--hibernate-after') + 1]).toBe(String(expected))
    const settings = await foundingHost({ ...options, ...host, peers: {} })
    expect(settings.hibernateAfterMs).toBe(expected)
  })

  it.each(['-1', 'soon', '1.5', '86400001'])('is not %j', (text) => {
    expect(() => parse(`--hibernate-after=${text}`)).toThrow(
      /--hibernate-after <ms>' argument '.*' is invalid\. It takes an integer from 0 to 86400000/,
    )
  })

  it('is not what a misspelt option says', () => {
    expect(() => parse('--hibernate-afer', '0')).toThrow(
      /unknown option '--hibernate-afer'\n\(Did you mean --hibernate-after\?\)/,
    )
  })

  it.each(['raft', 'paxos'])('reaches %s, which has the last word', async (consensus) => {
    const options = { ...parse('--consensus', consensus), storage: 'memory' }
    const ports = { peerPort: 7_501, clientPort: 7_401 }
    const settings = await foundingHost({ ...options, ...ports, id: 'a', peers: {} })
    const started = runHost({ ...settings, hibernateAfterMs: 86_400_001 }, silentLogger)
    await expect(started).rejects.toMatchObject({
      code: 'INVALID_OPTIONS',
      message: expect.stringContaining('hibernateAfterMs') as string,
    })
  })
})

describe('transfers of leaders', () => {
  const overview = (hosts: MemberOverview[], moving: number[] = []) => ({
    hosts,
    underReplicated: [],
    leaderless: [],
    moves: moving.map((shard) => ({ shard, to: [], from: [], reason: '' })),
    paused: false,
  })

  it('spread them over those who hold the shards', () => {
    const all = [0, 1, 2, 3, 4, 5]
    const hosts = [member('a', all, all), member('b', all, []), member('c', all, [])]
    const led = new Map(all.map((shard) => [shard, 'a']))
    for (const { shard, from, to } of planTransfers(overview(hosts))) {
      expect(led.get(shard)).toBe(from)
      led.set(shard, to)
    }
    const count = (id: string) => [...led.values()].filter((leader) => leader === id).length
    expect(['a', 'b', 'c'].map(count)).toEqual([2, 2, 2])
  })

  it.each<[string, MemberOverview]>([
    ['does not answer', member('b', [0, 1], [], { reachable: false })],
    ['is drained', member('b', [0, 1], [], { state: 'draining' })],
    ['gets nothing further', member('b', [0, 1], [], { state: 'cordoned' })],
    ['holds none of them', member('b', [2], [])],
  ])('go to nobody who %s', (_, b) => {
    expect(planTransfers(overview([member('a', [0, 1], [0, 1]), b]))).toEqual([])
  })

  it('leave shards alone that are being moved, and what differs by one', () => {
    const hosts = [member('a', [0, 1], [0, 1]), member('b', [0, 1], [])]
    expect(planTransfers(overview(hosts, [0, 1]))).toEqual([])
    expect(planTransfers(overview(hosts, [0])).map(({ shard }) => shard)).toEqual([1])
    const even = [member('a', [0, 1], [0]), member('b', [0, 1], [])]
    expect(planTransfers(overview(even))).toEqual([])
  })
})

describe('an overview', () => {
  const replica = { role: 'follower', appliedIndex: 1, commitIndex: 1, lastIndex: 1, sessions: 0 }
  const shard = (number: number, voters: string[], leader?: string) => ({
    shard: number,
    group: `kv-${number}`,
    epoch: 1,
    leader,
    term: 1,
    voters,
    learners: [],
    owners: voters,
    underReplicated: leader === undefined,
    replicas: voters.map((host) => ({ host, ...replica })),
    keys: 0,
    bytes: 0,
  })
  const status = {
    name: 'kv',
    cluster: 'x',
    mapVersion: 2,
    hosts: ['a', 'b'].map((id) => ({
      id,
      reachable: id === 'a',
      address: undefined,
      leads: 0,
      replicas: 0,
    })),
    shards: [shard(0, ['a', 'b'], 'a'), shard(1, ['b']), shard(2, [])],
  } as unknown as KvStatus

  it('puts the map and the status together, without shards that are no more', () => {
    const placement = {
      version: 2,
      shards: [
        { epoch: 1, voters: ['a', 'b'], move: { id: 1, to: ['a', 'c'], reason: 'why not' } },
        { epoch: 1, voters: ['b'] },
        { epoch: 2, voters: [] },
      ],
      hosts: { a: 'active', b: 'draining' },
      paused: true,
    } as unknown as Placement
    expect(overviewOf(status, placement)).toMatchObject({
      hosts: [
        { id: 'a', state: 'active', reachable: true, shards: [0], leads: [0] },
        { id: 'b', state: 'draining', reachable: false, shards: [0, 1], leads: [] },
      ],
      underReplicated: [1],
      leaderless: [1],
      moves: [{ shard: 0, from: ['b'], to: ['c'], reason: 'why not' }],
      paused: true,
    })
  })

  it('says that a host is drained once nothing is left on it or on its way to it', () => {
    const stateOf = (voters: string[], to?: string[]): string | undefined => {
      const move = to && { id: 1, to, reason: '' }
      const shards = [{ epoch: 1, voters, move }]
      const hosts = { a: 'active', b: 'draining' }
      const placement = { version: 3, shards, hosts } as unknown as Placement
      return overviewOf(status, placement).hosts[1]?.state
    }
    expect(stateOf(['a', 'b'])).toBe('draining')
    expect(stateOf(['a'], ['b'])).toBe('draining')
    expect(stateOf(['a'])).toBe('drained')
  })

  it('stands without a map', () => {
    const overview = overviewOf(status, undefined, 'NO_QUORUM: gone')
    expect(overview.hosts.map(({ state }) => state)).toEqual(['unknown', 'unknown'])
    expect(overview).toMatchObject({ moves: [], mapError: 'NO_QUORUM: gone' })
  })
})

describe('a transaction', () => {
  it('is read with all that the store knows, and bytes', () => {
    const text = JSON.stringify({
      if: [
        { key: 'a', version: 0 },
        { key: { base64: '/w==' }, value: 'x', relation: '!=' },
      ],
      do: [
        { type: 'put', key: 'a', value: 'b', ttlMs: 5 },
        { type: 'increment', key: 'n', by: -2 },
      ],
      else: [
        { type: 'get', key: 'a' },
        { type: 'delete', key: 'a' },
      ],
    })
    expect(parseTransaction(text)).toEqual({
      if: [
        { key: 'a', version: 0, relation: '=' },
        { key: Uint8Array.of(255), value: 'x', relation: '!=' },
      ],
      do: [
        { type: 'put', key: 'a', value: 'b', ttlMs: 5 },
        { type: 'increment', key: 'n', by: -2 },
      ],
      else: [
        { type: 'get', key: 'a' },
        { type: 'delete', key: 'a' },
      ],
    })
    expect(parseTransaction('{}')).toEqual({ if: undefined, do: undefined, else: undefined })
  })
})

it('the guide lists every exit code with the words of the command', async () => {
  const guide = new URL('../../../docs/guides/run-a-cluster.md', import.meta.url)
  const rows = [...(await readFile(guide, 'utf8')).matchAll(/^\| (\d+) +\| (.*?) +\|$/gm)]
  expect(rows.map(([, code, meaning]) => [Number(code), meaning])).toEqual(Object.values(exitCodes))
})
