// The checks that look at several replicas at once, called at the few moments at which their answer
// can change, so that checking after every step costs next to nothing.
import type { Entry, Membership, NodeId, WriteBatch } from '@quorate/core'
import { decode, membershipCodec } from '@quorate/core'
import type { History } from './history.ts'
import type { LogImage } from './log-image.ts'
import type { ReplicaModel } from './replica-model.ts'
import { hold } from './violation.ts'

/** Watches the replicas of one group. */
export class Judge<M> {
  /** An entry was applied for the first time anywhere. */
  committed(history: History, entry: Entry, replicas: ReadonlyMap<NodeId, ReplicaModel<M>>): void {
    const images = new Map([...replicas.values()].map(({ id, durable }) => [id, durable]))
    history.checkDurable(entry, images, () => membershipsOf(replicas))
  }

  /** A batch became durable. */
  persisted(
    history: History,
    replica: ReplicaModel<M>,
    before: LogImage,
    batch: WriteBatch,
    replicas: ReadonlyMap<NodeId, ReplicaModel<M>>,
  ): void {
    if (batch.truncateFrom !== undefined) {
      const { id, durable } = replica
      history.checkKept(id, before, durable, batch.truncateFrom, replica.epochOf(batch))
    }
    if (batch.append.length === 0) return
    for (const other of replicas.values()) {
      if (other === replica) continue
      history.checkMatching(replica.durable, other.durable, replica.id, other.id)
    }
  }

  /** A replica came to rest after a step. */
  settled(history: History, replica: ReplicaModel<M>): void {
    const status = replica.running.status()
    const { commitIndex, epoch } = status
    const { seen, id } = replica
    hold(
      commitIndex >= seen.commitIndex,
      'commit-monotone',
      () => `the commit index of ${id} fell from ${seen.commitIndex} to ${commitIndex}`,
    )
    hold(
      commitIndex >= replica.handedIndex,
      'commit-monotone',
      () => `${id} handed out ${replica.handedIndex} with ${commitIndex} committed`,
    )
    hold(
      epoch >= seen.epoch,
      'epoch-monotone',
      () => `the epoch of ${id} fell from ${seen.epoch} to ${epoch}`,
    )
    if (commitIndex !== seen.commitIndex || epoch !== seen.epoch) {
      replica.seen = { commitIndex, epoch }
    }
    if (status.role === 'leader' && !history.knowsLeader(epoch, id)) {
      history.led(id, epoch, replica.written)
    }
  }
}

/** Every membership that some replica may regard as in force. */
function* membershipsOf<M>(replicas: ReadonlyMap<NodeId, ReplicaModel<M>>): Iterable<Membership> {
  for (const { core } of replicas.values()) if (core !== undefined) yield core.status().membership
  for (const { written } of replicas.values()) {
    for (const entry of written.entries) {
      if (entry.kind === 'membership') yield decode(membershipCodec, entry.payload)
    }
  }
}
