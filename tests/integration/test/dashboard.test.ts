// The dashboard: what the page shows in a real browser, and whom its HTTP side refuses.
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hasChromium } from './chromium.ts'
import type { ProcessCluster } from './processes.ts'
import { processCluster } from './processes.ts'

const IDS = ['a', 'b', 'c']
const SCRIPT = '<script>alert(1)</script>'
let cluster: ProcessCluster
let origin: string

/** The page's elements after its scripts have run for some seconds. */
async function dumpPage(): Promise<string> {
  const profile = await mkdtemp(join(tmpdir(), 'quorate-chromium-'))
  try {
    const { stdout } = await promisify(execFile)(
      'chromium',
      [
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-sync',
        '--disable-background-networking',
        '--disable-component-update',
        `--user-data-dir=${profile}`,
        '--virtual-time-budget=4000',
        '--dump-dom',
        `${origin}/`,
      ],
      { timeout: 60_000, killSignal: 'SIGKILL', maxBuffer: 1 << 24 },
    )
    return stdout
  } finally {
    await rm(profile, { recursive: true, force: true, maxRetries: 5 })
  }
}

async function untilPage(matches: (page: string) => boolean): Promise<string> {
  for (;;) {
    const page = await dumpPage()
    if (matches(page)) return page
  }
}

function hostRequest(headers: Record<string, string>, body: string) {
  return { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body }
}

function ask(
  path: string,
  options: { method?: string; headers?: Record<string, string>; body?: string } = {},
) {
  return new Promise<{ status: number; headers: IncomingMessage['headers']; body: string }>(
    (resolve, reject) => {
      const sent = request(
        `${origin}${path}`,
        { method: options.method ?? 'GET', headers: options.headers ?? {} },
        (response) => {
          let body = ''
          response.setEncoding('utf8').on('data', (part: string) => (body += part))
          response.on('end', () =>
            resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
          )
        },
      )
      sent.on('error', reject)
      sent.end(options.body)
    },
  )
}

beforeAll(async () => {
  cluster = await processCluster({ ids: IDS, consensus: 'raft', shards: 4 })
  await Promise.all(IDS.map((id) => cluster.start(id)))
  origin = (cluster.addresses[0] as string).replace('ws://', 'http://').replace('/client', '')
  const { code, err } = await cluster.run('put', 'greeting', SCRIPT)
  if (code !== 0) throw new Error(err)
})
afterAll(() => cluster.remove())

describe('the page', () => {
  const present = hasChromium()
  const required = process.env['QUORATE_REQUIRE_TOOLS'] === '1'
  it.skipIf(!present && !required)(
    'shows a healthy cluster, and then which host is gone (needs the Debian package chromium)',
    async () => {
      expect(present, 'chromium is not installed').toBe(true)
      const page = await untilPage((html) => html.includes('data-state="healthy"'))
      expect(page).toContain('3 hosts, 4 shards, each with a leader')
      expect(page.match(/data-shard="/g)).toHaveLength(4)
      expect(page.match(/data-role="leader"/g)).toHaveLength(4)
      await cluster.kill('c')
      const after = await untilPage((html) => html.includes('data-state="degraded"'))
      expect(after).toContain('c does not answer; every shard has a leader')
      expect(after).toContain('4 of 4 shards miss a replica')
      expect(after.match(/data-short="true"/g)).toHaveLength(4)
      await cluster.start('c')
    },
    240_000,
  )

  it.skipIf(!present && !required)(
    'shows a host that has joined, what becomes of it, and a move under way',
    async () => {
      await cluster.run('plan', 'pause')
      await cluster.join('d')
      await cluster.run('members', 'cordon', 'd')
      const page = await untilPage((html) => html.includes('data-host="d" data-state="cordoned"'))
      expect(page).toContain('4 hosts, 4 shards, each with a leader')
      expect(page).toContain('Paused: nothing begins by itself.')
      // A move to a host that is not there goes on until it is back.
      await cluster.kill('d')
      expect(await cluster.run('move', '2', '--to', 'd', '--from', 'a')).toMatchObject({ code: 0 })
      const moving = await untilPage((html) => html.includes('data-moving="true"'))
      expect(moving.match(/data-move="/g)).toHaveLength(1)
      expect(moving).toMatch(/data-move="2"><b>shard 2<\/b> a → d <span class="note">asked for/)
      await cluster.join('d')
      await untilPage((html) => !html.includes('data-moving="true"') && html.includes('healthy'))
    },
    240_000,
  )
})

describe('its HTTP side', () => {
  it('serves the page with a policy that allows nothing else', async () => {
    const page = await ask('/')
    expect(page.status).toBe(200)
    expect(page.headers['content-security-policy']).toContain("default-src 'self'")
    expect((await ask('/dashboard.js')).headers['content-type']).toContain('javascript')
    expect((await ask('/../package.json')).status).toBe(404)
    expect((await ask('/__proto__')).status).toBe(404)
  })

  it('reads and writes a key as JSON', async () => {
    const read = await ask('/api/key?key=greeting')
    expect(read.headers['content-type']).toBe('application/json')
    expect(JSON.parse(read.body)).toMatchObject({
      value: SCRIPT,
      shard: expect.any(Number) as number,
    })
    const body = JSON.stringify({ key: 'web', value: 'x' })
    const written = await ask('/api/key', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    })
    expect(JSON.parse(written.body)).toMatchObject({
      value: 'x',
      version: expect.any(Number) as number,
    })
  })

  it.each<[string, Parameters<typeof ask>, number]>([
    [
      'a name of another machine (rebound DNS)',
      ['/api/cluster', { headers: { host: 'evil.test:80' } }],
      403,
    ],
    [
      'a name that begins like ours',
      ['/api/cluster', { headers: { host: 'localhost.evil.test' } }],
      403,
    ],
    ['a page of another site', ['/api/cluster', { headers: { origin: 'http://evil.test' } }], 403],
    ['an opaque origin', ['/api/cluster', { headers: { origin: 'null' } }], 403],
    [
      'a form of another site',
      [
        '/api/key',
        {
          method: 'POST',
          headers: { 'content-type': 'text/plain' },
          body: '{"key":"x","value":"y"}',
        },
      ],
      400,
    ],
    [
      'JSON of another shape',
      [
        '/api/key',
        { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"key":1}' },
      ],
      400,
    ],
    [
      'a huge body',
      [
        '/api/key',
        {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: 'x'.repeat(100_000),
        },
      ],
      413,
    ],
    ['an unknown path', ['/api/other', {}], 404],
    [
      'a page that adds a host, whatever its origin',
      ['/api/hosts', hostRequest({ origin: 'http://127.0.0.1' }, '{"id":"x","peer":"ws://x:1"}')],
      403,
    ],
    ['a host without an address', ['/api/hosts', hostRequest({}, '{"id":"x"}')], 400],
    ['a host of no name', ['/api/hosts', hostRequest({}, '{"id":"a b","peer":"ws://x:1"}')], 400],
    [
      'a host by the name of another',
      ['/api/hosts', hostRequest({}, '{"id":"a","peer":"ws://x:1"}')],
      409,
    ],
  ])('refuses %s', async (_, args, status) => {
    const answer = await ask(...args)
    expect(answer.status).toBe(status)
    expect(JSON.parse(answer.body)).toHaveProperty('error.code')
  })
})
