// The public face of the contracts: one import for whoever implements or uses them.
/**
 * The contracts of Quorate, and the little code that everybody shares.
 *
 * An algorithm is a {@link ConsensusCore}: inputs go in, {@link Effects} come out. A host drives it
 * against a {@link HostStorage} and a {@link Transport} and feeds committed entries to a
 * {@link StateMachine}. A store finds the shard of a key by a {@link Partitioner} and speaks to a
 * shard's group through a {@link Replica}.
 *
 * @packageDocumentation
 */
export * from './assert.ts'
export * from './bytes.ts'
export * from './clock.ts'
export * from './codec.ts'
export * from './consensus.ts'
export * from './crc32c.ts'
export * from './emitter.ts'
export * from './entry.ts'
export * from './errors.ts'
export * from './ids.ts'
export * from './lifecycle.ts'
export * from './limits.ts'
export * from './membership.ts'
export * from './observability.ts'
export * from './options.ts'
export * from './partitioner.ts'
export * from './quorum.ts'
export * from './random.ts'
export * from './replica.ts'
export * from './snapshot.ts'
export * from './state-machine.ts'
export * from './storage.ts'
export * from './transport.ts'
