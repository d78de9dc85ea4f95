// watch and txn as a person uses them: what they print, where they go on, how they end.
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ProcessCluster } from './processes.ts'
import { processCluster, runWithInput, startCommand } from './processes.ts'

let cluster: ProcessCluster
let address: string

beforeAll(async () => {
  cluster = await processCluster({ ids: ['a'], consensus: 'raft', shards: 4 })
  await cluster.start('a')
  address = cluster.addresses[0] as string
})
afterAll(() => cluster.remove())

interface Line {
  readonly type?: string
  readonly key?: string
  readonly value?: string
  readonly revision?: string
}

/** Watches until as many lines have come; ends it by ctrl-C and resolves with lines and exit code. */
async function watchLines(
  args: readonly string[],
  count: number,
  meanwhile: () => Promise<void>,
): Promise<{ readonly lines: readonly Line[]; readonly code: number | null }> {
  const child = startCommand('watch', ...args, '--json', '--connect', address)
  const exited = once(child, 'exit')
  const lines: Line[] = []
  for await (const text of createInterface({ input: child.stdout })) {
    lines.push(JSON.parse(text) as Line)
    if (lines.length === 1) await meanwhile()
    if (lines.length === count) child.kill('SIGINT')
  }
  const [code] = (await exited) as [number | null]
  return { lines, code }
}

const change = ({ type, key, value }: Line) => [type, key, value]

describe('watch', () => {
  it('prints changes in order, ends by ctrl-C with 0, and goes on where it was', async () => {
    const { lines, code } = await watchLines(['{w}'], 4, async () => {
      await cluster.run('put', '{w}1', 'one')
      await cluster.run('put', 'other', 'not shown')
      await cluster.run('put', '{w}2', 'two')
      await cluster.run('del', '{w}1')
    })
    expect(code).toBe(0)
    expect(lines.slice(1).map(change)).toEqual([
      ['put', '{w}1', 'one'],
      ['put', '{w}2', 'two'],
      ['delete', '{w}1', undefined],
    ])
    const from = lines[1]?.revision as string
    const again = await watchLines(['{w}', '--from', from], 3, async () => {})
    expect(again.lines.slice(1).map(change)).toEqual(lines.slice(2).map(change))
    expect(again.code).toBe(0)
  })

  it('says where to go on, ends after a count, and says COMPACTED with an exit code of its own', async () => {
    const { lines } = await watchLines(['{c}'], 2, async () => {
      await cluster.run('put', '{c}1', 'one')
    })
    const from = lines[0]?.revision as string
    const one = await cluster.run('watch', '{c}', '--from', from, '--count', '1')
    expect(one).toMatchObject({ code: 0, out: 'put\t{c}1\tone\n' })
    expect(one.err).toMatch(/go on by --from [0-9a-f]+\n$/)
    const client = await cluster.client()
    try {
      // More than the replicas remember.
      for (let at = 0; at < 6; at++) await client.put('{c}big', new Uint8Array(1_000_000))
    } finally {
      await client.close()
    }
    const late = await cluster.run('watch', '{c}', '--from', from)
    expect(late).toMatchObject({ code: 10, err: expect.stringContaining('COMPACTED') as string })
  })

  it('refuses what is no revision of this store', async () => {
    expect(await cluster.run('watch', '--from', 'yesterday')).toMatchObject({ code: 2 })
    expect(await cluster.run('watch', '--from', '01')).toMatchObject({
      code: 2,
      err: expect.stringContaining('token') as string,
    })
  })
})

describe('txn', () => {
  const put = (key: string, value: unknown) => ({ type: 'put', key, value })
  const first = {
    if: [{ key: '{t}state', version: 0 }],
    do: [
      put('{t}state', 'open'),
      put('{t}bytes', { base64: '/w==' }),
      { type: 'increment', key: '{t}count', by: 5 },
      { type: 'get', key: '{t}state' },
    ],
    else: [{ type: 'get', key: '{t}bytes' }],
  }

  it('takes one branch or the other, from a file or standard input', async () => {
    const file = join(cluster.data, 'first.json')
    await writeFile(file, JSON.stringify(first))
    const done = await cluster.run('txn', file)
    expect(done.code).toBe(0)
    expect(done.out).toMatch(
      /^put\nput\nincrement\t5\nget\topen\nthe conditions held; version \d+\n$/,
    )
    const args = ['txn', '--json', '--connect', address]
    const second = await runWithInput(JSON.stringify(first), ...args)
    expect(second).toMatchObject({ code: 4, err: '' })
    expect(JSON.parse(second.out)).toMatchObject({
      succeeded: false,
      results: [{ type: 'get', found: true, key: '{t}bytes', value: { base64: '/w==' } }],
    })
    const value = { if: [{ key: '{t}state', value: 'open', relation: '=' }], do: [] }
    expect((await runWithInput(JSON.stringify(value), ...args)).code).toBe(0)
  })

  it.each<[string, string, RegExp]>([
    ['is no JSON', '{"do": [', /no JSON/],
    ['is empty', '', /no JSON/],
    ['is a list', '[]', /the transaction is no object/],
    ['has an unknown part', '{"then": []}', /"then"; there is if, do, else/],
    ['has an unknown step', '{"do":[{"type":"get","key":"a"},{"type":"pt"}]}', /do\[1\]\.type/],
    ['lacks a value', '{"do":[{"type":"put","key":"a"}]}', /do\[0\]\.value is neither/],
    ['has a bad time', '{"do":[{"type":"put","key":"a","value":"","ttlMs":0}]}', /do\[0\]\.ttlMs/],
    ['compares nothing', '{"if":[{"key":"a"}]}', /if\[0\] needs a "version" or a "value"/],
    ['has a bad relation', '{"if":[{"key":"a","version":1,"relation":"~"}]}', /if\[0\]\.relation/],
    ['has bad bytes', '{"do":[{"type":"get","key":{"base64":"?"}}]}', /do\[0\]\.key/],
    [
      'spans shards',
      JSON.stringify({ do: Array.from({ length: 9 }, (_, at) => put(`key-${at}`, '')) }),
      /CROSS_SHARD/,
    ],
  ])('refuses what %s, and writes nothing', async (_, text, message) => {
    const result = await runWithInput(text, 'txn', '-', '--connect', address)
    expect(result).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringMatching(message) as string,
    })
    expect((await cluster.run('get', 'key-0')).code).toBe(3)
  })
})
