// members and drain: which hosts there are, and how they come into service and out of it.
import type { Command } from 'commander'
import type { KvClient } from '@quorate/kv'
import { clientAddresses, removeFromClusterFile } from '../cluster/cluster-file.ts'
import { answers, tellOfLeaving } from '../cluster/join.ts'
import type { ClusterOverview } from '../cluster/overview-types.ts'
import { readOverview, replicasLeft } from '../cluster/overview.ts'
import { CommandEnd } from '../output/exit-codes.ts'
import { createProgress } from '../output/progress.ts'
import { counted, printResult, table } from '../output/report.ts'
import type { ClientOptions } from './options.ts'
import { refuseUnknown, withClient, withConnection } from './options.ts'

const LOOK_MS = 500

interface WaitOptions extends ClientOptions {
  readonly wait?: true
}

/** Adds the commands. */
export function addMembers(program: Command): void {
  const members = withClient(
    program
      .command('members')
      .enablePositionalOptions()
      .description('the hosts, and what they hold'),
  )
    .allowExcessArguments()
    .action((options: ClientOptions, command: Command) => {
      refuseUnknown(command)
      return list(options)
    })
  const change = (name: string, text: string): Command =>
    withClient(members.command(name).description(text)).argument('<host>')
  change('add', 'let a host that runs have replicas; "node --join" does so by itself').action(
    (host: string, options: ClientOptions) => activate(host, options, false),
  )
  change('cordon', 'give a host no further replicas').action(cordon)
  change('uncordon', 'let a host have replicas again, also one that is being drained').action(
    (host: string, options: ClientOptions) => activate(host, options, true),
  )
  change('leave', 'forget a host that holds nothing any more').action(leave)
  withClient(
    members
      .command('replace')
      .description('move everything that a host holds to another, which runs with "node --join"'),
  )
    .argument('<host>', 'the host that goes')
    .requiredOption('--with <host>', 'the host that comes')
    .option('--wait', 'until nothing is left on the one that goes')
    .action(replace)
  withClient(
    program.command('drain').description('move everything away from a host, also its leaders'),
  )
    .argument('<host>')
    .option('--wait', 'until nothing is left on it')
    .action(drain)
}

async function list(options: ClientOptions): Promise<void> {
  const { overview } = await withConnection(options, (client) =>
    readOverview(client, options.timeout),
  )
  printResult(options, overview, () => textOf(overview))
}

function textOf(overview: ClusterOverview): string {
  const { hosts, underReplicated, leaderless, moves, paused, mapError } = overview
  const rows = hosts.map(({ id, state, reachable, suspect, shards, leads, address }) => [
    id,
    state,
    answersOf({ reachable, suspect }),
    String(shards.length),
    String(leads.length),
    String(shards.filter((shard) => underReplicated.includes(shard)).length),
    address ?? '',
  ])
  const lines = [
    table([
      ['host', 'state', 'answers', 'replicas', 'leads', 'under-replicated', 'clients'],
      ...rows,
    ]),
    '',
    underReplicated.length === 0
      ? 'every shard has all of its replicas'
      : `under-replicated: ${shardList(underReplicated)}`,
  ]
  if (leaderless.length > 0) lines.push(`without a leader: ${shardList(leaderless)}`)
  if (moves.length > 0) lines.push(`being moved: ${shardList(moves.map(({ shard }) => shard))}`)
  if (paused) lines.push('nothing is planned by itself: "plan resume" ends that')
  if (mapError !== undefined) lines.push(`the map cannot be read (${mapError})`)
  return lines.join('\n')
}

function answersOf({ reachable, suspect }: { reachable: boolean; suspect: boolean }): string {
  if (reachable) return 'yes'
  return suspect ? 'suspect' : 'no'
}

function shardList(shards: readonly number[]): string {
  return `${shards.length === 1 ? 'shard' : 'shards'} ${shards.join(', ')}`
}

async function activate(host: string, options: ClientOptions, known: boolean): Promise<void> {
  await withConnection(options, async (client) => {
    const { hosts } = await client.admin.placement({ timeoutMs: options.timeout })
    if (hosts[host] === undefined) {
      if (known) throw unknownHost(host, Object.keys(hosts))
      await checkRuns(host, options)
    }
    await client.admin.join(host, { timeoutMs: options.timeout })
  })
  printResult(options, { host, state: 'active' }, () => `${host} gets replicas`)
}

async function cordon(host: string, options: ClientOptions): Promise<void> {
  await withConnection(options, async (client) => {
    await knownHost(client, host, options)
    await client.admin.cordon(host, { timeoutMs: options.timeout })
  })
  printResult(
    options,
    { host, state: 'cordoned' },
    () => `${host} keeps its replicas, and gets no further ones`,
  )
}

async function leave(host: string, options: ClientOptions): Promise<void> {
  const told = await withConnection(options, async (client) => {
    await knownHost(client, host, options)
    await client.admin.leave(host, { timeoutMs: options.timeout })
    const addresses = await clientAddresses(options.connect, options.data)
    return tellOfLeaving(addresses, host)
  })
  if (options.connect === undefined) await removeFromClusterFile(options.data, host)
  printResult(
    options,
    { host, left: true },
    () =>
      `${host} has left${told ? '' : ', but no host could be told'}: its process can be stopped`,
  )
}

async function replace(
  host: string,
  options: WaitOptions & { readonly with: string },
): Promise<void> {
  const { with: next } = options
  if (next === host) throw new CommandEnd('usage', 'a host is replaced by another one')
  await withConnection(options, async (client) => {
    await knownHost(client, host, options)
    const { hosts } = await client.admin.placement({ timeoutMs: options.timeout })
    if (hosts[next] === undefined) await checkRuns(next, options)
    await client.admin.join(next, { timeoutMs: options.timeout })
    await client.admin.drain(host, { timeoutMs: options.timeout })
    await tellOfDrain(client, host, options)
  })
}

async function drain(host: string, options: WaitOptions): Promise<void> {
  await withConnection(options, async (client) => {
    await knownHost(client, host, options)
    const stuck = await stuckShards(client, host, options)
    if (stuck.length > 0) {
      throw new CommandEnd(
        'conflict',
        `no other host can take ${shardList(stuck)} over: start one by "quorate node --id NAME --join"`,
      )
    }
    await client.admin.drain(host, { timeoutMs: options.timeout })
    await tellOfDrain(client, host, options)
  })
}

/** The shards of a host for which there is no other host that could get replicas. */
async function stuckShards(
  client: KvClient,
  host: string,
  options: ClientOptions,
): Promise<readonly number[]> {
  const { hosts, shards } = await client.admin.placement({ timeoutMs: options.timeout })
  const active = Object.keys(hosts).filter((id) => id !== host && hosts[id] === 'active')
  return [...shards.entries()]
    .filter(([, { voters }]) => voters.includes(host))
    .filter(([, { voters }]) => active.every((id) => voters.includes(id)))
    .map(([shard]) => shard)
}

/** Says what is left on a host that is being drained, and waits for it where that is asked for. */
async function tellOfDrain(client: KvClient, host: string, options: WaitOptions): Promise<void> {
  const progress = createProgress(options.json !== true && options.wait === true)
  let left = await leftOn(client, host, options)
  while (options.wait === true && left > 0) {
    progress.update(() => `${host} has ${counted(left, 'replica')} left`)
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    left = await leftOn(client, host, options)
  }
  progress.end()
  const state = left === 0 ? 'drained' : 'draining'
  printResult(options, { host, state, replicas: left }, () =>
    left === 0
      ? `${host} holds nothing any more: "members leave ${host}" forgets it`
      : `${host} is being drained, ${counted(left, 'replica')} to go: "members" shows how far it is`,
  )
}

async function leftOn(client: KvClient, host: string, options: ClientOptions): Promise<number> {
  return replicasLeft(await client.admin.placement({ timeoutMs: options.timeout }), host)
}

async function knownHost(client: KvClient, host: string, options: ClientOptions): Promise<void> {
  const { hosts } = await client.admin.placement({ timeoutMs: options.timeout })
  if (hosts[host] === undefined) throw unknownHost(host, Object.keys(hosts))
}

/** A name that no host has would be given replicas that nobody holds. */
async function checkRuns(host: string, options: ClientOptions): Promise<void> {
  const addresses = await clientAddresses(options.connect, options.data)
  if (await answers(addresses, host)) return
  throw new CommandEnd(
    'usage',
    `no host ${host} runs: start it by "quorate node --id ${host} --join"`,
  )
}

function unknownHost(host: string, there: readonly string[]): CommandEnd {
  return new CommandEnd(
    'usage',
    `the cluster has no host ${JSON.stringify(host)}; there is ${there.join(', ')}`,
  )
}
