// node: one host of a real cluster, in the foreground.
import type { Command } from 'commander'
import { Option } from 'commander'
import { checkId } from '@quorate/core'
import { DEFAULT_DATA } from '../cluster/cluster-file.ts'
import { consensusChoices, storageChoices } from '../choices.ts'
import { CommandEnd } from '../output/exit-codes.ts'
import type { LogLevel } from '../output/log.ts'
import { createLogger, logLevels } from '../output/log.ts'
import type { OutputOptions } from '../output/report.ts'
import { printResult } from '../output/report.ts'
import { runHost } from '../server/run-host.ts'
import { untilStopped } from '../server/until-stopped.ts'
import { integer, withOutput } from './options.ts'

/** Options of commands that start hosts. */
export interface ClusterOptions extends OutputOptions {
  readonly cluster: string
  readonly consensus: string
  readonly storage: string
  readonly shards: number
  readonly replicas: number
  readonly data: string
  readonly bind: string
  readonly log: LogLevel
}

/** Adds the options of {@link ClusterOptions}. */
export function withCluster(command: Command): Command {
  return withOutput(command)
    .option('--cluster <name>', "the cluster's name", 'playground')
    .option(
      '--consensus <name>',
      `the algorithm: ${Object.keys(consensusChoices).join(', ')}`,
      'raft',
    )
    .option('--storage <name>', `the storage: ${Object.keys(storageChoices).join(', ')}`, 'fs')
    .option('--shards <count>', 'shards of the store; fixed for its life', integer(1, 4_096), 16)
    .option('--replicas <count>', 'replicas of each shard', integer(1, 31), 3)
    .option('--data <directory>', 'where data is kept', DEFAULT_DATA)
    .option('--bind <address>', 'the address that ports are bound to', '127.0.0.1')
    .addOption(
      new Option('--log <level>', 'what is logged to standard error')
        .choices([...logLevels])
        .default('warn'),
    )
}

interface NodeOptions extends ClusterOptions {
  readonly id: string
  readonly peers: Readonly<Record<string, string>>
  readonly peerPort: number
  readonly clientPort: number
  readonly rejoin?: true
}

/** Adds the command. */
export function addNode(program: Command): void {
  withCluster(program.command('node').description('run one host of a cluster'))
    .requiredOption('--id <name>', "this host's name")
    .requiredOption(
      '--peers <list>',
      'the other hosts: b=ws://127.0.0.1:7502,c=ws://127.0.0.1:7503',
      parsePeers,
    )
    .requiredOption('--peer-port <port>', 'the port for other hosts', integer(0, 65_535))
    .requiredOption(
      '--client-port <port>',
      'the port for clients and the dashboard',
      integer(0, 65_535),
    )
    .option(
      '--rejoin',
      'this host was here before and its data is gone: take no part until it has been brought up',
    )
    .action(async (options: NodeOptions) => {
      const logger = createLogger(options.log, { host: options.id })
      const stopped = untilStopped()
      const host = await runHost(options, logger)
      const { clientAddress, dashboard } = host
      printResult(
        options,
        { id: options.id, clientAddress, dashboard, pid: process.pid },
        () => `host ${options.id} takes clients at ${clientAddress}, dashboard ${dashboard}`,
      )
      process.send?.({ type: 'ready', clientAddress, dashboard })
      await stopped
      await host.close({ signal: AbortSignal.timeout(5_000) })
    })
}

/** Parses `b=ws://…,c=ws://…`. */
export function parsePeers(text: string): Readonly<Record<string, string>> {
  const peers = new Map<string, string>()
  for (const item of text.split(',').filter((part) => part.trim() !== '')) {
    const [id = '', address = ''] = item.split(/=(.*)/s).map((part) => part.trim())
    if (!/^wss?:\/\/./.test(address))
      throw new CommandEnd(
        'usage',
        `--peers takes b=ws://127.0.0.1:7502,…; got ${JSON.stringify(item)}`,
      )
    checkId(id, "a host's name in --peers")
    if (peers.has(id)) throw new CommandEnd('usage', `--peers names ${id} twice`)
    peers.set(id, address)
  }
  return Object.fromEntries(peers)
}
