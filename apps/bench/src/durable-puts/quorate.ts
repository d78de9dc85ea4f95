// Three processes of Quorate on loopback, started by the command that users start, and the client
// that users use.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { connect } from '@quorate/kv'
import { webSocketDialer } from '@quorate/transport-ws'
import type { MeasuredStore } from './etcd.ts'
import { stopChildren } from './etcd.ts'

const HOSTS = ['a', 'b', 'c'] as const

/** Starts a cluster with its data below `directory`, ports from `port`. */
export async function startQuorate(
  directory: string,
  port: number,
  options: { readonly consensus: string; readonly shards: number },
): Promise<MeasuredStore> {
  const cli = fileURLToPath(import.meta.resolve('@quorate/playground/cli'))
  const peerOf = (host: string): string =>
    `${host}=ws://127.0.0.1:${port + 10 + HOSTS.indexOf(host as 'a')}`
  const children = HOSTS.map((host, at) =>
    fork(
      cli,
      [
        'node',
        '--id',
        host,
        '--client-port',
        String(port + at),
        '--peer-port',
        String(port + 10 + at),
        '--peers',
        HOSTS.filter((other) => other !== host)
          .map(peerOf)
          .join(','),
        '--data',
        directory,
        '--consensus',
        options.consensus,
        '--shards',
        String(options.shards),
        '--cluster',
        'bench',
      ],
      { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv: [] },
    ),
  )
  try {
    await Promise.all(children.map((child) => once(child, 'message')))
    const addresses = HOSTS.map((_, at) => `ws://127.0.0.1:${port + at}/client`)
    const client = await connect({ addresses, dialer: webSocketDialer() })
    await client.put('bench/warm', 'up', { timeoutMs: 20_000 })
    return {
      name: `quorate (${options.consensus}, ${options.shards} shards)`,
      put: (key, value) => client.put(key, value),
      async stop() {
        await client.close()
        await stopChildren(children)
      },
    }
  } catch (error) {
    await stopChildren(children)
    throw error
  }
}
