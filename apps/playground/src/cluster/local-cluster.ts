// A cluster of processes on this machine: which ports, how each is started, and that none is left
// behind. A host that dies is started again, since a person may want to see that.
import type { ChildProcess } from 'node:child_process'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { QuorateError } from '@quorate/core'
import type { ClusterOptions } from '../commands/node.ts'
import { CommandEnd, exitOfCode } from '../output/exit-codes.ts'
import { urlHost } from '../server/address.ts'

/** One host to be. */
export interface PlannedHost {
  /** Its name. */
  readonly id: string
  /** Its port for clients. */
  readonly clientPort: number
  /** Its port for other hosts. */
  readonly peerPort: number
}

/** The hosts of a cluster of `count`: names from a on, client ports from `port`, peer ports 100 above. */
export function planHosts(count: number, port: number): readonly PlannedHost[] {
  return Array.from({ length: count }, (_, at) => ({
    id: String.fromCharCode(97 + at),
    clientPort: port + at,
    peerPort: port + 100 + at,
  }))
}

/**
 * Checks that all ports are free.
 *
 * @throws QuorateError `PORT_IN_USE`, naming the first that is not
 */
export async function checkPorts(hosts: readonly PlannedHost[], bind: string): Promise<void> {
  for (const port of hosts.flatMap(({ clientPort, peerPort }) => [clientPort, peerPort])) {
    await checkPort(port, bind, 'stop what uses it, or choose others by --port')
  }
}

/**
 * Checks that a port is free.
 *
 * @throws QuorateError `PORT_IN_USE`, with what to do about it
 */
export async function checkPort(port: number, bind: string, remedy: string): Promise<void> {
  const server = createServer()
  try {
    await once(server.listen(port, bind), 'listening')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    throw new QuorateError('PORT_IN_USE', `port ${port} is in use: ${remedy}`, { cause: error })
  }
  await new Promise((resolve) => server.close(resolve))
}

/** A port that nobody listens on. */
export async function freePort(bind: string): Promise<number> {
  const server = createServer()
  await once(server.listen(0, bind), 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** What a started host says. */
export interface HostReady {
  /** Where clients connect. */
  readonly clientAddress: string
  /** Its dashboard. */
  readonly dashboard: string
}

/** Processes of a cluster. */
export interface LocalCluster {
  /** What each host said when it was ready, in order. */
  readonly ready: readonly HostReady[]
  /** Stops all processes; resolves when none is left. */
  stop(): Promise<void>
}

const RESTART_MS = 2_000
const RESTART_MS_MAX = 30_000
const STOP_PATIENCE_MS = 2_000
const KILLED_AFTER_MS = 10_000

/** Starts all hosts and waits until each is ready; `report` is told of deaths and restarts. */
export async function startLocalCluster(
  cli: string,
  hosts: readonly PlannedHost[],
  options: ClusterOptions,
  report: (line: string) => void,
): Promise<LocalCluster> {
  const children = new Map<string, ChildProcess>()
  const timers = new Set<NodeJS.Timeout>()
  let stopping = false

  const start = async (host: PlannedHost, again = false): Promise<HostReady> => {
    // A host whose data lived in its memory must not pass for one that knows what it promised.
    const rejoin = again && options.storage === 'memory' ? ['--rejoin'] : []
    const child = fork(cli, [...argumentsOf(host, hosts, options), ...rejoin], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    children.set(host.id, child)
    return new Promise((resolve, reject) => {
      child.once('message', (message) => {
        child.once('exit', (code, signal) => restart(host, code, signal))
        resolve(message as HostReady)
      })
      child.once('exit', (code) =>
        reject(
          new CommandEnd(exitOfCode(code), `host ${host.id} did not start (exit code ${code})`),
        ),
      )
    })
  }
  const restart = (host: PlannedHost, code: number | null, signal: string | null): void => {
    if (stopping) return
    report(`host ${host.id} ended (${signal ?? `exit code ${code}`}); ${startedIn(RESTART_MS)}`)
    startLater(host, RESTART_MS)
  }
  const startLater = (host: PlannedHost, delayMs: number): void => {
    const timer = setTimeout(() => {
      timers.delete(timer)
      start(host, true).then(
        () => report(`host ${host.id} is back`),
        (error: unknown) => {
          if (stopping) return
          const longerMs = Math.min(delayMs * 2, RESTART_MS_MAX)
          report(`${(error as Error).message}; ${startedIn(longerMs)}`)
          startLater(host, longerMs)
        },
      )
    }, delayMs)
    timers.add(timer)
  }
  const stop = async (): Promise<void> => {
    stopping = true
    for (const timer of timers) clearTimeout(timer)
    await stopInTurn([...children.values()].map((child) => () => ended(child)))
  }

  try {
    return { ready: await Promise.all(hosts.map((host) => start(host))), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/**
 * Stops hosts one after the other: those that all leave at once have nobody to hand leadership over
 * to. One that takes longer than `patienceMs` does not keep the next one waiting.
 */
export async function stopInTurn(
  stops: readonly (() => Promise<void>)[],
  patienceMs: number = STOP_PATIENCE_MS,
): Promise<void> {
  const under: Promise<void>[] = []
  for (const stop of stops) {
    const one = stop()
    under.push(one)
    let timer: NodeJS.Timeout | undefined
    const late = new Promise((resolve) => (timer = setTimeout(resolve, patienceMs)))
    await Promise.race([one, late])
    clearTimeout(timer)
  }
  await Promise.all(under)
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  const late = setTimeout(() => child.kill('SIGKILL'), KILLED_AFTER_MS)
  await exited
  clearTimeout(late)
}

function startedIn(delayMs: number): string {
  return `it is started again in ${delayMs / 1_000} s`
}

/** The arguments that one host's process is started with. */
export function argumentsOf(
  host: PlannedHost,
  hosts: readonly PlannedHost[],
  options: ClusterOptions,
): string[] {
  const peers = hosts
    .filter(({ id }) => id !== host.id)
    .map(({ id, peerPort }) => `${id}=ws://${urlHost(options.bind)}:${peerPort}`)
  const given: Record<string, string | number> = {
    id: host.id,
    'peer-port': host.peerPort,
    'client-port': host.clientPort,
    peers: peers.join(','),
    cluster: options.cluster,
    consensus: options.consensus,
    storage: options.storage,
    shards: options.shards,
    replicas: options.replicas,
    data: options.data,
    bind: options.bind,
    log: options.log,
    'hibernate-after': options.hibernateAfter,
    'suspect-after': options.suspectAfter,
    'replace-after': options.replaceAfter,
    moves: options.moves,
    ...(options.moveRate === undefined ? {} : { 'move-rate': options.moveRate }),
    ...(options.onDamage === undefined ? {} : { 'on-damage': options.onDamage }),
  }
  return [
    'node',
    ...Object.entries(given).flatMap(([name, value]) => [`--${name}`, String(value)]),
    ...(options.leaderBalance ? [] : ['--no-leader-balance']),
  ]
}
