// A client in a page: bundled as an application would bundle it, run by a real browser, against a
// store that a host serves.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { createKv, serveKv } from '@quorate/kv'
import { raft } from '@quorate/raft'
import { hashRing } from '@quorate/ring'
import { createHost } from '@quorate/runtime'
import { memoryStorage } from '@quorate/storage-memory'
import { memoryNetwork } from '@quorate/transport-memory'
import { webSocketListener } from '@quorate/transport-ws'
import { expect, it } from 'vitest'
import { hasChromium } from './chromium.ts'

const PAGE = `
import { connect } from '@quorate/kv'
import { webSocketDialer } from '@quorate/transport-ws'

const tell = (text) => fetch('/told', { method: 'POST', body: text })
addEventListener('unhandledrejection', ({ reason }) => tell('unhandled ' + reason))
async function use() {
  const address = new URLSearchParams(location.search).get('store')
  const client = await connect({ addresses: [address], dialer: webSocketDialer() })
  await client.put('from', 'a page')
  const entry = await client.get('from')
  const { version } = await client.put('large', 'x'.repeat(500_000))
  const large = await client.get('large')
  await client.close()
  return entry.text() + ', ' + large.value.length + ', ' + (large.version === version)
}
use().then(tell, (error) => tell(String(error)))
`

async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: PAGE, resolveDir: fileURLToPath(new URL('.', import.meta.url)) },
    bundle: true,
    write: false,
    format: 'iife',
    platform: 'browser',
    conditions: ['@quorate/source'],
  })
  return outputFiles[0]?.text ?? ''
}

/** Serves the page; resolves with its origin and what it tells. */
async function servePage(script: string) {
  let tell = (_text: string): void => {}
  const told = new Promise<string>((resolve) => (tell = resolve))
  const server = createServer((request, response) => {
    if (request.method !== 'POST') {
      const isPage = request.url?.startsWith('/?') === true
      response.setHeader('content-type', isPage ? 'text/html' : 'text/javascript')
      return void response.end(isPage ? '<script src="/page.js"></script>' : script)
    }
    let text = ''
    request.setEncoding('utf8').on('data', (part: string) => (text += part))
    request.on('end', () => {
      response.end()
      tell(text)
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  return { origin: `http://127.0.0.1:${port}`, told, server }
}

/** Opens a page; the function that comes back closes the browser. */
async function openPage(url: string): Promise<() => Promise<void>> {
  const profile = await mkdtemp(join(tmpdir(), 'quorate-chromium-'))
  const browser = spawn(
    'chromium',
    [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--no-first-run',
      '--disable-background-networking',
      '--remote-debugging-port=0',
      `--user-data-dir=${profile}`,
      url,
    ],
    { stdio: 'ignore' },
  )
  return async () => {
    const gone = once(browser, 'exit')
    browser.kill('SIGKILL')
    await gone
    await rm(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
  }
}

const present = hasChromium()
const required = process.env['QUORATE_REQUIRE_TOOLS'] === '1'
// Without a browser there is nothing to run the page in; where tools are required it fails.
it.skipIf(!present && !required)(
  'a page in a browser uses a store (needs the Debian package chromium)',
  async () => {
    expect(present, 'chromium is not installed').toBe(true)
    const transport = memoryNetwork().transport()
    const host = await createHost({ id: 'a', transport, storage: memoryStorage() })
    const partitioner = hashRing({ members: ['a'], shards: 2, replicas: 1 })
    const kv = await createKv({ host, consensus: raft(), partitioner })
    const page = await servePage(await bundle())
    const listener = webSocketListener({ port: 0, origins: [page.origin] })
    const server = await serveKv({ kv, listener })
    const close = await openPage(`${page.origin}/?store=ws://127.0.0.1:${listener.port}`)
    try {
      expect(await page.told).toBe('a page, 500000, true')
      expect((await kv.get('from'))?.text()).toBe('a page')
    } finally {
      await close()
      page.server.close()
      await server.close()
      await kv.close()
      await host.close()
    }
  },
  60_000,
)
