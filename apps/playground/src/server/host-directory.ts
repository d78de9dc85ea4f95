// Who belongs to the cluster, on one host: takes newcomers in, tells the others of them, and tells
// the transport where each host is reached.
import type { NodeId } from '@quorate/core'
import { QuorateError, decodeUtf8, encodeUtf8 } from '@quorate/core'
import type { Host } from '@quorate/runtime'
import type { ClusterPlan, ExpectedPlan, HostEntry, HostFile } from '../cluster/host-table.ts'
import { checkExpected, isHostEntry, mergeHosts, writeHostFile } from '../cluster/host-table.ts'

const SERVICE = 'playground-hosts'
const TIMEOUT_MS = 2_000

/** What a host that wants to join says of itself. */
export interface JoinRequest {
  /** Its name. */
  readonly id: NodeId
  /** Its address for hosts. */
  readonly peer: string
  /** Whether it holds nothing yet. */
  readonly fresh: boolean
  /** Whether it was here before and knows that its data is gone. */
  readonly rejoin: boolean
  /** What it takes the cluster for. */
  readonly expected: ExpectedPlan
}

/** What it is told. */
export interface JoinAnswer {
  /** What the cluster is. */
  readonly plan: ClusterPlan
  /** Who answers, and its port for hosts. */
  readonly from: { readonly id: NodeId; readonly peerPort: number }
  /** All hosts, with where they are reached. */
  readonly hosts: readonly HostEntry[]
}

/** What a directory is made of. */
export interface DirectoryContext {
  /** The host. */
  readonly host: Host
  /** What it knows when it starts. */
  readonly file: HostFile
  /** Where that is kept. */
  readonly path: string
  /** Its port for hosts. */
  readonly peerPort: number
  /** The hosts that the placement knows. */
  placed(): Promise<readonly NodeId[]>
}

/** One host's directory of the cluster. */
export interface HostDirectory {
  /** All hosts, those that have left among them. */
  readonly hosts: readonly HostEntry[]
  /** Whether a host belongs to the cluster and can be reached. */
  answers(id: NodeId): boolean
  /**
   * Takes a host in.
   *
   * @throws QuorateError `CONFLICT` where its name belongs to another host, or to one that has left,
   * `INVALID_OPTIONS` where it takes the cluster for another
   */
  join(request: JoinRequest): Promise<JoinAnswer>
  /**
   * Forgets where a host is that has left the placement.
   *
   * @throws QuorateError `CONFLICT` where it has not
   */
  forget(id: NodeId): Promise<void>
  /** Waits for what is under way. */
  close(): Promise<void>
}

/** Starts a host's directory; resolves once what it knows is kept. */
export async function hostDirectory(context: DirectoryContext): Promise<HostDirectory> {
  await writeHostFile(context.path, context.file)
  return new Directory(context)
}

class Directory implements HostDirectory {
  readonly #context: DirectoryContext
  #hosts: readonly HostEntry[]
  /** Files are written and others told in this order. */
  #lane: Promise<void> = Promise.resolve()
  #closed = false

  constructor(context: DirectoryContext) {
    this.#context = context
    this.#hosts = context.file.hosts
    const { host } = context
    host.serve(SERVICE, (request, { from }) => {
      this.#merge(readTable(request), from)
      return encodeTable(this.#hosts)
    })
    host.on('peer', ({ peer, state }) => {
      if (state === 'reachable') this.#later(() => this.#exchange(peer))
    })
    // Connections may be older than this directory.
    for (const { id } of this.#hosts) {
      if (id !== host.id && host.reachable(id)) this.#later(() => this.#exchange(id))
    }
  }

  get hosts(): readonly HostEntry[] {
    return this.#hosts
  }

  answers(id: NodeId): boolean {
    const known = this.#hosts.find((entry) => entry.id === id)
    return known !== undefined && known.gone !== true && this.#context.host.reachable(id)
  }

  async join(request: JoinRequest): Promise<JoinAnswer> {
    const { id, peer } = request
    const { host, file, peerPort } = this.#context
    this.#check(request)
    const known = this.#hosts.find((entry) => entry.id === id)
    // Named anew even where nothing has changed: a host on a new disk would be refused otherwise.
    if (known?.peer === peer) host.setPeer(id, peer)
    else this.#merge([{ id, peer, stamp: Math.max(Date.now(), (known?.stamp ?? 0) + 1) }])
    await this.#lane
    return { plan: file.plan, from: { id: host.id, peerPort }, hosts: this.#hosts }
  }

  async forget(id: NodeId): Promise<void> {
    const known = this.#hosts.find((entry) => entry.id === id)
    if (known === undefined || known.gone === true) return
    if ((await this.#context.placed()).includes(id)) {
      throw new QuorateError('CONFLICT', `host ${id} belongs to the cluster still`)
    }
    const left = { id, peer: '', stamp: Math.max(Date.now(), known.stamp + 1), gone: true }
    // It hears so itself first, while it can be reached.
    const { host } = this.#context
    const news = encodeTable(mergeHosts(this.#hosts, [left]).hosts)
    await host.call(id, SERVICE, news, { timeoutMs: TIMEOUT_MS }).catch(() => {})
    this.#merge([left])
    await this.#lane
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#lane
  }

  #check({ id, peer, fresh, rejoin, expected }: JoinRequest): void {
    const { host, file } = this.#context
    checkExpected(expected, file.plan)
    const known = this.#hosts.find((entry) => entry.id === id)
    if (known === undefined) return
    if (known.gone === true) {
      throw new QuorateError(
        'CONFLICT',
        `host ${id} has left the cluster: a name is not used twice`,
      )
    }
    if (id === host.id || (known.peer !== peer && host.reachable(id))) {
      throw new QuorateError('CONFLICT', `there is a host ${id} in the cluster already`)
    }
    if (fresh && !rejoin) {
      throw new QuorateError(
        'CONFLICT',
        `host ${id} belongs to the cluster, and its data is not here: where it is gone for good, add --rejoin`,
      )
    }
  }

  /** Takes over news, and tells those who may not have them. */
  #merge(news: readonly HostEntry[], from?: NodeId): void {
    const { host } = this.#context
    const { hosts, changed } = mergeHosts(this.#hosts, news)
    if (changed.length === 0 || this.#closed) return
    this.#hosts = hosts
    for (const { id, peer, gone } of changed) {
      if (id === host.id) {
        if (gone === true) host.logger.warn({}, 'this host has left the cluster: stop it')
        continue
      }
      host.setPeer(id, gone === true ? undefined : peer)
      const fields = { peer: id, address: peer }
      host.logger.info(fields, gone === true ? 'a host has left' : 'a host belongs to the cluster')
    }
    this.#later(async () => {
      await this.#save()
      const others = hosts.filter(({ id }) => id !== host.id && id !== from && host.reachable(id))
      await Promise.all(others.map(({ id }) => this.#exchange(id)))
    })
  }

  /** Tells a host what this one knows, and takes over what that one knows. */
  async #exchange(peer: NodeId): Promise<void> {
    const { host } = this.#context
    const options = { timeoutMs: TIMEOUT_MS }
    const answer = await host.call(peer, SERVICE, encodeTable(this.#hosts), options)
    this.#merge(readTable(answer), peer)
  }

  async #save(): Promise<void> {
    const { file, path } = this.#context
    await writeHostFile(path, { ...file, hosts: this.#hosts })
  }

  #later(job: () => Promise<void>): void {
    if (this.#closed) return
    this.#lane = this.#lane.then(job).catch((error: unknown) => {
      // Whoever was not told is told when it connects next.
      this.#context.host.logger.debug({ error }, 'the table of hosts is not everywhere yet')
    })
  }
}

function encodeTable(hosts: readonly HostEntry[]): Uint8Array {
  return encodeUtf8(JSON.stringify(hosts))
}

function readTable(bytes: Uint8Array): readonly HostEntry[] {
  const value: unknown = JSON.parse(decodeUtf8(bytes))
  if (!Array.isArray(value) || !value.every(isHostEntry)) {
    throw new QuorateError('MALFORMED', 'a table of hosts that cannot be read')
  }
  return value
}
