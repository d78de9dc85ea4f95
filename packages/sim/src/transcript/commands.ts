// The commands of a transcript, each a few lines over the cluster. An algorithm's own tests may add
// to them.
import type { MembershipTarget, NodeId, ReadMode } from '@quorate/core'
import { encodeUtf8 } from '@quorate/core'
import type { CoreCluster, FlightMessage } from '../model/core-cluster.ts'
import { lastIndexOf } from '../model/log-image.ts'
import type { Command } from './parse.ts'
import { imageLines, membershipText, statusText } from './text.ts'
import type { TranscriptFormat } from './text.ts'

/** What a command works on. */
export interface TranscriptState<M> {
  /** The cluster, once `add-replicas` has made it. */
  cluster: CoreCluster<M> | undefined
  /** Makes the cluster. */
  readonly create: (members: MembershipTarget) => CoreCluster<M>
  /** Prints a line. */
  readonly print: (line: string) => void
  /** How messages are shown. */
  readonly format: TranscriptFormat<M>
}

/** Runs one command. */
export type TranscriptCommand<M> = (
  command: Command,
  cluster: CoreCluster<M>,
  state: TranscriptState<M>,
) => void

/** The commands that every transcript knows, by name. */
export function builtInCommands<M>(): Readonly<Record<string, TranscriptCommand<M>>> {
  return {
    ...timeCommands<M>(),
    ...callCommands<M>(),
    ...networkCommands<M>(),
    ...diskCommands<M>(),
    ...inspectCommands<M>(),
  }
}

/** `add-replicas 1 2 3 [learners=..] [witnesses=..]`; later calls add replicas that join. */
export function addReplicas<M>(command: Command, state: TranscriptState<M>): void {
  if (state.cluster !== undefined) {
    for (const id of command.words) state.cluster.join(id)
    return
  }
  const learners = listOf(command.options.get('learners')) ?? []
  const voters = command.words.filter((id) => !learners.includes(id))
  state.cluster = state.create({
    voters,
    learners,
    witnesses: listOf(command.options.get('witnesses')),
  })
}

function timeCommands<M>(): Record<string, TranscriptCommand<M>> {
  return {
    campaign(command, cluster, { print }) {
      if (!cluster.campaign(first(command))) print(`${first(command)} does not campaign`)
    },
    tick(command, cluster) {
      const [what] = command.words
      if (what?.endsWith('ms') === true) cluster.advance(Number(what.slice(0, -2)))
      else for (let n = countOf(command, 1); n > 0; n--) cluster.wake(first(command))
    },
    crash: (command, cluster) => command.words.forEach((id) => cluster.crash(id)),
    restart: (command, cluster) => command.words.forEach((id) => cluster.restart(id)),
  }
}

function callCommands<M>(): Record<string, TranscriptCommand<M>> {
  return {
    propose(command, cluster) {
      cluster.propose(first(command), ...command.words.slice(1).map(encodeUtf8))
    },
    read(command, cluster) {
      const stale = command.options.get('staleness')
      const mode = (command.words[1] ?? 'quorum') as ReadMode
      cluster.read(first(command), stale === undefined ? mode : { maxStalenessMs: Number(stale) })
    },
    transfer(command, cluster) {
      cluster.transfer(first(command), command.options.get('to'))
    },
    'change-membership'(command, cluster) {
      const { options } = command
      const target: MembershipTarget = {
        voters: listOf(options.get('voters')) ?? [],
        learners: listOf(options.get('learners')),
        witnesses: listOf(options.get('witnesses')),
      }
      const expected = options.get('expected')
      cluster.changeMembership(
        first(command),
        target,
        expected === undefined ? undefined : Number(expected),
      )
    },
    unreachable(command, cluster) {
      const [id, peer] = command.words as [NodeId, NodeId]
      cluster.step(id, { type: 'peerUnreachable', peer })
    },
    reachable(command, cluster) {
      const [id, peer] = command.words as [NodeId, NodeId]
      cluster.step(id, { type: 'peerReachable', peer })
    },
  }
}

function networkCommands<M>(): Record<string, TranscriptCommand<M>> {
  return {
    deliver(command, cluster, state) {
      for (const flight of chosen(command, cluster, state)) cluster.deliver(flight)
    },
    drop(command, cluster, state) {
      const flights = chosen(command, cluster, state)
      for (const flight of flights) cluster.drop(flight)
      state.print(`dropped ${flights.length}`)
    },
    duplicate(command, cluster, state) {
      for (const flight of chosen(command, cluster, state)) cluster.duplicate(flight)
    },
    stabilize(command, cluster) {
      cluster.stabilize(command.words.length === 0 ? cluster.ids : command.words)
    },
    partition(command, cluster) {
      const sides = command.words.join(' ').split('|')
      cluster.partition(...sides.map((side) => side.trim().split(/\s+/)))
    },
    cut(command, cluster) {
      for (const link of command.words) {
        const [from, to] = link.split('>') as [NodeId, NodeId]
        cluster.cut(from, to)
      }
    },
    heal: (_command, cluster) => cluster.heal(),
  }
}

function diskCommands<M>(): Record<string, TranscriptCommand<M>> {
  return {
    persist(command, cluster) {
      const ids = command.words.length === 0 ? cluster.ids : command.words
      for (const id of ids) cluster.persist(id, countOf(command, Number.POSITIVE_INFINITY))
    },
    snapshot(command, cluster, { print }) {
      const meta = cluster.snapshot(first(command), Number(command.options.get('keep') ?? 0))
      print(`${first(command)} took snapshot ${meta.index}/${meta.epoch}`)
    },
    'fetch-snapshot'(command, cluster, { print }) {
      const found = cluster.fetchSnapshot(first(command), command.options.get('from'))
      print(`${first(command)} ${found ? 'fetched the snapshot' : 'could not fetch'}`)
    },
    'fail-snapshot': (command, cluster) => cluster.failFetch(first(command)),
  }
}

function inspectCommands<M>(): Record<string, TranscriptCommand<M>> {
  return {
    status(command, cluster, { print }) {
      for (const id of command.words.length === 0 ? cluster.ids : command.words) {
        const { core } = cluster.replica(id)
        print(core === undefined ? `${id} down` : statusText(core.status()))
      }
    },
    progress(command, cluster, { print }) {
      for (const peer of cluster.replica(first(command)).running.status().peers) {
        const { id, state, matchIndex, nextIndex, active } = peer
        print(`${id} ${state} match=${matchIndex} next=${nextIndex}${active ? '' : ' inactive'}`)
      }
    },
    members(command, cluster, { print }) {
      print(membershipText(cluster.replica(first(command)).running.status().membership))
    },
    log(command, cluster, { print }) {
      const { written, durable } = cluster.replica(first(command))
      for (const line of imageLines(written, lastIndexOf(durable))) print(line)
    },
    messages(command, cluster, state) {
      for (const { from, to, message } of chosen(command, cluster, state)) {
        state.print(`${from} -> ${to} ${state.format.formatMessage(message)}`)
      }
    },
  }
}

/** The messages that `from=`, `to=`, `where=` (a part of their text) and `count=` choose, oldest first. */
function chosen<M>(
  command: Command,
  cluster: CoreCluster<M>,
  state: TranscriptState<M>,
): FlightMessage<M>[] {
  const { options } = command
  const part = options.get('where')
  const where = (message: M): boolean =>
    part === undefined || state.format.formatMessage(message).includes(part)
  return cluster
    .matching({ from: options.get('from'), to: options.get('to'), where })
    .slice(0, countOf(command, Number.POSITIVE_INFINITY))
}

function first(command: Command): NodeId {
  const [id] = command.words
  if (id === undefined) throw new TypeError(`${command.name} needs a replica`)
  return id
}

function countOf(command: Command, fallback: number): number {
  const count = command.options.get('count')
  return count === undefined ? fallback : Number(count)
}

function listOf(value: string | undefined): readonly string[] | undefined {
  if (value === undefined) return undefined
  return value === '' ? [] : value.split(',')
}
