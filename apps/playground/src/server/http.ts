// The host's HTTP side: the dashboard's files, its JSON, and the upgrade for clients. It answers
// to names of this machine only, so that no page of another site can reach it by a rebound name.
import { readFile } from 'node:fs/promises'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import { isQuorateError, QuorateError } from '@quorate/core'
import type { Kv } from '@quorate/kv'
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
  /** The shard of a key and the hosts that should hold it. */
  locate(key: string): { readonly shard: number; readonly owners: readonly string[] }
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
  checkOrigin(request)
  const url = new URL(request.url ?? '/', 'http://localhost')
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

/** Refuses names that are not this machine's, and requests that a page of another origin makes. */
function checkOrigin(request: IncomingMessage): void {
  const local = (host: string): boolean => /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/.test(host)
  const { host = '', origin } = request.headers
  if (!local(host))
    throw new QuorateError('UNAUTHORIZED', 'this host is reached by the name localhost only')
  if (origin !== undefined && origin !== `http://${host}`) {
    throw new QuorateError('UNAUTHORIZED', 'requests of other sites are refused')
  }
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
  sendJson(response, 200, { ...context.locate(key), ...found })
}

async function writeKey(
  context: HttpContext,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
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
  const { key, value } = parseWrite(Buffer.concat(chunks).toString('utf8'))
  const { version } = await context.kv.put(key, value, { timeoutMs: 5_000 })
  sendJson(response, 200, { ...context.locate(key), value, version })
}

function parseWrite(text: string): { key: string; value: string } {
  try {
    const { key, value } = JSON.parse(text) as { key?: unknown; value?: unknown }
    if (typeof key === 'string' && typeof value === 'string') return { key, value }
  } catch {
    // Told below, as for JSON of another shape.
  }
  throw new QuorateError('INVALID_ARGUMENT', 'a write is {"key": "…", "value": "…"}')
}

function codeOf(error: unknown): string {
  return isQuorateError(error) ? error.code : 'FAILED'
}

function statusOf(error: unknown): number {
  const statuses: Record<string, number> = {
    INVALID_ARGUMENT: 400,
    UNAUTHORIZED: 403,
    LIMIT_EXCEEDED: 413,
  }
  return statuses[codeOf(error)] ?? 503
}
