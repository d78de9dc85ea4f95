// status: how the cluster stands, and an exit code that a monitor can use.
import type { Command } from 'commander'
import type { KvStatus } from '@quorate/kv'
import { CommandEnd } from '../output/exit-codes.ts'
import { counted, printResult, table } from '../output/report.ts'
import type { ClientOptions } from './options.ts'
import { withClient, withConnection } from './options.ts'

/** Adds the command. */
export function addStatus(program: Command): void {
  withClient(
    program
      .command('status')
      .description('how the cluster stands; exit code 6 where a shard has no leader'),
  ).action(async (options: ClientOptions) => {
    const status = await withConnection(options, (client) =>
      client.status({ timeoutMs: options.timeout }),
    )
    printResult(options, status, () => textOf(status))
    const leaderless = status.shards.filter((shard) => shard.leader === undefined).length
    if (leaderless > 0)
      throw new CommandEnd(
        'unavailable',
        `${leaderless} of ${status.shards.length} shards have no leader`,
      )
  })
}

function standing({ reachable, suspect }: KvStatus['hosts'][number]): string {
  if (reachable) return 'up'
  return suspect ? 'suspect: does not answer' : 'does not answer'
}

function textOf(status: KvStatus): string {
  const hosts = status.hosts.map((host) => [
    host.id,
    standing(host),
    `leads ${host.leads}`,
    counted(host.replicas, 'replica'),
  ])
  const shards = status.shards.map((shard) => [
    String(shard.shard),
    shard.leader ?? 'none',
    String(shard.term),
    shard.voters.join(' '),
    String(shard.keys),
    String(shard.bytes),
    shard.replicas.map((replica) => `${replica.host}:${replica.appliedIndex}`).join(' '),
  ])
  const short = status.shards.filter(({ underReplicated }) => underReplicated)
  const missing =
    short.length === 0
      ? 'every shard has all of its replicas'
      : `under-replicated: shards ${short.map(({ shard }) => shard).join(', ')}`
  const keys = status.shards.reduce((sum, shard) => sum + shard.keys, 0)
  return [
    `cluster ${status.cluster}, ${counted(status.shards.length, 'shard')}, ${counted(keys, 'key')}`,
    '',
    table(hosts),
    '',
    missing,
    '',
    table([['shard', 'leader', 'term', 'voters', 'keys', 'bytes', 'applied'], ...shards]),
  ].join('\n')
}
