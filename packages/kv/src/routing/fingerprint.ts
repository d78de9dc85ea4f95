// Whether two sides send the same keys to the same shards. Where they do not, what one writes the
// other does not find, so they compare before they exchange anything.
import { ByteWriter, crc32c } from '@quorate/core'
import type { Partitioner } from '@quorate/core'

const PROBES: readonly (string | Uint8Array)[] = [
  ...Array.from({ length: 48 }, (_, at) => `probe/${at}`),
  ...Array.from({ length: 8 }, (_, at) => `{tag-${at}}/x`),
  ...Array.from({ length: 8 }, (_, at) => Uint8Array.of(255, at, 0, 128 + at)),
]

/** A number that is equal for partitioners with as many shards and the same rule for keys. */
export function fingerprint(partitioner: Pick<Partitioner, 'shards' | 'shardOf'>): number {
  const writer = new ByteWriter(512)
  writer.varint(partitioner.shards)
  for (const probe of PROBES) writer.varint(partitioner.shardOf(probe))
  return crc32c(writer.view())
}
