// The public face of the runtime.
export type * from './host.ts'
