// node: one host of a real cluster, in the foreground.
import type { Command } from 'commander'
import { Option } from 'commander'
import { checkId } from '@quorate/core'
import { DEFAULT_DATA } from '../cluster/cluster-file.ts'
import { foundingHost, joiningHost, takePart } from '../cluster/host-settings.ts'
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
  readonly hibernateAfter: number
  readonly log: LogLevel
  readonly suspectAfter: number
  readonly replaceAfter: number
  readonly moves: number
  readonly moveRate?: number
  readonly leaderBalance: boolean
  readonly onDamage?: 'halt' | 'repair'
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
    .option(
      '--hibernate-after <ms>',
      'let a shard sleep, which then costs nothing, after so long without a request; 0: never',
      integer(0, 86_400_000),
      10_000,
    )
    .option(
      '--suspect-after <ms>',
      'say that a host is suspect that cannot be reached for so long, and give it nothing new',
      integer(0, 2 ** 31 - 1),
      500,
    )
    .option(
      '--replace-after <ms>',
      'give the replicas of a host that cannot be reached for so long to others; 0: never',
      integer(0, 2 ** 31 - 1),
      300_000,
    )
    .option('--moves <count>', 'most replicas being moved at a time', integer(1, 64), 4)
    .option(
      '--move-rate <bytes>',
      'most bytes a second that moves copy in all (default: no bound)',
      integer(1, Number.MAX_SAFE_INTEGER),
    )
    .option('--no-leader-balance', 'leave leaders where elections have put them')
    .addOption(
      new Option(
        '--on-damage <policy>',
        'entries that the disk has lost: get them from other hosts, or do not start (default: repair where shards have several replicas)',
      ).choices(['halt', 'repair']),
    )
    .addOption(
      new Option('--log <level>', 'what is logged to standard error')
        .choices([...logLevels])
        .default('warn'),
    )
}

/** Options of the command. */
export interface NodeOptions extends ClusterOptions {
  readonly id: string
  readonly peers?: Readonly<Record<string, string>>
  readonly join?: string | true
  readonly peerPort?: number
  readonly clientPort?: number
  readonly advertise?: string
  readonly rejoin?: true
}

/** Adds the command. */
export function addNode(program: Command): void {
  const command = withCluster(program.command('node').description('run one host of a cluster'))
    .requiredOption('--id <name>', "this host's name")
    .option(
      '--peers <list>',
      'the other hosts of a new cluster: b=ws://127.0.0.1:7502,c=ws://127.0.0.1:7503',
      parsePeers,
    )
    .option(
      '--join [addresses]',
      'come into a cluster that runs: the one in --data, or at ws://127.0.0.1:7401/client,…',
    )
    .option(
      '--peer-port <port>',
      'the port for other hosts; with --join by default any that is free',
      integer(0, 65_535),
    )
    .option(
      '--client-port <port>',
      'the port for clients and the dashboard, likewise',
      integer(0, 65_535),
    )
    .option(
      '--advertise <host>',
      'the name or address under which others reach this host (default: that of --bind)',
    )
    .option(
      '--rejoin',
      'this host was here before and its data is gone: take no part until it has been brought up',
    )
  command.action(async (options: NodeOptions) => {
    const logger = createLogger(options.log, { host: options.id })
    const stopped = untilStopped()
    const isGiven = (name: string): boolean => command.getOptionValueSource(name) === 'cli'
    const settings =
      options.join === undefined ? await foundingHost(options) : await joiningHost(options, isGiven)
    const host = await runHost(settings, logger)
    const { clientAddress, dashboard } = host
    try {
      if (options.join !== undefined) await takePart(host, options)
    } catch (error) {
      await host.close({ signal: AbortSignal.timeout(5_000) })
      throw error
    }
    printResult(
      options,
      { id: options.id, clientAddress, dashboard, pid: process.pid },
      () => `host ${options.id} takes clients at ${clientAddress}, dashboard ${dashboard}`,
    )
    process.send?.({ type: 'ready', clientAddress, dashboard })
    const failure = await Promise.race([stopped, host.diskFailed])
    const closing = host.close({ signal: AbortSignal.timeout(5_000) })
    if (failure === undefined) return closing
    // What fails now fails for the same reason.
    await closing.catch(() => undefined)
    throw failure
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
