// The command as a person uses it: what it answers, with which exit code, and what it says when it
// is given something wrong.
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ProcessCluster } from './processes.ts'
import { freePorts, processCluster, runCommand, runWithInput, startCommand } from './processes.ts'

const IDS = ['a', 'b', 'c']
let cluster: ProcessCluster

beforeAll(async () => {
  cluster = await processCluster({ ids: IDS, consensus: 'raft', shards: 4 })
  await Promise.all(IDS.map((id) => cluster.start(id)))
})
afterAll(() => cluster.remove())

describe('data', () => {
  it('goes in and comes out, as text and as JSON', async () => {
    expect(await cluster.run('put', 'greeting', 'hello')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^version \d+\n$/) as string,
    })
    expect(await cluster.run('get', 'greeting')).toEqual({ code: 0, out: 'hello', err: '' })
    const { out } = await cluster.run('get', 'greeting', '--json')
    expect(JSON.parse(out)).toMatchObject({ found: true, key: 'greeting', value: 'hello' })
    expect(await cluster.run('get', 'greeting', '--stale')).toMatchObject({ code: 0 })
  })

  it('that is missing has exit code 3, and says nothing', async () => {
    expect(await cluster.run('get', 'nothing')).toEqual({ code: 3, out: '', err: '' })
    expect(JSON.parse((await cluster.run('get', 'nothing', '--json')).out)).toEqual({
      key: 'nothing',
      found: false,
    })
    expect(await cluster.run('del', 'nothing')).toMatchObject({ code: 3 })
  })

  it('is changed only where its version is the expected one', async () => {
    expect(await cluster.run('put', 'once', '1', '--if-version', '0')).toMatchObject({ code: 0 })
    const second = await cluster.run('put', 'once', '2', '--if-version', '0')
    expect(second).toMatchObject({ code: 4, err: expect.stringContaining('has version') as string })
    expect((await cluster.run('get', 'once')).out).toBe('1')
    expect(await cluster.run('del', 'once')).toMatchObject({ code: 0, out: 'removed\n' })
  })

  it('is scanned in order, on one line each whatever it holds', async () => {
    for (const [key, value] of [
      ['s/b', 'two\nlines'],
      ['s/a', 'one'],
      ['s/__proto__', 'x'],
      ['t/z', 'other'],
    ]) {
      await cluster.run('put', key as string, value as string)
    }
    expect((await cluster.run('scan', 's/')).out).toBe(
      's/__proto__\tx\ns/a\tone\ns/b\t"two\\nlines"\n',
    )
    expect((await cluster.run('scan', 's/', '--keys', '--reverse', '--limit', '2')).out).toBe(
      's/b\ns/a\n',
    )
    const lines = (await cluster.run('scan', 's/', '--json')).out.trim().split('\n')
    expect(lines.map((line) => (JSON.parse(line) as { key: string }).key)).toEqual([
      's/__proto__',
      's/a',
      's/b',
    ])
  })

  it('is loaded from files, and a bad record is named', async () => {
    const file = join(cluster.data, 'people.csv')
    await writeFile(file, 'id,name\n1,Ada\n2,Łukasz\n')
    const loaded = await cluster.run(
      'load',
      file,
      '--key',
      'person/{id}',
      '--value',
      'name',
      '--json',
    )
    expect(JSON.parse(loaded.out)).toMatchObject({ records: 2 })
    expect((await cluster.run('get', 'person/2')).out).toBe('Łukasz')
    await writeFile(file, 'id,name\n1,Ada\n2\n')
    expect(await cluster.run('load', file, '--key', 'person/{id}')).toMatchObject({
      code: 2,
      err: expect.stringContaining('CSV') as string,
    })
    await writeFile(file, 'id,name\n1,Ada\n')
    expect(await cluster.run('load', file, '--key', 'person/{nr}')).toMatchObject({
      code: 2,
      err: expect.stringContaining('"nr"') as string,
    })
  })

  it('says how much was written before a bad record, and where an array is cut off', async () => {
    const lines = join(cluster.data, 'people.ndjson')
    await writeFile(lines, '{"id":1}\n{"id":2}\n{"id"')
    const { code, err } = await cluster.run('load', lines, '--key', 'early/{id}', '--json')
    expect(code).toBe(2)
    expect(JSON.parse(err)).toMatchObject({
      error: {
        code: 'USAGE',
        message: expect.stringMatching(/record 3 .*; 2 records were written before$/) as string,
      },
    })
    expect((await cluster.run('scan', 'early/', '--keys')).out).toBe('early/1\nearly/2\n')
    const array = join(cluster.data, 'people.json')
    await writeFile(array, '[{"id":1},\n{"id":2},\n{"id"')
    const cut = await cluster.run('load', array)
    expect(cut).toMatchObject({ code: 2, err: expect.stringMatching(/array .* line 3/) as string })
    expect(cut.err).not.toContain('record 1')
  })

  it('may be read by a program that has seen enough', async () => {
    const connect = ['--connect', cluster.addresses[0] as string]
    for (const key of ['pipe/1', 'pipe/2']) {
      await runWithInput('x'.repeat(200_000), 'put', key, '-', ...connect)
    }
    const child = startCommand('scan', 'pipe/', ...connect)
    let complaint = ''
    child.stderr.on('data', (part: Buffer) => (complaint += part.toString()))
    child.stdout.once('data', () => child.stdout.destroy())
    await once(child, 'close')
    expect([child.exitCode, complaint]).toEqual([0, ''])
  })
})

describe('status', () => {
  it('tells of hosts and shards', async () => {
    const { code, out } = await cluster.run('status', '--json')
    expect(code).toBe(0)
    const status = JSON.parse(out) as {
      hosts: { id: string; reachable: boolean }[]
      shards: { leader?: string; voters: string[] }[]
    }
    expect(status.hosts.map(({ id, reachable }) => [id, reachable])).toEqual(
      IDS.map((id) => [id, true]),
    )
    expect(status.shards).toHaveLength(4)
    for (const shard of status.shards) {
      expect(IDS).toContain(shard.leader)
      expect(shard.voters).toEqual(IDS)
    }
    expect((await cluster.run('status')).out).toContain('4 shards')
  })
})

describe('bad input', () => {
  it.each<[string, string[], number, RegExp]>([
    ['an unknown command', ['pit'], 2, /unknown command 'pit'[\s\S]*put/],
    ['an unknown option', ['get', 'x', '--consistent'], 2, /unknown option '--consistent'/],
    ['a missing argument', ['put', 'x'], 2, /missing required argument 'value'/],
    ['a bad number', ['scan', '--limit', 'many'], 2, /integer/],
    [
      'a bad time to sleep after',
      ['node', '--id', 'a', '--hibernate-after', 'soon'],
      2,
      /--hibernate-after <ms>' argument 'soon' is invalid\. It takes an integer from 0 to 86400000/,
    ],
    ['a bad shard', ['move', 'x', '--to', 'a'], 2, /^error: argument 'shard' cannot be 'x'\. It/],
    ['an address that is none', ['get', 'x', '--connect', 'localhost:1'], 2, /ws:\/\//],
    [
      'a directory without a cluster',
      ['get', 'x', '--data', '/nonexistent'],
      6,
      /no cluster is known/,
    ],
    [
      'an unknown algorithm',
      [
        'node',
        '--id',
        'a',
        '--peers',
        '',
        '--peer-port',
        '0',
        '--client-port',
        '0',
        '--consensus',
        'zab',
      ],
      8,
      /"zab" is unknown/,
    ],
    [
      'a file that is not there',
      ['load', '/nonexistent.csv', '--connect', 'ws://127.0.0.1:1'],
      2,
      /ENOENT/,
    ],
    [
      'a picture that has no place',
      ['sim', 'replay', '--seed', '5', '--picture', '/nonexistent/run.html'],
      2,
      /^error: \/nonexistent\/run.html cannot be written: ENOENT$/m,
    ],
  ])('%s', async (_, args, code, message) => {
    const result = await runCommand(...args)
    expect(result).toMatchObject({ code, err: expect.stringMatching(message) as string })
    expect(result.err).not.toMatch(/^\s+at /m)
  })

  it.each<[string, string[], RegExp]>([
    ['an unknown command', ['pit', '--json'], /unknown command 'pit'/],
    ['an unknown option', ['get', 'x', '--json', '--consistent'], /unknown option '--consistent'/],
    ['a bad number', ['scan', '--limit', 'many', '--json'], /integer/],
    ['a bad shard', ['move', 'x', '--to', 'a', '--json'], /^argument 'shard' cannot be 'x'\. It/],
  ])('%s is told as JSON where that is asked for', async (_, args, message) => {
    const { code, err } = await runCommand(...args)
    expect(code).toBe(2)
    expect(JSON.parse(err)).toMatchObject({
      error: { code: 'USAGE', message: expect.stringMatching(message) as string },
    })
  })

  it('of keys and values is refused with the limit, and nothing is stored', async () => {
    expect(await cluster.run('put', 'k'.repeat(5_000), 'v')).toMatchObject({
      code: 2,
      err: expect.stringContaining('LIMIT_EXCEEDED') as string,
    })
    expect(await cluster.run('put', '', 'v')).toMatchObject({
      code: 2,
      err: expect.stringContaining('INVALID_ARGUMENT') as string,
    })
    const client = await cluster.client()
    try {
      await expect(client.put('big', new Uint8Array(2_000_000))).rejects.toMatchObject({
        code: 'LIMIT_EXCEEDED',
      })
      await expect(client.put('lone\ud800', 'x')).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
      })
      expect(await client.get('big')).toBeUndefined()
    } finally {
      await client.close()
    }
  })

  it('is a second process on the same data', async () => {
    const ports = ['--client-port', '0', '--peer-port', '0']
    const second = await runCommand(
      'node',
      '--id',
      'a',
      '--peers',
      '',
      '--data',
      cluster.data,
      ...ports,
    )
    expect(second).toMatchObject({
      code: 8,
      err: expect.stringContaining('STORAGE_LOCKED') as string,
    })
  })

  it('is a port in use', async () => {
    const server = createServer()
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as { port: number }
    const data = await mkdtemp(join(tmpdir(), 'quorate-test-'))
    try {
      const [peerPort] = await freePorts(1)
      const result = await runCommand(
        'node',
        '--id',
        'a',
        '--peers',
        '',
        '--data',
        data,
        '--client-port',
        String(port),
        '--peer-port',
        String(peerPort),
      )
      expect(result).toMatchObject({
        code: 8,
        err: expect.stringMatching(/PORT_IN_USE.*in use.* by --client-port/) as string,
      })
      const demo = await runCommand('demo', '--data', join(data, 'demo'), '--port', String(port))
      expect(demo).toMatchObject({
        code: 8,
        err: expect.stringMatching(/PORT_IN_USE.*--port/) as string,
      })
      // Nothing was left behind that would make the next start fail.
      expect(await readdir(data)).not.toContain('demo')
    } finally {
      await rm(data, { recursive: true, force: true })
      await new Promise((resolve) => server.close(resolve))
    }
  })
})

describe('quorate store', () => {
  it('verifies and dumps the data of a host that does not run, and tells damage from a copy', async () => {
    const one = await processCluster({ ids: ['a'], consensus: 'raft', shards: 1 })
    try {
      await one.start('a')
      await one.run('put', 'seen', 'in the log')
      const data = join(one.data, 'a')
      expect(await runCommand('store', 'verify', data)).toMatchObject({
        code: 8,
        err: expect.stringContaining('STORAGE_LOCKED') as string,
      })
      await one.stop('a')
      const report = await runCommand('store', 'verify', data, '--json')
      expect(report.code).toBe(0)
      expect(JSON.parse(report.out)).toMatchObject({ host: 'a', findings: [] })
      expect(await runCommand('store', 'repair', data)).toMatchObject({
        code: 2,
        out: expect.stringMatching(/entries 1 to \d+\nnothing is lost\n$/) as string,
        err: expect.stringContaining('nothing was changed') as string,
      })
      const { out } = await runCommand('store', 'dump', data)
      const types = out
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { type: string }).type)
      expect(types).toContain('entry')
      const segment = join(data, 'log', '0000000001.seg')
      const bytes = await readFile(segment)
      const at = bytes.indexOf('in the log')
      expect(at).toBeGreaterThan(0)
      bytes[at] = (bytes[at] as number) ^ 1
      await writeFile(segment, bytes)
      expect((await runCommand('store', 'verify', data)).code).toBe(9)
      expect((await runCommand('store', 'repair', data)).out).not.toContain('nothing is lost')
      const refused = await runCommand('store', 'repair', data, '--truncate-at', '0')
      expect(refused.code).not.toBe(0)
      expect((await readFile(segment)).equals(bytes)).toBe(true)
    } finally {
      await one.remove()
    }
  })
})

describe('data that belongs to others', () => {
  it('is refused: another cluster, another host', async () => {
    const data = await mkdtemp(join(tmpdir(), 'quorate-test-'))
    const start = (...args: string[]) =>
      runCommand(
        'node',
        '--peers',
        '',
        '--data',
        data,
        '--client-port',
        '0',
        '--peer-port',
        '0',
        '--shards',
        '1',
        ...args,
      )
    const one = await processCluster({ ids: ['a'], consensus: 'raft', shards: 1 })
    try {
      await one.start('a', ['--data', data])
      expect(await one.stop('a')).toBe(0)
      expect(await start('--id', 'a', '--cluster', 'other')).toMatchObject({
        code: 8,
        err: expect.stringContaining('CLUSTER_MISMATCH') as string,
      })
    } finally {
      await one.remove()
      await rm(data, { recursive: true, force: true })
    }
  })

  it('is not mixed: a peer of another cluster is refused and the store stays without a quorum', async () => {
    const two = await processCluster({ ids: ['a', 'b'], consensus: 'raft', shards: 1 })
    try {
      await two.start('a')
      await two.start('b', ['--cluster', 'other'])
      const result = await two.run('put', 'x', 'y', '--timeout', '1500')
      expect([5, 6]).toContain(result.code)
    } finally {
      await two.remove()
    }
  })
})
