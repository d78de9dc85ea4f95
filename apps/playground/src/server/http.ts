// The host's HTTP side: the dashboard's files, its JSON, and how other hosts come in. Pages are
// answered under addresses and localhost only, so that none of another site reaches it by a rebound
// name; what only programs ask for is refused to pages altogether.
import { readFile } from 'node:fs/promises'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import { isIP } from 'node:net'
import { checkId, isQuorateError, QuorateError } from '@quorate/core'
import type { Kv } from '@quorate/kv'
import type { HostDirectory, JoinRequest } from './host-directory.ts'
import type { ClusterView } from './view.ts'
import { textOf } from '../output/report.ts'

const BODY_BYTES_MAX = 65_536
const FILES: Readonly<Record<string, readonly [file: string, type: string]>> = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/style.css': ['style.css', 'text/css; charset=utf-8'],
  '/dashboard.js': ['dashboard.js', 'text/javascript; charset=utf-8'],
}
const HEADERS = {
  'content-security-policy':
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
}

/** What the HTTP side shows. */
export interface HttpContext {
  /** The store. */
  readonly kv: Kv
  /** The state of the cluster. */
  view(): Promise<ClusterView>
  /** Who belongs to the cluster. */
  readonly directory: Pick<HostDirectory, 'answers' | 'join' | 'forget'>
}

/** Makes the server; it does not listen yet. */
export function createHttp(context: HttpContext): Server {
  return createServer((request, response) => {
    handle(context, request, response).catch((error: unknown) => {
      if (response.headersSent) {
        response.destroy()
        return
      }
      sendJson(response, statusOf(error), {
        error: { code: codeOf(error), message: (error as Error).message },
      })
    })
  })
}

async function handle(
  context: HttpContext,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://localhost')
  if (url.pathname === '/api/hosts') return changeHosts(context, request, response)
  checkOrigin(request)
  const file = Object.hasOwn(FILES, url.pathname) ? FILES[url.pathname] : undefined
  if (file !== undefined && request.method === 'GET') return sendFile(response, ...file)
  if (url.pathname === '/api/cluster' && request.method === 'GET')
    return sendJson(response, 200, await context.view())
  if (url.pathname === '/api/key' && request.method === 'GET') {
    return readKey(context, url.searchParams.get('key') ?? '', response)
  }
  if (url.pathname === '/api/key' && request.method === 'POST')
    return writeKey(context, request, response)
  sendJson(response, 404, { error: { code: 'NOT_FOUND', message: 'there is nothing here' } })
}

/** Refuses names other than localhost, and requests that a page of another origin makes. */
function checkOrigin(request: IncomingMessage): void {
  const { host = '', origin } = request.headers
  if (!isAddress(host)) {
    throw new QuorateError('UNAUTHORIZED', 'this host is reached by an address or as localhost')
  }
  if (origin !== undefined && origin !== `http://${host}`) {
    throw new QuorateError('UNAUTHORIZED', 'requests of other sites are refused')
  }
}

/** Whether a Host header is an address or localhost: no site can make its own name mean these. */
function isAddress(header: string): boolean {
  const name = header.replace(/:\d+$/, '')
  return name === 'localhost' || isIP(name.replace(/^\[(.*)\]$/, '$1')) !== 0
}

/** Takes a host in, or forgets one that has left. */
async function changeHosts(
  { directory }: HttpContext,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  // Every browser sends its page's origin with these methods.
  if (request.headers.origin !== undefined) {
    throw new QuorateError('UNAUTHORIZED', 'pages do not change who belongs to the cluster')
  }
  if (request.method === 'GET') {
    const asked = new URL(request.url ?? '/', 'http://localhost').searchParams.get('id')
    return sendJson(response, 200, { id: asked, reachable: directory.answers(asked ?? '') })
  }
  const { id, peer, fresh, rejoin, expected } = (await readBody(request)) as Record<string, unknown>
  const host = checkId(id, "a host's name")
  if (request.method === 'DELETE') {
    await directory.forget(host)
    return sendJson(response, 200, { id: host })
  }
  const known = typeof peer === 'string' && /^wss?:\/\/./.test(peer) && URL.canParse(peer)
  if (request.method !== 'POST' || !known) {
    throw new QuorateError('INVALID_ARGUMENT', 'a host joins with {"id": "…", "peer": "ws://…"}')
  }
  const asked: JoinRequest = {
    id: host,
    peer,
    fresh: fresh === true,
    rejoin: rejoin === true,
    // It is compared and shown, and nothing else.
    expected: typeof expected === 'object' && expected !== null ? expected : {},
  }
  sendJson(response, 200, await directory.join(asked))
}

async function sendFile(response: ServerResponse, name: string, type: string): Promise<void> {
  const body = await readFile(new URL(`./web/${name}`, import.meta.url))
  response.writeHead(200, { ...HEADERS, 'content-type': type }).end(body)
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response
    .writeHead(status, { ...HEADERS, 'content-type': 'application/json' })
    .end(JSON.stringify(value))
}

async function readKey(context: HttpContext, key: string, response: ServerResponse): Promise<void> {
  const entry = await context.kv.get(key, { timeoutMs: 3_000 })
  const found =
    entry === undefined
      ? {}
      : { value: textOf(entry.value) ?? `${entry.value.length} bytes`, version: entry.version }
  sendJson(response, 200, { shard: context.kv.shardOf(key), ...found })
}

async function writeKey(
  { kv }: HttpContext,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { key, value } = (await readBody(request)) as Record<string, unknown>
  if (typeof key !== 'string' || typeof value !== 'string') {
    throw new QuorateError('INVALID_ARGUMENT', 'a write is {"key": "…", "value": "…"}')
  }
  const { version } = await kv.put(key, value, { timeoutMs: 5_000 })
  sendJson(response, 200, { shard: kv.shardOf(key), value, version })
}

/** The JSON object that a request carries. */
async function readBody(request: IncomingMessage): Promise<object> {
  if (request.headers['content-type'] !== 'application/json') {
    throw new QuorateError('INVALID_ARGUMENT', 'a write is JSON')
  }
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > BODY_BYTES_MAX)
      throw new QuorateError('LIMIT_EXCEEDED', `a write here has at most ${BODY_BYTES_MAX} bytes`)
    chunks.push(chunk)
  }
  try {
    const value: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'))
    if (typeof value === 'object' && value !== null) return value
  } catch {
    // Told below, as for JSON of another shape.
  }
  throw new QuorateError('INVALID_ARGUMENT', 'a write is a JSON object')
}

function codeOf(error: unknown): string {
  return isQuorateError(error) ? error.code : 'FAILED'
}

function statusOf(error: unknown): number {
  const statuses: Record<string, number> = {
    INVALID_ARGUMENT: 400,
    CONFLICT: 409,
    INVALID_OPTIONS: 409,
    UNAUTHORIZED: 403,
    LIMIT_EXCEEDED: 413,
  }
  return statuses[codeOf(error)] ?? 503
}
