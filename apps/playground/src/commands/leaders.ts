// leaders: who leads what, and how leadership is handed on or spread, without an election.
import type { Command } from 'commander'
import type { KvClient } from '@quorate/kv'
import type { ClusterOverview } from '../cluster/overview-types.ts'
import { readOverview } from '../cluster/overview.ts'
import { CommandEnd } from '../output/exit-codes.ts'
import { printResult, table } from '../output/report.ts'
import type { ClientOptions } from './options.ts'
import { integer, refuseUnknown, withClient, withConnection } from './options.ts'

/** A transfer of leadership. */
export interface Transfer {
  /** The shard. */
  readonly shard: number
  /** Who led it. */
  readonly from: string
  /** Who leads it now. */
  readonly to: string
}

/** Adds the commands. */
export function addLeaders(program: Command): void {
  const leaders = withClient(
    program
      .command('leaders')
      .enablePositionalOptions()
      .description('which host leads which shards'),
  )
    .allowExcessArguments()
    .action((options: ClientOptions, command: Command) => {
      refuseUnknown(command)
      return show(options)
    })
  withClient(
    leaders.command('balance').description('hand leadership on until hosts differ by one at most'),
  ).action(balance)
  withClient(leaders.command('move').description('hand the leadership of a shard on'))
    .argument('<shard>', "the shard's number", integer(0, 1_000_000))
    .requiredOption('--to <host>', 'one of its voters')
    .action(moveLeader)
}

async function show(options: ClientOptions): Promise<void> {
  const { overview } = await withConnection(options, (client) =>
    readOverview(client, options.timeout),
  )
  const { hosts, leaderless } = overview
  const value = { hosts: hosts.map(({ id, leads }) => ({ id, leads })), leaderless }
  printResult(options, value, () => {
    const rows = hosts.map(({ id, leads, reachable }) => [
      id,
      String(leads.length),
      reachable ? leads.join(' ') : 'does not answer',
    ])
    const lines = [table([['host', 'leads', 'shards'], ...rows])]
    if (leaderless.length > 0) lines.push('', `without a leader: ${leaderless.join(' ')}`)
    return lines.join('\n')
  })
}

async function moveLeader(
  shard: number,
  options: ClientOptions & { readonly to: string },
): Promise<void> {
  const { to } = options
  await withConnection(options, async (client) => {
    const { shards } = await client.status({ timeoutMs: options.timeout })
    const held = shards[shard]
    if (held === undefined) {
      throw new CommandEnd('usage', `there is no shard ${shard}; the last is ${shards.length - 1}`)
    }
    if (!held.voters.includes(to)) {
      throw new CommandEnd(
        'usage',
        `${to} is no voter of shard ${shard}; ${held.voters.join(', ')} are`,
      )
    }
    await client.admin.transferLeader(shard, to, { timeoutMs: options.timeout })
    printResult(options, { shard, from: held.leader, to }, () => `${to} leads shard ${shard}`)
  })
}

async function balance(options: ClientOptions): Promise<void> {
  const transfers = await withConnection(options, (client) => spread(client, options))
  printResult(options, { transfers }, () =>
    transfers.length === 0
      ? 'leaders are spread evenly'
      : transfers.map(({ shard, from, to }) => `shard ${shard}: ${from} → ${to}`).join('\n'),
  )
}

async function spread(client: KvClient, options: ClientOptions): Promise<readonly Transfer[]> {
  const { overview } = await readOverview(client, options.timeout)
  const transfers = planTransfers(overview)
  for (const { shard, to } of transfers) {
    await client.admin.transferLeader(shard, to, { timeoutMs: options.timeout })
  }
  return transfers
}

/** The transfers after which no host leads two shards more than another one that could lead them. */
export function planTransfers({ hosts, moves }: ClusterOverview): readonly Transfer[] {
  const able = hosts.filter(
    ({ reachable, state }) => reachable && (state === 'active' || state === 'unknown'),
  )
  const count = new Map(hosts.map(({ id, leads }) => [id, leads.length]))
  const of = (id: string): number => count.get(id) ?? 0
  const leaderOf = new Map(hosts.flatMap(({ id, leads }) => leads.map((shard) => [shard, id])))
  const transfers: Transfer[] = []
  for (;;) {
    let best: Transfer | undefined
    let gain = 1
    for (const [shard, from] of leaderOf) {
      if (moves.some((each) => each.shard === shard)) continue
      for (const { id: to, shards } of able) {
        if (!shards.includes(shard) || of(from) - of(to) <= gain) continue
        best = { shard, from, to }
        gain = of(from) - of(to)
      }
    }
    if (best === undefined) return transfers
    transfers.push(best)
    leaderOf.set(best.shard, best.to)
    count.set(best.from, of(best.from) - 1)
    count.set(best.to, of(best.to) + 1)
  }
}
