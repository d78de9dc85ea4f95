// What a store refuses by size. The figures are part of the replicated format: every replica must
// refuse the same commands, so they are constants and not options.

/** The limits of every store. Bytes are counted after encoding; all are the same at every replica. */
export interface KvLimits {
  /** Longest key, in bytes. A key has at least one byte. 4,096. */
  readonly keyBytesMax: number
  /** Longest value, in bytes. 1,040,384: 1 MiB less 8 KiB for key and headers. */
  readonly valueBytesMax: number
  /** Most operations in one batch or transaction of one shard. 4,096. */
  readonly opsMax: number
  /** Most commands of one session without an answer. 4,096. */
  readonly sessionWindowMax: number
  /** Most sessions that a shard remembers; the one unused for longest is forgotten first. 4,096. */
  readonly sessionsMax: number
  /** How long a shard remembers an unused session, in milliseconds of log time. 600,000 (10 min). */
  readonly sessionTtlMs: number
  /** Most bytes of answers that a shard keeps for one session. 4,194,304 (4 MiB). */
  readonly sessionBytesMax: number
  /** Most bytes of answers that a shard keeps in all; beyond, sessions are forgotten. 67,108,864 (64 MiB). */
  readonly sessionsBytesMax: number
  /** Most bytes in the answer of one transaction. 1,048,576 (1 MiB). */
  readonly resultBytesMax: number
  /** Most expired keys that one command removes. 256. */
  readonly expiredPerCommandMax: number
  /** Most entries in one page of a scan. 4,096. */
  readonly pageEntriesMax: number
  /** Most bytes in one page of a scan, one larger entry excepted. 1,048,576 (1 MiB). */
  readonly pageBytesMax: number
}

/** The limits of every store, with the figures that {@link KvLimits} names. */
export const kvLimits: KvLimits = Object.freeze({
  keyBytesMax: 4_096,
  valueBytesMax: 1_040_384,
  opsMax: 4_096,
  sessionWindowMax: 4_096,
  sessionsMax: 4_096,
  sessionTtlMs: 600_000,
  sessionBytesMax: 4_194_304,
  sessionsBytesMax: 67_108_864,
  resultBytesMax: 1_048_576,
  expiredPerCommandMax: 256,
  pageEntriesMax: 4_096,
  pageBytesMax: 1_048_576,
})
