// Whether two sides send the same keys to the same shards. Where they do not, what one writes the
// other does not find, so they compare before they exchange anything.
import { ByteWriter, crc32c, encodeUtf8 } from '@quorate/core'
import type { Partitioner } from '@quorate/core'
import type { RangeTable } from '@quorate/ring'

const PROBES: readonly (string | Uint8Array)[] = [
  ...Array.from({ length: 48 }, (_, at) => `probe/${at}`),
  ...Array.from({ length: 8 }, (_, at) => `{tag-${at}}/x`),
  ...Array.from({ length: 8 }, (_, at) => Uint8Array.of(255, at, 0, 128 + at)),
]

/** The fingerprint of every store of sorted ranges. */
const RANGED = crc32c(encodeUtf8('sorted ranges'))

/** Whether a partitioner makes shards of sorted ranges of keys. */
export function isRanged(partitioner: object): partitioner is RangeTable {
  return 'kind' in partitioner && partitioner.kind === 'ranges'
}

/** A number that is equal for partitioners with as many shards and the same rule for keys. */
export function fingerprint(partitioner: Pick<Partitioner, 'shards' | 'shardOf'>): number {
  // Ranges change; that the map says which there are is all that both sides must agree on.
  if (isRanged(partitioner)) return RANGED
  const writer = new ByteWriter(512)
  writer.varint(partitioner.shards)
  for (const probe of PROBES) writer.varint(partitioner.shardOf(probe))
  return crc32c(writer.view())
}
