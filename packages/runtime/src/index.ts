// The public face of the runtime: hosts and replicas, which drive any consensus core.
export { createHost } from './create-host.ts'
export type * from './host.ts'
