// A voter whose disk is replaced by an empty one, in a group of which somebody lags behind: what it had
// promised and accepted in the epoch that the others are in, nobody can tell it who is not in it.
import { encodeUtf8 } from '@quorate/core'
import type { NodeId } from '@quorate/core'
import type { CoreCluster } from '@quorate/sim'
import type { PaxosMessage } from '../src/index.ts'

type Group = CoreCluster<PaxosMessage>

/** Replaces a replica's disk; its operator says so, and it has to be told of its group. */
export function loseDisk(group: Group, id: NodeId): void {
  group.crash(id)
  const hardState = undefined
  const durable = { hardState, snapshot: undefined, firstIndex: 1, baseEpoch: 0, entries: [] }
  Object.assign(group.replica(id), {
    durable,
    written: durable,
    finished: [],
    bootstrap: undefined,
  })
  group.restart(id)
}

/**
 * Lets a, which leads a, b and c, begin a second epoch with b, and decide in it. c has accepted the
 * stop-sign, and all that came after is still on its way to it.
 */
export function beginWithoutC(group: Group): void {
  group.changeMembership('a', { voters: ['a', 'b', 'c'], learners: ['l'] })
  for (const flight of group.matching({ from: 'a', to: 'c' })) group.deliver(flight)
  group.persist('c')
  group.persist('a')
  for (const flight of group.matching({ from: 'c', to: 'a' })) group.deliver(flight)
  for (let n = 0; n < 30; n++) {
    group.advance(10)
    group.stabilize(['a', 'b'])
  }
  group.propose('a', encodeUtf8('only a and b have it'))
  group.stabilize(['a', 'b'])
}

/** What reached c of the first epoch, too late, once b has lost its disk. All else is lost. */
export function lateNews(group: Group): PaxosMessage {
  const late = group.matching({ from: 'a', to: 'c' }).map(({ message }) => message)
  for (const flight of group.matching()) group.drop(flight)
  const news = late.find(({ type, config }) => type === 'decide' && config === 1)
  if (news === undefined) throw new TypeError('nothing was on its way')
  return news
}
