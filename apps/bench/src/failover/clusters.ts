// Clusters of three processes whose leader can be killed and started again, and a put that each
// survivor can take: the same for every store that is measured.
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import type { KvClient } from '@quorate/kv'
import { connect } from '@quorate/kv'
import { webSocketDialer } from '@quorate/transport-ws'
import {
  etcdClientUrl,
  etcdVersion,
  findEtcdLeader,
  grpcPut,
  spawnEtcd,
  stopChildren,
} from '../durable-puts/etcd.ts'
import { forkQuorate, quorateAddresses, quorateHosts } from '../durable-puts/quorate.ts'

/** A cluster to kill leaders of. */
export interface FailingCluster {
  /** Its name and version. */
  readonly name: string
  /** Which member leads, once there is one and all members are up. */
  leader(): Promise<number>
  /** Kills a member without warning. */
  kill(member: number): void
  /** Starts a member again and waits until it is up. */
  restart(member: number): Promise<void>
  /** Opens what puts need to reach the members other than `dead`. */
  session(dead: number): Promise<PutSession>
  /** Stops every process. */
  stop(): Promise<void>
}

/** Puts to the survivors of a failure. */
export interface PutSession {
  /** Puts once; resolves when the put is acknowledged, rejects or hangs otherwise. */
  put(key: string): Promise<unknown>
  /** Ends what is under way. */
  close(): Promise<void>
}

const MEMBERS = [0, 1, 2]
const VALUE = new Uint8Array(64).fill(0x61)

/** Three members of etcd. */
export function etcdCluster(
  directory: string,
  port: number,
  flags: readonly string[],
): FailingCluster {
  const start = (member: number): ChildProcess => spawnEtcd(directory, port, member, flags)
  const children = MEMBERS.map(start)
  const urls = MEMBERS.map((member) => etcdClientUrl(port, member))
  return {
    name: `etcd ${etcdVersion()}`,
    leader: async () => urls.indexOf(await findEtcdLeader(urls)),
    kill: (member) => void children[member]?.kill('SIGKILL'),
    async restart(member) {
      children[member] = start(member)
      // Only once all three answer is the cluster whole again.
      for (const url of urls) await findEtcdLeader([url, ...urls])
    },
    async session(dead) {
      const sessions = await Promise.all(
        urls
          .filter((_, member) => member !== dead)
          .map(async (url) => {
            const session = connectHttp2(url)
            session.setMaxListeners(0)
            session.on('error', () => {})
            await once(session, 'connect')
            return session
          }),
      )
      const underWay = new Set<Promise<void>>()
      const track = (put: Promise<void>): Promise<void> => {
        const settled = put.catch(() => undefined).finally(() => void underWay.delete(settled))
        underWay.add(settled)
        return put
      }
      return {
        put: (key) => Promise.any(sessions.map((session) => track(grpcPut(session, key, VALUE)))),
        async close() {
          // The server ends those that it had forwarded to the dead leader after some seconds.
          await Promise.all(underWay)
          for (const session of sessions) session.close()
        },
      }
    },
    stop: () => stopChildren(children),
  }
}

/** Three hosts of Quorate with one shard. */
export async function quorateCluster(
  directory: string,
  port: number,
  consensus: string,
): Promise<FailingCluster> {
  const start = async (member: number): Promise<ChildProcess> => {
    const child = forkQuorate(directory, port, member, { consensus, shards: 1 })
    const ended = once(child, 'exit').then(() => {
      throw new Error(`host ${member} did not start`)
    })
    await Promise.race([once(child, 'message'), ended])
    ended.catch(() => undefined)
    return child
  }
  const children = await Promise.all(MEMBERS.map(start))
  const open = (): Promise<KvClient> =>
    connect({ addresses: quorateAddresses(port), dialer: webSocketDialer() })
  return {
    name: `quorate (${consensus})`,
    async leader() {
      const client = await open()
      try {
        for (let attempt = 0; attempt < 200; attempt++) {
          const { shards, hosts } = await client.status({ timeoutMs: 5_000 })
          const leader = shards[0]?.leader
          const whole = hosts.filter((host) => host.reachable).length === MEMBERS.length
          if (leader !== undefined && whole) return quorateHosts.indexOf(leader)
          await new Promise((resolve) => setTimeout(resolve, 100))
        }
        throw new Error('the cluster does not become whole')
      } finally {
        await client.close()
      }
    },
    kill: (member) => void children[member]?.kill('SIGKILL'),
    async restart(member) {
      children[member] = await start(member)
    },
    async session() {
      const client = await open()
      return { put: (key) => client.put(key, VALUE), close: () => client.close() }
    },
    stop: () => stopChildren(children),
  }
}
