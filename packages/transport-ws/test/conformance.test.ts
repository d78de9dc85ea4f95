// The transport over real sockets keeps the contract of transports: plain, and with a secret.
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  clientConformance,
  transportConformance,
  type TransportHarness,
} from '@quorate/conformance/transport'
import { describe, it } from 'vitest'
import {
  webSocketDialer,
  webSocketListener,
  webSockets,
  type WebSocketsOptions,
} from '../src/index.ts'

/** One server a host, which stays while the host restarts, so that addresses are known before. */
function harness(options: WebSocketsOptions): TransportHarness {
  return {
    async create(hosts) {
      const servers = new Map<string, Server>()
      for (const host of hosts) {
        const server = createServer((_request, response) => void response.writeHead(404).end())
        await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
        servers.set(host, server)
      }
      const address = (host: string): string => {
        return `ws://127.0.0.1:${(servers.get(host)!.address() as AddressInfo).port}`
      }
      return {
        address,
        transport: (host) =>
          webSockets({
            listen: { server: servers.get(host)! },
            peers: Object.fromEntries(
              hosts.filter((peer) => peer !== host).map((peer) => [peer, address(peer)]),
            ),
            backoff: { baseMs: 5, maxMs: 50 },
            ...options,
          }),
        async close() {
          await Promise.all(
            [...servers.values()].map(
              (server) => new Promise<void>((resolve) => server.close(() => resolve())),
            ),
          )
        },
      }
    },
  }
}

const test = { describe, it }
transportConformance({ name: 'plain', test, ...harness({}) })
transportConformance({
  name: 'with a secret',
  test,
  ...harness({ secret: 'thirty-two characters of a secret' }),
})

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return port
}

clientConformance({
  name: 'clients',
  test,
  async create() {
    const listener = webSocketListener({ port: 0 })
    return {
      listener,
      dialer: webSocketDialer(),
      address: () => `ws://127.0.0.1:${listener.port}`,
      nowhere: async () => `ws://127.0.0.1:${await freePort()}`,
      async close() {},
    }
  },
})
