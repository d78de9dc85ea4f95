// Paxos for Quorate: one factory, and the types of what it speaks and takes.
/**
 * Multi-Paxos in the sequence form, as an algorithm to give to a host.
 *
 * @packageDocumentation
 */
import type { ConsensusFactory } from '@quorate/core'
import { WIRE_VERSION, paxosCodec } from './codec.ts'
import { PaxosCore } from './core.ts'
import { FORMAT } from './hard-state.ts'
import type { PaxosMessage } from './messages.ts'
import type { PaxosOptions } from './options.ts'
import { resolveOptions } from './options.ts'
import { recover } from './recover.ts'

export { paxosCodec } from './codec.ts'
export type { Ballot } from './ballot.ts'
export type { Floor } from './floor.ts'
export type * from './messages.ts'
export type { PaxosOptions, PaxosQuorums } from './options.ts'
export * from './synod.ts'

/**
 * Multi-Paxos (Lamport, 1998, in the sequence form of Haridi et al., 2019), as an algorithm to give
 * to a host.
 *
 * @throws QuorateError `INVALID_OPTIONS`
 */
export function paxos(options: PaxosOptions = {}): ConsensusFactory<PaxosMessage> {
  const resolved = resolveOptions(options)
  return {
    name: 'paxos',
    wireVersion: WIRE_VERSION,
    format: FORMAT,
    codec: paxosCodec,
    create: (init) => new PaxosCore(recover(init, resolved)),
  }
}
