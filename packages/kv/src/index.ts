// The public face of the store: what composes it, what serves it, and what talks to it. Nothing
// else of this package is promised to stay.
/**
 * A sharded, replicated, strongly consistent key-value store.
 *
 * {@link createKv} composes a store on a host, {@link serveKv} lets clients reach it, and
 * {@link connect} gives a program elsewhere the same operations.
 *
 * @packageDocumentation
 */
export { connect } from './client/connect.ts'
export type { ConnectOptions, KvClient } from './client/connect.ts'
export { serveKv } from './client/serve.ts'
export type { KvServer, ServeKvOptions } from './client/serve.ts'
export { jsonCodec, textCodec } from './codecs.ts'
export type * from './kv.ts'
export { kvLimits } from './limits.ts'
export type { KvLimits } from './limits.ts'
export type { RawKey } from './key.ts'
export type { Change, History, HistoryLimits } from './machine/history.ts'
export type { ShardInfo } from './machine/query.ts'
export type { KvAdmin, OrderOptions } from './placement/admin.ts'
export type { ManagedOptions } from './placement/managed.ts'
export type { MoverOptions } from './placement/mover.ts'
export type { MapMove, MapPlacement } from './placement/map-group.ts'
export type { RangeOptions } from './placement/range-planner.ts'
export type { PlannedMove } from './placement/planner.ts'
export type {
  HostState,
  Placement,
  ShardHandover,
  ShardMove,
  ShardPlacement,
} from './placement/state.ts'
export type { KeyRange, RangeJson } from './machine/key-range.ts'
export type { Incoming, Outgoing, OwnershipState } from './machine/ownership.ts'
export { shardMachine } from './machine/shard-machine.ts'
export type { ShardMachine, ShardMachineOptions } from './machine/shard-machine.ts'
export { createKv } from './store/create-kv.ts'
export type { Kv, KvOptions } from './store/create-kv.ts'
