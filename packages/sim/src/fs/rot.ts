// Damage to what a disk has held for some time: one sector is changed behind everybody's back. What was
// written lately is spared, since no storage can tell a lost last write from one that never came.
import type { Random } from '@quorate/core'
import { equalBytes } from '@quorate/core'
import type { Inode } from './inode.ts'
import { SECTOR } from './inode.ts'

/**
 * How data is lost that was durable. `bits`: some of it cannot be read. `lost-write`: it was never
 * written, though the device said so. `misdirected`: a write went elsewhere, and took what was there.
 */
export type RotMode = 'bits' | 'lost-write' | 'misdirected'

interface Place {
  readonly path: string
  readonly inode: Inode
  readonly sector: number
}

/** Damages a sector that nobody has written since a process; returns the path of its file. */
export function rotSector(
  root: Inode,
  how: RotMode,
  since: number,
  random: Random,
): string | undefined {
  const places = [...placesIn(root, '', since)]
  if (places.length === 0) return undefined
  const { path, inode, sector } = places[random.below(places.length)] as Place
  const other = places[random.below(places.length)] as Place
  const before = contentOf(inode, sector)
  const after = before.slice()
  if (how === 'bits') {
    for (let count = 1 + random.below(3); count > 0; count--) {
      const at = random.below(after.length)
      after[at] = (after[at] as number) ^ (1 << random.below(8))
    }
  } else {
    after.fill(0)
    if (how === 'misdirected')
      after.set(contentOf(other.inode, other.sector).subarray(0, after.length))
  }
  if (equalBytes(before, after)) return undefined
  overwrite(inode, sector, after)
  return path
}

/** Every sector that holds something, and holds it on the disk as a reader sees it. */
function* placesIn(inode: Inode, path: string, since: number): Iterable<Place> {
  for (const [name, child] of inode.entries) yield* placesIn(child, `${path}/${name}`, since)
  for (let sector = 0; sector * SECTOR < Math.min(inode.size, inode.durableSize); sector++) {
    if ((inode.writers.get(sector) ?? since) >= since) continue
    const seen = contentOf(inode, sector)
    if (seen.every((byte) => byte === 0)) continue
    const durable = inode.durable.subarray(sector * SECTOR, sector * SECTOR + seen.length)
    if (equalBytes(seen, durable)) yield { path, inode, sector }
  }
}

function contentOf({ bytes, size }: Inode, sector: number): Uint8Array {
  return bytes.subarray(sector * SECTOR, Math.min((sector + 1) * SECTOR, size))
}

/** Into copies: others may share what was durable. */
function overwrite(inode: Inode, sector: number, content: Uint8Array): void {
  const shared = inode.bytes === inode.durable
  inode.durable = inode.durable.slice()
  inode.durable.set(content, sector * SECTOR)
  inode.bytes = shared ? inode.durable : inode.bytes.slice()
  inode.bytes.set(content, sector * SECTOR)
}
