// Clusters of real processes for tests: each host is the built command, on free ports, killed with
// SIGKILL and started again on the same data.
import type { ChildProcess, ChildProcessByStdio } from 'node:child_process'
import { execFile, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { KvClient } from '@quorate/kv'
import { connect } from '@quorate/kv'
import { webSocketDialer } from '@quorate/transport-ws'

/** The built command; `QUORATE_CLI` names another build of it. */
export const CLI: string =
  process.env['QUORATE_CLI'] ??
  fileURLToPath(new URL('../../../apps/playground/dist/cli.js', import.meta.url))

/** What the hosts are started with. */
export interface ProcessClusterOptions {
  /** The hosts' names. */
  readonly ids: readonly string[]
  /** The algorithm. */
  readonly consensus: string
  /** The storage. Default `fs`. */
  readonly storage?: string
  /** How many shards. Default 8. */
  readonly shards?: number
  /** Options that every host is started with. */
  readonly options?: readonly string[]
}

/** A cluster of processes. */
export interface ProcessCluster {
  /** The data directory. */
  readonly data: string
  /** Where clients connect. */
  readonly addresses: readonly string[]
  /** What says who and where a host is, in the options of the command. */
  arguments(id: string): readonly string[]
  /** Starts a host; resolves when it takes clients. */
  start(id: string, extra?: readonly string[]): Promise<void>
  /** Starts a host that comes into the running cluster, or comes again; resolves when it takes clients. */
  join(id: string, extra?: readonly string[]): Promise<void>
  /** Ends a host by SIGKILL; resolves when it is gone. */
  kill(id: string): Promise<void>
  /** Ends a host by SIGTERM; resolves with its exit code. */
  stop(id: string): Promise<number | null>
  /** The end of what a host has written to standard error since it was started last. */
  log(id: string): string
  /** The process of a host. */
  pid(id: string): number | undefined
  /** A client of all hosts. */
  client(): Promise<KvClient>
  /** Runs the command to its end. */
  run(...args: string[]): Promise<CommandResult>
  /** Kills everything and removes the data. */
  remove(): Promise<void>
}

/** How a command ended. */
export interface CommandResult {
  /** The exit code. */
  readonly code: number
  /** Standard output. */
  readonly out: string
  /** Standard error. */
  readonly err: string
}

/** Below the ports that systems give to whoever asks for any; each process begins elsewhere. */
let nextPort = 10_000 + ((process.pid * 131) % 20_000)

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  server.listen(port, '127.0.0.1')
  const free = await once(server, 'listening').then(
    () => true,
    () => false,
  )
  await new Promise((resolve) => server.close(resolve))
  return free
}

/** A port on which nobody listens, nor on those that are so much above it; none is given twice. */
export async function freePort(above: readonly number[] = []): Promise<number> {
  for (;;) {
    const port = nextPort++
    if (nextPort > 32_000) nextPort = 10_000
    const all = await Promise.all([0, ...above].map((more) => isFree(port + more)))
    if (!all.every(Boolean)) continue
    nextPort = port + Math.max(0, ...above) + 1
    return port
  }
}

/** `count` ports on which nobody listens. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const ports: number[] = []
  while (ports.length < count) ports.push(await freePort())
  return ports
}

/** Runs the built command to its end. */
export function runCommand(...args: string[]): Promise<CommandResult> {
  return runWithInput('', ...args)
}

/** Runs the built command to its end, with something on standard input. */
export async function runWithInput(input: string, ...args: string[]): Promise<CommandResult> {
  checkBuilt()
  const running = promisify(execFile)(process.execPath, [CLI, ...args], { maxBuffer: 1 << 28 })
  // A command that does not read its input may be gone before it is there.
  running.child.stdin?.on('error', () => {}).end(input)
  try {
    const { stdout, stderr } = await running
    return { code: 0, out: stdout, err: stderr }
  } catch (error) {
    const { code, stdout, stderr } = error as { code?: unknown; stdout?: string; stderr?: string }
    if (typeof code !== 'number') throw error
    return { code, out: stdout ?? '', err: stderr ?? '' }
  }
}

/** Starts the built command, which goes on until it is asked to end. */
export function startCommand(...args: string[]): ChildProcessByStdio<null, Readable, Readable> {
  checkBuilt()
  return spawn(process.execPath, [CLI, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
}

/** Plans a cluster; nothing runs yet. */
export async function processCluster(options: ProcessClusterOptions): Promise<ProcessCluster> {
  checkBuilt()
  const { ids } = options
  const data = await mkdtemp(join(tmpdir(), 'quorate-test-'))
  const ports = await freePorts(ids.length * 2)
  const clientPort = (id: string): number => ports[ids.indexOf(id)] as number
  const peerPort = (id: string): number => ports[ids.length + ids.indexOf(id)] as number
  const children = new Map<string, ChildProcess>()
  const complaints = new Map<string, string>()
  const addresses = ids.map((id) => `ws://127.0.0.1:${clientPort(id)}/client`)

  const launch = async (id: string, args: readonly string[]): Promise<void> => {
    const child = fork(
      CLI,
      ['node', '--id', id, '--data', data, '--log', 'error', ...args, ...(options.options ?? [])],
      { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], execArgv: [] },
    )
    children.set(id, child)
    complaints.set(id, '')
    child.stderr?.on('data', (chunk: Buffer) =>
      complaints.set(id, (complaints.get(id) + chunk.toString()).slice(-8_000)),
    )
    await new Promise<void>((resolve, reject) => {
      child.once('message', () => resolve())
      child.once('exit', (code, signal) =>
        reject(
          new Error(
            `host ${id} ended (${signal ?? code}) before it was ready: ${complaints.get(id)}`,
          ),
        ),
      )
    })
  }
  const argumentsOf = (id: string): readonly string[] => {
    const peers = ids
      .filter((other) => other !== id)
      .map((other) => `${other}=ws://127.0.0.1:${peerPort(other)}`)
    const ports = ['--client-port', String(clientPort(id)), '--peer-port', String(peerPort(id))]
    const { consensus, storage = 'fs', shards = 8 } = options
    const parts = ['--consensus', consensus, '--storage', storage, '--shards', String(shards)]
    return ['--peers', peers.join(','), ...ports, ...parts]
  }
  const start = (id: string, extra: readonly string[] = []): Promise<void> =>
    launch(id, [...argumentsOf(id), ...extra])
  const end = async (id: string, signal: NodeJS.Signals): Promise<number | null> => {
    const child = children.get(id)
    if (child === undefined || child.exitCode !== null || child.signalCode !== null)
      return child?.exitCode ?? null
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
    return child.exitCode
  }

  return {
    data,
    addresses,
    arguments: argumentsOf,
    start,
    join: (id, extra = []) =>
      launch(id, ['--join', addresses.join(','), '--storage', options.storage ?? 'fs', ...extra]),
    kill: async (id) => void (await end(id, 'SIGKILL')),
    stop: (id) => end(id, 'SIGTERM'),
    log: (id) => complaints.get(id) ?? '',
    pid: (id) => children.get(id)?.pid,
    client: () => connect({ addresses, dialer: webSocketDialer() }),
    run: (...args) => runCommand(...args, '--connect', addresses.join(',')),
    async remove() {
      await Promise.all([...children.keys()].map((id) => end(id, 'SIGKILL')))
      await rm(data, { recursive: true, force: true })
    },
  }
}

function checkBuilt(): void {
  if (!existsSync(CLI))
    throw new Error('the command is not built: run "npm run build" first; "npm test" does')
}
