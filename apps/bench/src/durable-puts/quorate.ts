// Three processes of Quorate on loopback, started by the command that users start, and the client
// that users use.
import type { ChildProcess } from 'node:child_process'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { connect } from '@quorate/kv'
import { webSocketDialer } from '@quorate/transport-ws'
import type { MeasuredStore } from './etcd.ts'
import { stopChildren } from './etcd.ts'

const HOSTS = ['a', 'b', 'c'] as const

/** How the hosts are set up. */
export interface QuorateSetup {
  /** The algorithm's name. */
  readonly consensus: string
  /** How many shards. */
  readonly shards: number
}

/** The hosts' names, in order of their ports. */
export const quorateHosts: readonly string[] = HOSTS

/** Where clients connect. */
export function quorateAddresses(port: number): readonly string[] {
  return HOSTS.map((_, at) => `ws://127.0.0.1:${port + at}/client`)
}

/** Starts one host of three, or starts it again on its data; its first message says that it is up. */
export function forkQuorate(
  directory: string,
  port: number,
  at: number,
  { consensus, shards }: QuorateSetup,
): ChildProcess {
  const cli = fileURLToPath(import.meta.resolve('@quorate/playground/cli'))
  const peers = HOSTS.map((host, of) => `${host}=ws://127.0.0.1:${port + 10 + of}`)
  const options = {
    id: HOSTS[at] as string,
    'client-port': String(port + at),
    'peer-port': String(port + 10 + at),
    peers: peers.filter((_, of) => of !== at).join(','),
    data: directory,
    consensus,
    shards: String(shards),
    cluster: 'bench',
  }
  const set = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value])
  return fork(cli, ['node', ...set], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv: [],
  })
}

/** Starts a cluster with its data below `directory`, ports from `port`. */
export async function startQuorate(
  directory: string,
  port: number,
  options: QuorateSetup,
): Promise<MeasuredStore> {
  const children = HOSTS.map((_, at) => forkQuorate(directory, port, at, options))
  try {
    await Promise.all(children.map((child) => once(child, 'message')))
    const client = await connect({ addresses: quorateAddresses(port), dialer: webSocketDialer() })
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
