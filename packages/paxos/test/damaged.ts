// A voter whose disk can read no more what it held from some entry on, among it what it knew to be
// decided: the disk tells so at the start, until the first write has removed it.
import type { ConsensusFactory, LogIndex, NodeId } from '@quorate/core'
import { decode } from '@quorate/core'
import type { CoreCluster } from '@quorate/sim'
import { hardStateCodec } from '../src/hard-state.ts'
import type { PaxosMessage } from '../src/index.ts'

/** What becomes unreadable, and whose. */
export interface Damage {
  readonly id: NodeId
  readonly first: LogIndex
  readonly last: LogIndex
}

/** An algorithm whose replica is told at its start what its disk cannot read, once {@link damage} was done. */
export function withDamage(
  consensus: ConsensusFactory<PaxosMessage>,
  { id, first, last }: Damage,
): ConsensusFactory<PaxosMessage> {
  return {
    ...consensus,
    create: (init) => {
      const { hardState, lastIndex } = init.recovered
      const decided = hardState === undefined ? 0 : decode(hardStateCodec, hardState).decided
      if (init.id !== id || lastIndex !== first - 1 || decided < first)
        return consensus.create(init)
      const recovered = { ...init.recovered, lastIndex: last, tail: [], faulty: [{ first, last }] }
      return consensus.create({ ...init, recovered })
    },
  }
}

/** Stops a replica, damages its disk, and starts it again. */
export function damage(group: CoreCluster<PaxosMessage>, { id, first }: Damage): void {
  group.crash(id)
  const replica = group.replica(id)
  const { durable } = replica
  const entries = durable.entries.slice(0, first - durable.firstIndex)
  Object.assign(replica, { durable: { ...durable, entries } })
  replica.written = replica.durable
  group.restart(id)
}
