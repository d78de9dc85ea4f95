// Stands between a program and its host and shows every replica that it makes, with its algorithm and
// its state machine, to whoever checks; the rest of the host is as it is.
import type {
  Command,
  ConsensusFactory,
  GroupId,
  LogIndex,
  NodeId,
  Replica,
  StateMachine,
} from '@quorate/core'
import type { Host, ReplicaOptions } from '@quorate/runtime'
import { InvariantViolation, hold } from '../model/violation.ts'
import type { GroupWatch } from './group-watch.ts'
import { watchedConsensus } from './watched-core.ts'

/** What watches the replicas of one host. */
export interface HostWatcher {
  /** The watch of a group, made with its first members. */
  watchOf(group: GroupId, options: ReplicaOptions): GroupWatch
  /** The groups that this host had and dropped, at any start. */
  readonly dropped: ReadonlySet<GroupId>
  /** Whether its disk holds anything of a group. */
  holds(group: GroupId): boolean
  /** The state machines of this host by group, as they are now. */
  readonly machines: Map<GroupId, WatchedState>
  /** A replica was dropped. */
  dropReplica(group: GroupId): void
  /** Ends the run. */
  fail(error: unknown): void
}

/** A host whose replicas are watched. */
export function watchedHost(host: Host, watcher: HostWatcher): Host {
  const makes = {
    createReplica: (options: ReplicaOptions): Promise<Replica> => create(host, watcher, options),
    async dropReplica(group: GroupId): Promise<void> {
      await host.dropReplica(group)
      watcher.machines.delete(group)
      watcher.dropReplica(group)
    },
  }
  return new Proxy(host, {
    get(target, name) {
      if (name === 'createReplica' || name === 'dropReplica') return makes[name]
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

async function create(host: Host, watcher: HostWatcher, options: ReplicaOptions): Promise<Replica> {
  const { group } = options
  if (options.members !== undefined && watcher.dropped.has(group) && !watcher.holds(group)) {
    const message = `${host.id} begins ${group} anew, whose replica it had dropped`
    watcher.fail(new InvariantViolation('founded-once', message))
  }
  const watch = watcher.watchOf(group, options)
  const consensus: ConsensusFactory = watchedConsensus(options.consensus, (init) =>
    watch.watcherOf(init),
  )
  const stateMachine = new WatchedState(host.id, options.stateMachine, watch, watcher)
  watcher.machines.set(group, stateMachine)
  return host.createReplica({ ...options, consensus, stateMachine })
}

/** A state machine whose results are compared with those of others. */
export class WatchedState implements StateMachine {
  readonly #id: NodeId
  readonly #inner: StateMachine
  readonly #watch: GroupWatch
  readonly #watcher: HostWatcher
  #index: LogIndex | undefined

  /** Wraps `inner`. */
  constructor(id: NodeId, inner: StateMachine, watch: GroupWatch, watcher: HostWatcher) {
    this.#id = id
    this.#inner = inner
    this.#watch = watch
    this.#watcher = watcher
  }

  /** The last command that it applied; `undefined` after a snapshot was restored and before the next. */
  get index(): LogIndex | undefined {
    return this.#index
  }

  get appliedIndex(): LogIndex | undefined {
    return this.#inner.appliedIndex
  }

  apply(commands: readonly Command[]): Promise<readonly Uint8Array[]> | readonly Uint8Array[] {
    const results = this.#inner.apply(commands)
    if (results instanceof Promise) return results.then((all) => this.#compare(commands, all))
    return this.#compare(commands, results)
  }

  query(query: Uint8Array): Promise<Uint8Array> | Uint8Array {
    return this.#inner.query(query)
  }

  snapshot(): AsyncIterable<Uint8Array> | Iterable<Uint8Array> {
    return this.#inner.snapshot()
  }

  async restore(chunks: AsyncIterable<Uint8Array>): Promise<void> {
    this.#index = undefined
    await this.#inner.restore(chunks)
  }

  #compare(commands: readonly Command[], results: readonly Uint8Array[]): readonly Uint8Array[] {
    try {
      hold(
        results.length === commands.length,
        'state-machine-safety',
        () => `${this.#id} gives ${results.length} results for ${commands.length} commands`,
      )
      for (const [at, { index }] of commands.entries()) {
        this.#index = index
        this.#watch.applied(this.#id, index, results[at] as Uint8Array)
      }
    } catch (error) {
      this.#watcher.fail(error)
      throw error
    }
    return results
  }
}
