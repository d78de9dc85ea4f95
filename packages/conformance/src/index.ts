// One way to all suites that need nothing but the contracts; the one for algorithms drives whole
// clusters in the simulator and is imported by its own name.
/**
 * The suites that any storage, transport or partitioner must pass. The suite for algorithms is
 * `@quorate/conformance/consensus`.
 *
 * @packageDocumentation
 */
export * from './partitioner/index.ts'
export * from './storage/index.ts'
export * from './transport/index.ts'
