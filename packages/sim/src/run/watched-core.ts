// Stands between a host and its core and shows every step to whoever checks: what the runtime does
// with the effects afterwards is seen on the network, the disk and the state machine.
import type {
  ConsensusCore,
  ConsensusFactory,
  ConsensusInit,
  ConsensusStatus,
  Effects,
  Input,
  SnapshotPosition,
} from '@quorate/core'

/** Sees the steps of a core. */
export interface CoreWatcher {
  /** A core was made. */
  created(core: ConsensusCore, init: ConsensusInit): void
  /** A step is about to be taken. */
  stepping(core: ConsensusCore, input: Input): void
  /** It was taken. */
  stepped(core: ConsensusCore, input: Input, effects: Effects): void
  /** It threw: a bug of the core, or of its driver. */
  threw(core: ConsensusCore, error: unknown): void
}

/** The same algorithm, watched. */
export function watchedConsensus(
  consensus: ConsensusFactory,
  watcherOf: (init: ConsensusInit) => CoreWatcher,
): ConsensusFactory {
  const { name, wireVersion, format, codec } = consensus
  return {
    name,
    wireVersion,
    format,
    codec,
    create(init) {
      const watcher = watcherOf(init)
      const core = consensus.create(init)
      watcher.created(core, init)
      return new WatchedCore(core, watcher)
    },
  }
}

class WatchedCore implements ConsensusCore {
  readonly id
  readonly #core: ConsensusCore
  readonly #watcher: CoreWatcher

  constructor(core: ConsensusCore, watcher: CoreWatcher) {
    this.id = core.id
    this.#core = core
    this.#watcher = watcher
  }

  get wakeAt(): number {
    return this.#core.wakeAt
  }

  step(input: Input, now: number): Effects {
    try {
      this.#watcher.stepping(this.#core, input)
      const effects = this.#core.step(input, now)
      this.#watcher.stepped(this.#core, input, effects)
      return effects
    } catch (error) {
      this.#watcher.threw(this.#core, error)
      throw error
    }
  }

  status(): ConsensusStatus {
    return this.#core.status()
  }

  appliedPosition(): SnapshotPosition {
    return this.#core.appliedPosition()
  }
}
