// One way to all suites that need nothing but the contracts; the one for algorithms drives whole
// clusters in the simulator and is imported by its own name.
/**
 * The suites that any storage, transport or partitioner must pass. The suite for algorithms is
 * `@quorate/conformance/consensus`.
 *
 * @packageDocumentation
 */
export * as partitioner from './partitioner/index.ts'
export * as storage from './storage/index.ts'
export * as transport from './transport/index.ts'
