// The public face of the package: a network, and what it hands out.
/**
 * A transport between hosts and clients of one process, for programs that need no sockets and for
 * tests that cut and heal connections.
 *
 * @packageDocumentation
 */
export { memoryNetwork, type MemoryNetwork, type MemoryNetworkOptions } from './network.ts'
