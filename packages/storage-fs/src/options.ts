// What a user can set, with its defaults and bounds.
import { QuorateError, rejectUnknownOptions } from '@quorate/core'
import { SEGMENT_HEADER_BYTES } from './layout.ts'

/** Options of {@link fsStorage}. */
export interface FsStorageOptions {
  /**
   * Bytes of one segment of the log, 16,384 to 1,073,741,824. Each is filled with zeros before it
   * is used, so that a write neither changes the file's size nor runs out of space. Default
   * 33,554,432 (32 MiB).
   */
  readonly segmentBytes?: number | undefined
  /**
   * What becomes of entries that can no longer be read. `halt`: opening fails with
   * `STORAGE_CORRUPT`. `repair`: they are reported as faulty, for an algorithm that fetches them
   * from other hosts. Damage that no peer could repair always halts. Default `halt`.
   */
  readonly onDamage?: 'halt' | 'repair' | undefined
  /** Free bytes below which `spaceLow` is set. Default: four segments. */
  readonly lowWaterBytes?: number | undefined
  /**
   * Bytes of a file that is kept in reserve where there is room for it, and given up when the disk is
   * full, so that the log can still be changed and compacted; 0 for none. Default: one segment.
   */
  readonly ballastBytes?: number | undefined
  /**
   * How many bytes of finished segments and snapshots are read again each second, to find what the
   * disk has lost while other hosts still have it; 0 for none. Default 262,144 (256 KiB).
   */
  readonly scrubBytesPerSecond?: number | undefined
  /**
   * Whether an unfinished write at the end of the log refuses to open with `STORAGE_CORRUPT`, instead of
   * being cut off. Without a later write it cannot be told from one that was acknowledged and damaged
   * since; a host that must not take that chance is rebuilt from its peers. Default `false`.
   */
  readonly strictTail?: boolean | undefined
  /** After how many milliseconds of silence a marker proves the last write. Default 50. */
  readonly markerIdleMs?: number | undefined
  /** Bytes of the buffer between this thread and the one that writes. Default 16,777,216 (16 MiB). */
  readonly ringBytes?: number | undefined
}

/** Options with every default filled in. */
export type ResolvedOptions = {
  readonly [Name in keyof FsStorageOptions]-?: NonNullable<FsStorageOptions[Name]>
}

/**
 * Fills in defaults.
 *
 * @throws QuorateError `INVALID_OPTIONS` where one is unknown or out of range
 */
export function resolveOptions(options: FsStorageOptions): ResolvedOptions {
  const segmentBytes = options.segmentBytes ?? 33_554_432
  const resolved: ResolvedOptions = {
    segmentBytes,
    onDamage: options.onDamage ?? 'halt',
    lowWaterBytes: options.lowWaterBytes ?? 4 * segmentBytes,
    ballastBytes: options.ballastBytes ?? segmentBytes,
    scrubBytesPerSecond: options.scrubBytesPerSecond ?? 262_144,
    strictTail: options.strictTail ?? false,
    markerIdleMs: options.markerIdleMs ?? 50,
    ringBytes: options.ringBytes ?? 16_777_216,
  }
  rejectUnknownOptions(options, Object.keys(resolved), 'fsStorage')
  range('segmentBytes', resolved.segmentBytes, 4 * SEGMENT_HEADER_BYTES, 1_073_741_824)
  range('lowWaterBytes', resolved.lowWaterBytes, 0, Number.MAX_SAFE_INTEGER)
  range('ballastBytes', resolved.ballastBytes, 0, 1_099_511_627_776)
  range('scrubBytesPerSecond', resolved.scrubBytesPerSecond, 0, 1_073_741_824)
  range('markerIdleMs', resolved.markerIdleMs, 0, 86_400_000)
  range('ringBytes', resolved.ringBytes, 4096, 1_073_741_824)
  if (!['halt', 'repair'].includes(resolved.onDamage)) {
    throw new QuorateError(
      'INVALID_OPTIONS',
      `onDamage must be "halt" or "repair", not "${resolved.onDamage}"`,
    )
  }
  if (typeof resolved.strictTail !== 'boolean') {
    throw new QuorateError('INVALID_OPTIONS', 'strictTail must be true or false')
  }
  return resolved
}

function range(name: string, value: number, min: number, max: number): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return
  throw new QuorateError(
    'INVALID_OPTIONS',
    `${name} must be an integer from ${min} to ${max}, not ${value}`,
  )
}
