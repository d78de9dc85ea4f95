// What stays of the map on a host that founded it and has left it: that it has, or it would found it
// once more, and who could tell of it then. It is a group of one, since groups are what is durable.
import { crc32c, decodeUtf8, encodeUtf8, isId } from '@quorate/core'
import type { ConsensusFactory, NodeId, Replica, StateMachine } from '@quorate/core'
import type { Store } from '../store/store.ts'
import type { Placement } from './state.ts'

const TIMEOUT_MS = 10_000

/** Who was there when a host left the map. */
export interface Known {
  /** Those who held the map then. */
  readonly map: readonly NodeId[]
  /** All hosts. */
  readonly hosts: readonly NodeId[]
}

/** The mark of one host. */
export class LeftMark {
  readonly #store: Store
  readonly #consensus: ConsensusFactory

  constructor(store: Store, consensus: ConsensusFactory) {
    this.#store = store
    this.#consensus = consensus
  }

  /** Whether this host has left the map at some time. */
  get isThere(): boolean {
    return this.#store.host.stores(this.#group)
  }

  /** Makes it durable that this host has left the map, and who was there then. */
  async leave({ map, hosts }: Placement): Promise<void> {
    const known: Known = { map: map?.hosts ?? [], hosts: Object.keys(hosts) }
    await this.#with((replica) =>
      replica.propose(encodeUtf8(JSON.stringify(known)), { timeoutMs: TIMEOUT_MS }),
    )
  }

  /** Who was there when this host left. */
  async known(): Promise<Known> {
    return this.#with(async (replica, machine) => {
      await replica.readBarrier('quorum', { timeoutMs: TIMEOUT_MS })
      return machine.known
    })
  }

  /** Each host has a group of its own. */
  get #group(): string {
    const { name, host } = this.#store
    return `${name}-left-${crc32c(encodeUtf8(host.id)).toString(16).padStart(8, '0')}`
  }

  async #with<T>(work: (replica: Replica, machine: KnownHosts) => Promise<T>): Promise<T> {
    const { host } = this.#store
    const stateMachine = new KnownHosts()
    const members = { voters: [host.id] }
    const consensus = this.#consensus
    const replica = await host.createReplica({
      group: this.#group,
      consensus,
      stateMachine,
      members,
    })
    try {
      return await work(replica, stateMachine)
    } finally {
      await replica.close()
    }
  }
}

/** The names of hosts that were written down last. */
class KnownHosts implements StateMachine {
  #bytes: Uint8Array = encodeUtf8('{}')

  get known(): Known {
    const { map = [], hosts = [] } = JSON.parse(decodeUtf8(this.#bytes)) as Partial<Known>
    return { map: map.filter(isId), hosts: hosts.filter(isId) }
  }

  apply(commands: Parameters<StateMachine['apply']>[0]): readonly Uint8Array[] {
    for (const { payload } of commands) this.#bytes = payload.slice()
    return commands.map(() => new Uint8Array(0))
  }

  query(): Uint8Array {
    return this.#bytes
  }

  snapshot(): Iterable<Uint8Array> {
    return [this.#bytes]
  }

  async restore(chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const all: number[] = []
    for await (const chunk of chunks) for (const byte of chunk) all.push(byte)
    this.#bytes = Uint8Array.from(all)
  }
}
