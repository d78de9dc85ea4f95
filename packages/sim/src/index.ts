// The public face of the simulator: clusters of cores alone, and of hosts with everything on them.
/**
 * Deterministic simulation of replicated groups: cores alone, or hosts with everything on them, on a
 * virtual clock, network and disk, with every promise checked as they run.
 *
 * @packageDocumentation
 */
export * from './model/violation.ts'
export { CoreCluster } from './model/core-cluster.ts'
export type {
  ClusterEvent,
  CoreClusterOptions,
  FlightMessage,
  MessageFilter,
} from './model/core-cluster.ts'
export type { CallRecord, Calls } from './model/calls.ts'
export type {
  ExplorableCore,
  GroupContext,
  ReplicaModel,
  ReplicaSink,
} from './model/replica-model.ts'
export type { FullPromises, History, Promises } from './model/history.ts'
export type { Hash64 } from './model/hash.ts'
export type { LogImage } from './model/log-image.ts'
export { runTranscript } from './transcript/run.ts'
export type { TranscriptOptions } from './transcript/run.ts'
export type { TranscriptCommand, TranscriptState } from './transcript/commands.ts'
export type { TranscriptFormat } from './transcript/text.ts'
export type { Command } from './transcript/parse.ts'
export { explore } from './explore/explore.ts'
export type { Counterexample, ExploreOptions, ExploreResult } from './explore/explore.ts'
export type { Budget } from './explore/world.ts'
export { steadyRandom } from './model/steady-random.ts'
export { simulate } from './run/simulate.ts'
export type { Phase, SimulationFailure, SimulationResult } from './run/simulate.ts'
export type { Operation, RunSetup, SimulateOptions, Workload } from './run/options.ts'
export type { OperationRecord } from './run/oracle.ts'
export type { Fault, FaultKind, FaultTarget, PartitionMode } from './run/faults.ts'
export { faultKinds } from './run/faults.ts'
export type { NetworkCounts, NetworkFaults } from './run/network.ts'
export type { DiskFaults } from './run/disk.ts'
export { crashFs } from './fs/crash-fs.ts'
export type { RotMode } from './fs/rot.ts'
export type { CrashFile, CrashFs, CrashFsSpace, FsCall, FsEffect } from './fs/crash-fs.ts'
export type { DiskStep, StorageFactory, StorageStart } from './run/machine-storage.ts'
export type { RecordedEvent, RecordedFrame, Recording } from './run/recording.ts'
export { registerMap, registerWorkload } from './run/register-map.ts'
export { failureKind, minimise } from './run/minimise.ts'
export type { MinimisedRun } from './run/minimise.ts'
export { diagram, spaceTime } from './run/diagram.ts'
export type { DiagramOptions } from './run/diagram.ts'
export { failureReport } from './run/report.ts'
export type { ReportOptions } from './run/report.ts'
export { sweep } from './run/sweep.ts'
export type { SweepFailure, SweepOptions, SweepResult } from './run/sweep.ts'
export { simCluster } from './run/sim-cluster.ts'
export type {
  DurableEvent,
  DurableWrite,
  HostStart,
  SimClient,
  SimCluster,
  SimClusterOptions,
} from './run/sim-cluster.ts'
