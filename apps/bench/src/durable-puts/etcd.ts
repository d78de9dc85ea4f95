// Three members of etcd on loopback, and the leanest client that Node can be: gRPC's put by hand on
// one HTTP/2 session to the leader, so that the client is not what is measured.
import type { ChildProcess } from 'node:child_process'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { ClientHttp2Session } from 'node:http2'
import { connect, constants } from 'node:http2'
import { join } from 'node:path'
import type { Put } from './load.ts'

/** A store that runs for a measurement. */
export interface MeasuredStore {
  /** Its name and version. */
  readonly name: string
  /** Puts one key, durably. */
  readonly put: Put
  /** Stops every process. */
  stop(): Promise<void>
}

/** Whether etcd is installed (Debian packages `etcd-server` and `etcd-client`). */
export function hasEtcd(): boolean {
  try {
    execFileSync('etcd', ['--version'], { stdio: 'ignore' })
    execFileSync('etcdctl', ['version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

const MEMBERS = [0, 1, 2]

/** Where a member takes clients. */
export function etcdClientUrl(port: number, member: number): string {
  return `http://127.0.0.1:${port + member}`
}

/** Starts one member of a cluster of three, or starts it again on its data. */
export function spawnEtcd(
  directory: string,
  port: number,
  member: number,
  flags: readonly string[] = [],
): ChildProcess {
  const peer = (of: number): string => `http://127.0.0.1:${port + 10 + of}`
  const client = etcdClientUrl(port, member)
  const cluster = MEMBERS.map((of) => `m${of}=${peer(of)}`).join(',')
  const options = {
    name: `m${member}`,
    'data-dir': join(directory, `m${member}`),
    'log-level': 'error',
    'listen-client-urls': client,
    'advertise-client-urls': client,
    'listen-peer-urls': peer(member),
    'initial-advertise-peer-urls': peer(member),
    'initial-cluster': cluster,
    'initial-cluster-state': 'new',
  }
  const set = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value])
  return spawn('etcd', [...set, ...flags], { stdio: 'ignore' })
}

/** Its version, for a table. */
export function etcdVersion(): string {
  const [first = ''] = execFileSync('etcd', ['--version'], { encoding: 'utf8' }).split('\n')
  return first.replace('etcd Version: ', '')
}

/** Starts a cluster with its data below `directory`, ports from `port`. */
export async function startEtcd(directory: string, port: number): Promise<MeasuredStore> {
  const children = MEMBERS.map((member) => spawnEtcd(directory, port, member))
  const stopAll = (): Promise<void> => stopChildren(children)
  try {
    const leader = await findEtcdLeader(MEMBERS.map((member) => etcdClientUrl(port, member)))
    const session = connect(leader)
    session.setMaxListeners(0)
    await once(session, 'connect')
    return {
      name: `etcd ${etcdVersion()}`,
      put: (key, value) => grpcPut(session, key, value),
      async stop() {
        session.destroy()
        await stopAll()
      },
    }
  } catch (error) {
    await stopAll()
    throw error
  }
}

/** The client address of the member that leads. */
export async function findEtcdLeader(endpoints: readonly string[]): Promise<string> {
  for (let attempt = 0; attempt < 100; attempt++) {
    try {
      const output = execFileSync(
        'etcdctl',
        ['--endpoints', endpoints.join(','), 'endpoint', 'status', '-w', 'json'],
        {
          encoding: 'utf8',
          env: { ...process.env, ETCDCTL_API: '3' },
          stdio: ['ignore', 'pipe', 'ignore'],
        },
      )
      const members = JSON.parse(output) as {
        Endpoint: string
        Status: { header: { member_id: number }; leader?: number }
      }[]
      const leader = members.find(({ Status }) => Status.leader === Status.header.member_id)
      if (leader !== undefined) return leader.Endpoint
    } catch {
      // Not up yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error('etcd has no leader after ten seconds')
}

/** `etcdserverpb.KV/Put` with a PutRequest of key (field 1) and value (field 2). */
export function grpcPut(
  session: ClientHttp2Session,
  key: string,
  value: Uint8Array,
): Promise<void> {
  const message = Buffer.concat([field(1, Buffer.from(key)), field(2, value)])
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(message.length, 1)
  return new Promise((resolve, reject) => {
    const stream = session.request({
      [constants.HTTP2_HEADER_METHOD]: 'POST',
      [constants.HTTP2_HEADER_PATH]: '/etcdserverpb.KV/Put',
      [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
      [constants.HTTP2_HEADER_TE]: 'trailers',
    })
    stream.on('trailers', (trailers) => {
      if (trailers['grpc-status'] === '0') resolve()
      else reject(new Error(`etcd refused: ${String(trailers['grpc-message'])}`))
    })
    stream.on('error', reject)
    // An error may come in the headers alone, without trailers.
    stream.on('close', () => reject(new Error('etcd gave no result')))
    stream.resume()
    stream.end(Buffer.concat([prefix, message]))
  })
}

function field(number: number, bytes: Uint8Array): Buffer {
  const length: number[] = []
  let rest = bytes.length
  for (; rest >= 0x80; rest >>>= 7) length.push((rest & 0x7f) | 0x80)
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...length, rest]), bytes])
}

/** Ends processes; resolves when all have ended. */
export async function stopChildren(children: readonly ChildProcess[]): Promise<void> {
  await Promise.all(
    children.map(async (child) => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    }),
  )
}
