// The public face of the runtime: hosts and replicas, which drive any consensus core.
export { createHost } from './create-host.ts'
export type * from './host.ts'
export type { PrometheusMetrics, PrometheusMetricsOptions } from './prometheus-metrics.ts'
export { prometheusMetrics } from './prometheus-metrics.ts'
export type {
  TypedReplica,
  TypedStateMachine,
  TypedStateMachineOptions,
} from './typed-state-machine.ts'
export { jsonCodec, typedStateMachine } from './typed-state-machine.ts'
