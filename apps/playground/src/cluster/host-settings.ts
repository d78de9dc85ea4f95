// What a host is started with: from the options of one that is there at the beginning, or from what
// a running cluster says to one that comes later; and in both cases from what it knew before.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { ManagedOptions } from '@quorate/kv'
import { checkId, compareIds, isQuorateError } from '@quorate/core'
import { choose, storageChoices } from '../choices.ts'
import type { ClusterOptions, NodeOptions } from '../commands/node.ts'
import { CommandEnd, exitOf } from '../output/exit-codes.ts'
import { isWildcard, urlHost } from '../server/address.ts'
import type { HostSettings, RunningHost } from '../server/run-host.ts'
import { hostFilePath } from '../server/run-host.ts'
import { addToClusterFile, clientAddresses } from './cluster-file.ts'
import type { ClusterPlan, ExpectedPlan, HostEntry, HostFile } from './host-table.ts'
import { checkExpected, readHostFile } from './host-table.ts'
import { askToJoin } from './join.ts'
import { checkPort, freePort } from './local-cluster.ts'

const JOIN_TIMEOUT_MS = 60_000
const NEVER_MS = Number.MAX_SAFE_INTEGER

/** The settings of a host that its options tell everything. */
export async function foundingHost(options: NodeOptions): Promise<HostSettings> {
  const { id, peers, peerPort, clientPort } = options
  if (peers === undefined) {
    throw new CommandEnd(
      'usage',
      'name the other hosts by --peers, or come into a cluster by --join',
    )
  }
  if (peerPort === undefined || clientPort === undefined) {
    throw new CommandEnd('usage', 'a host with --peers needs --peer-port and --client-port')
  }
  checkId(id, '--id')
  // In memory nothing was kept that these addresses could belong to.
  const isNew = options.storage === 'memory' && options.rejoin !== true
  const file = isNew ? undefined : await readHostFile(hostFilePath(options.data, id))
  checkPresent(id, file)
  const given = new Map(Object.entries({ ...peers, [id]: ownAddress(options, peerPort) }))
  const before = file?.hosts ?? []
  const first = [...given].map(
    ([host, peer]): HostEntry =>
      before.find((entry) => entry.id === host && entry.gone === true) ?? {
        id: host,
        peer,
        stamp: before.find((entry) => entry.id === host)?.stamp ?? 0,
      },
  )
  const { cluster, consensus, shards, replicas } = options
  const plan: ClusterPlan = {
    cluster,
    consensus,
    shards,
    replicas,
    members: [...given.keys()].sort(compareIds),
  }
  const hosts = [...first, ...before.filter((entry) => !given.has(entry.id))]
  return { ...common(options), plan, before: file?.plan, hosts, peerPort, clientPort }
}

/** The settings of a host that comes into a cluster, or has come before. */
export async function joiningHost(
  options: NodeOptions,
  isGiven: (option: string) => boolean,
): Promise<HostSettings> {
  const { id } = options
  if (options.peers !== undefined) {
    throw new CommandEnd(
      'usage',
      'with --join the cluster tells who the others are: leave out --peers',
    )
  }
  if (isWildcard(options.bind) && options.advertise === undefined) {
    throw new CommandEnd(
      'usage',
      'say by --advertise under which name or address the others reach this host',
    )
  }
  checkId(id, '--id')
  const path = hostFilePath(options.data, id)
  const file = await readHostFile(path)
  checkPresent(id, file)
  choose(storageChoices, options.storage, '--storage')
  // One that was here before may find its own process on them, which is told by its data's lock.
  if (file === undefined) await checkPortsFree(options)
  const peerPort = options.peerPort || file?.peerPort || (await freePort(options.bind))
  const clientPort = options.clientPort || file?.clientPort || (await freePort(options.bind))
  const peer = ownAddress(options, peerPort)
  const expected = expectedOf(options, isGiven)
  const fresh = options.storage === 'memory' || !existsSync(join(options.data, id))
  const rejoin = options.rejoin === true
  const known = file?.hosts.find((entry) => entry.id === id)?.peer === peer
  if (known && fresh && !rejoin) {
    throw new CommandEnd(
      'config',
      `host ${id} belongs to the cluster, and its data is not here: where it is gone for good, add --rejoin`,
    )
  }
  const answer = await clientAddresses(
    options.join === true ? undefined : options.join,
    options.data,
  )
    .then((addresses) => askToJoin(addresses, { id, peer, fresh, rejoin, expected }))
    .catch((error: unknown) => {
      // The others may be starting too: whoever has been here knows enough.
      if (file === undefined || !known || rejoin || exitOf(error) !== 'unavailable') throw error
      return file
    })
  const { plan, hosts } = answer
  checkExpected(expected, plan)
  return { ...common(options), plan, hosts, peerPort, clientPort }
}

/** Lets a host that has come have replicas, and clients of this machine find it. */
export async function takePart(host: RunningHost, options: NodeOptions): Promise<void> {
  const { id, data } = options
  const deadline = performance.now() + JOIN_TIMEOUT_MS
  for (;;) {
    try {
      const { hosts } = await host.kv.admin.placement({ timeoutMs: 5_000 })
      if (hosts[id] === undefined) await host.kv.admin.join(id, { timeoutMs: 5_000 })
      break
    } catch (error) {
      // The others may be starting too.
      const waits = isQuorateError(error) && (error.retryable || error.code === 'TIMEOUT')
      if (!waits || performance.now() > deadline) throw error
    }
  }
  await addToClusterFile(data, { id, client: host.clientAddress })
}

/** What the store goes by, as the options say it. */
function managedOptions(options: ClusterOptions): ManagedOptions {
  return {
    suspectAfterMs: options.suspectAfter,
    replaceAfterMs: options.replaceAfter === 0 ? NEVER_MS : options.replaceAfter,
    movesMax: options.moves,
    moveBytesPerSecond: options.moveRate,
    balanceLeaders: options.leaderBalance,
  }
}

function common(
  options: NodeOptions,
): Pick<
  HostSettings,
  | 'id'
  | 'bind'
  | 'advertise'
  | 'data'
  | 'storage'
  | 'onDamage'
  | 'hibernateAfterMs'
  | 'managed'
  | 'rejoin'
> {
  const { id, bind, advertise = bind, data, storage, onDamage, rejoin } = options
  const { hibernateAfter: hibernateAfterMs } = options
  const managed = managedOptions(options)
  return { id, bind, advertise, data, storage, onDamage, hibernateAfterMs, managed, rejoin }
}

/** Empty where only others can say it. */
function ownAddress({ bind, advertise }: NodeOptions, port: number): string {
  if (advertise === undefined && isWildcard(bind)) return ''
  return `ws://${urlHost(advertise ?? bind)}:${port}`
}

function checkPresent(id: string, file: HostFile | undefined): void {
  if (file?.hosts.find((entry) => entry.id === id)?.gone !== true) return
  throw new CommandEnd('config', `host ${id} has left the cluster: a name is not used twice`)
}

/** What was said on the command line must be what the cluster is. */
function expectedOf(options: NodeOptions, isGiven: (option: string) => boolean): ExpectedPlan {
  const names = ['cluster', 'consensus', 'shards', 'replicas'] as const
  return Object.fromEntries(names.filter(isGiven).map((name) => [name, options[name]]))
}

/** A name is taken once the cluster has heard it: what can fail here has to fail before. */
async function checkPortsFree({ bind, peerPort, clientPort }: NodeOptions): Promise<void> {
  const another = (option: string): string => `stop what uses it, or choose another by ${option}`
  if (peerPort) await checkPort(peerPort, bind, another('--peer-port'))
  if (clientPort) await checkPort(clientPort, bind, another('--client-port'))
}
