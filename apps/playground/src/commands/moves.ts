// move and plan: which replica goes where, by hand and by the store itself.
import type { Command } from 'commander'
import type { KvClient, Placement, PlannedMove, ShardPlacement } from '@quorate/kv'
import { readOverview } from '../cluster/overview.ts'
import { CommandEnd } from '../output/exit-codes.ts'
import { createProgress } from '../output/progress.ts'
import { printResult, table } from '../output/report.ts'
import type { ClientOptions } from './options.ts'
import { integer, refuseUnknown, withClient, withConnection } from './options.ts'

const LOOK_MS = 500

interface MoveOptions extends ClientOptions {
  readonly to: string
  readonly from?: string
  readonly wait?: true
}

/** Adds the commands. */
export function addMoves(program: Command): void {
  withClient(program.command('move').description('move one replica of a shard'))
    .argument('<shard>', "the shard's number", integer(0, 1_000_000))
    .requiredOption('--to <host>', 'the host that gets it')
    .option('--from <host>', 'the host that loses it (default: the one that holds the most)')
    .option('--wait', 'until it is there')
    .action(move)
  const plan = withClient(
    program
      .command('plan')
      .enablePositionalOptions()
      .description('what is being moved, what would be next, and why'),
  )
    .allowExcessArguments()
    .action((options: ClientOptions, command: Command) => {
      refuseUnknown(command)
      return show(options)
    })
  withClient(
    plan.command('pause').description('plan nothing any more; moves under way are completed'),
  ).action((options: ClientOptions) => pause(options, true))
  withClient(plan.command('resume').description('plan again')).action((options: ClientOptions) =>
    pause(options, false),
  )
}

async function move(shard: number, options: MoveOptions): Promise<void> {
  await withConnection(options, async (client) => {
    const placement = await client.admin.placement({ timeoutMs: options.timeout })
    const from = checkMove(placement, shard, options)
    await client.admin.move(shard, from, options.to, { timeoutMs: options.timeout })
    const done = options.wait === true ? await untilMoved(client, shard, options) : false
    printResult(options, { shard, from, to: options.to, done }, () =>
      done
        ? `shard ${shard} has moved from ${from} to ${options.to}`
        : `shard ${shard} is being moved from ${from} to ${options.to}: "plan" shows when it is there`,
    )
  })
}

/** The host that loses its replica; refuses what could not be a move. */
function checkMove(placement: Placement, shard: number, options: MoveOptions): string {
  const held = placement.shards[shard]
  if (held === undefined) {
    throw new CommandEnd(
      'usage',
      `there is no shard ${shard}; the last is ${placement.shards.length - 1}`,
    )
  }
  const there = Object.keys(placement.hosts)
  for (const id of [options.to, options.from]) {
    if (id !== undefined && placement.hosts[id] === undefined) {
      throw new CommandEnd(
        'usage',
        `the cluster has no host ${JSON.stringify(id)}; there is ${there.join(', ')}`,
      )
    }
  }
  // Asked again after it was begun, or done: the one that leaves is known then.
  const leaving = leavingFor(held, options.to)
  if (options.from === undefined && leaving !== undefined) return leaving
  const isDone = options.from !== undefined && held.left?.includes(options.from) === true
  if (isDone && held.voters.includes(options.to)) return options.from
  if (held.voters.includes(options.to)) {
    throw new CommandEnd('conflict', `${options.to} has a replica of shard ${shard} already`)
  }
  const from = options.from ?? mostLoaded(placement, held.voters)
  if (!held.voters.includes(from)) {
    throw new CommandEnd(
      'usage',
      `${from} has no replica of shard ${shard}; ${held.voters.join(', ')} have one`,
    )
  }
  return from
}

/** The host that loses its replica to another by the move that is under way. */
function leavingFor({ voters, move }: ShardPlacement, to: string): string | undefined {
  if (move?.to.includes(to) !== true || voters.includes(to)) return undefined
  return voters.find((id) => !move.to.includes(id))
}

function mostLoaded({ shards, hosts }: Placement, among: readonly string[]): string {
  const load = (id: string): number =>
    shards.filter(({ voters }) => voters.includes(id)).length +
    (hosts[id] === 'draining' ? shards.length : 0)
  return among.toSorted((a, b) => load(b) - load(a))[0] as string
}

async function untilMoved(client: KvClient, shard: number, options: MoveOptions): Promise<boolean> {
  const progress = createProgress(options.json !== true)
  try {
    for (;;) {
      const { shards } = await client.admin.placement({ timeoutMs: options.timeout })
      const held = shards[shard]
      if (held?.move === undefined) {
        if (held?.voters.includes(options.to) === true) return true
        throw new CommandEnd('conflict', `the move of shard ${shard} was given up`)
      }
      progress.update(() => `shard ${shard} is being moved`)
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    }
  } finally {
    progress.end()
  }
}

async function show(options: ClientOptions): Promise<void> {
  const [{ overview }, planned] = await withConnection(options, (client) =>
    Promise.all([
      readOverview(client, options.timeout),
      client.admin.plan({ timeoutMs: options.timeout }),
    ]),
  )
  const { moves, paused, hosts } = overview
  const silent = hosts.filter(({ reachable }) => !reachable).map(({ id }) => id)
  printResult(options, { paused, moves, planned, silent }, () => {
    const lines: string[] = []
    if (moves.length > 0) {
      const rows = moves.map(({ shard, from, to, reason }) => [
        `shard ${shard}`,
        `${from.join(' ') || '–'} → ${to.join(' ') || '–'}`,
        reason,
      ])
      lines.push('under way', table(rows), '')
    }
    if (planned.length > 0) {
      lines.push('next', table(planned.map(planRow)), '')
    }
    if (moves.length + planned.length === 0) lines.push('nothing is to be moved')
    if (silent.length > 0) {
      lines.push(`${silent.join(', ')} cannot be reached: replaced once --replace-after has passed`)
    }
    if (paused) lines.push('paused: none of it is begun before "plan resume"')
    return lines.join('\n').trimEnd()
  })
}

function planRow({ shard, to, reason, class: kind }: PlannedMove): string[] {
  return [`shard ${shard}`, `to ${to.join(' ')}`, kind, reason]
}

async function pause(options: ClientOptions, paused: boolean): Promise<void> {
  await withConnection(options, (client) =>
    paused
      ? client.admin.pause({ timeoutMs: options.timeout })
      : client.admin.resume({ timeoutMs: options.timeout }),
  )
  printResult(options, { paused }, () =>
    paused ? 'nothing is planned any more; "plan resume" ends that' : 'planned again',
  )
}
