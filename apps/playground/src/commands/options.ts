// Options that several commands share, and their checks.
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { InvalidArgumentError } from 'commander'
import { QuorateError } from '@quorate/core'
import { webSocketDialer } from '@quorate/transport-ws'
import type { KvClient } from '@quorate/kv'
import { connect } from '@quorate/kv'
import { clientAddresses, DEFAULT_DATA } from '../cluster/cluster-file.ts'
import { exitOf } from '../output/exit-codes.ts'
import type { OutputOptions } from '../output/report.ts'

/** Options of commands that talk to a cluster. */
export interface ClientOptions extends OutputOptions {
  /** Addresses, separated by commas. */
  readonly connect?: string | undefined
  /** The data directory whose cluster is meant. */
  readonly data: string
  /** How long to try, in milliseconds. */
  readonly timeout: number
}

/** Adds the options of {@link OutputOptions}. */
export function withOutput(command: Command): Command {
  return command.option('--json', 'print JSON').option('--debug', 'print stacks of errors')
}

/** Adds the options of {@link ClientOptions}. */
export function withClient(command: Command, timeoutMs = 10_000): Command {
  return withOutput(command)
    .option(
      '--connect <addresses>',
      'addresses of hosts, such as ws://127.0.0.1:7401/client, separated by commas',
    )
    .option('--data <directory>', 'the data directory whose cluster is meant', DEFAULT_DATA)
    .option('--timeout <ms>', 'how long to try, in milliseconds', integer(1, 3_600_000), timeoutMs)
}

/** Runs a job with a client, which is closed afterwards. */
export async function withConnection<T>(
  options: ClientOptions,
  job: (client: KvClient) => Promise<T>,
): Promise<T> {
  const addresses = await clientAddresses(options.connect, options.data)
  const client = await connect({
    addresses,
    dialer: webSocketDialer(),
    timeoutMs: options.timeout,
  }).catch((error: unknown) => {
    if (options.connect !== undefined || exitOf(error) !== 'unavailable') throw error
    // The file outlives the cluster that has written it.
    throw new QuorateError(
      'UNAVAILABLE',
      `${(error as Error).message}; if the cluster of ${resolve(options.data)} does not run, start it again`,
      { cause: error },
    )
  })
  try {
    return await job(client)
  } finally {
    await client.close()
  }
}

/** Ends a command with subcommands that was given something else. */
export function refuseUnknown(command: Command): void {
  const [given] = command.args
  if (given === undefined) return
  const there = command.commands.map((one) => one.name()).join(', ')
  command.error(`error: unknown command '${given}' of ${command.name()}; there is ${there}`)
}

/** Parses an integer within bounds. */
export function integer(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (/^\d+$/.test(text) && value >= min && value <= max) return value
    throw new InvalidArgumentError(`It takes an integer from ${min} to ${max}.`)
  }
}
