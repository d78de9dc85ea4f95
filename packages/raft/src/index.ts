// Raft for Quorate: one factory, and the types of what it speaks and takes.
/**
 * Raft as a pure, synchronous state machine.
 *
 * @packageDocumentation
 */
import type { ConsensusFactory } from '@quorate/core'
import { raftCodec, WIRE_VERSION } from './codec.ts'
import { RaftCore } from './core.ts'
import { FORMAT } from './hard-state.ts'
import type { RaftMessage } from './messages.ts'
import type { RaftOptions } from './options.ts'
import { resolveOptions } from './options.ts'
import { recover } from './recover.ts'

export { raftCodec } from './codec.ts'
export type * from './messages.ts'
export type { RaftOptions } from './options.ts'

/**
 * Raft (Ongaro, 2014), as an algorithm to give to a host.
 *
 * @throws QuorateError `INVALID_OPTIONS`
 */
export function raft(options: RaftOptions = {}): ConsensusFactory<RaftMessage> {
  const resolved = resolveOptions(options)
  return {
    name: 'raft',
    wireVersion: WIRE_VERSION,
    format: FORMAT,
    codec: raftCodec,
    create: (init) => new RaftCore(recover(init, resolved)),
  }
}
