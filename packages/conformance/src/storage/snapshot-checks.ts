// Checks of snapshots: any size comes back byte for byte from any offset, and one that is wrong
// or unfinished never takes the place of one that is right.
import { crc32c, snapshotId } from '@quorate/core'
import type { StorageCheck } from './harness.ts'
import {
  MEMBERSHIP,
  collect,
  entries,
  expectCode,
  expectEqual,
  expectThat,
  joined,
  withLab,
} from './lab.ts'

const position = { index: 3, epoch: 1, membership: MEMBERSHIP }

/** Bytes that differ everywhere. */
function content(bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, at) => (at * 31 + (at >>> 8)) & 0xff)
}

function announced(bytes: Uint8Array, id: string) {
  return { ...position, id, sizeBytes: bytes.length, checksum: crc32c(bytes) }
}

export const snapshotChecks: readonly StorageCheck[] = [
  {
    name: 'a snapshot comes back byte for byte, whatever the sizes of its chunks',
    run: (harness) =>
      withLab(harness, async (lab) => {
        const log = lab.group('g')
        await lab.write(log, { append: entries(1, 9) })
        for (const size of [0, 1, 1000, 300_000]) {
          const bytes = content(size)
          const writer = await log.snapshotWriter(position)
          for (let at = 0; at < size; at += 70_001)
            await writer.write(bytes.subarray(at, at + 70_001))
          expectEqual(writer.offset, size, 'the offset')
          const meta = await writer.finish()
          expectEqual(meta.id, snapshotId(3, 1, size, crc32c(bytes)), 'the id')
          expectEqual(
            crc32c(await collect(log, meta.id)),
            crc32c(bytes),
            `a snapshot of ${size} bytes`,
          )
        }
      }),
  },
  {
    name: 'a snapshot can be read from any offset',
    run: (harness) =>
      withLab(harness, async (lab) => {
        const log = lab.group('g')
        const bytes = content(300_000)
        const meta = await lab.snapshot(log, 3, bytes)
        for (const offset of [1, 70_000, 262_144, 299_999, 300_000]) {
          const rest = await collect(log, meta.id, offset)
          expectThat(
            crc32c(rest) === crc32c(bytes.subarray(offset)),
            `the bytes from ${offset} on differ`,
          )
        }
      }),
  },
  {
    name: 'a snapshot is the group’s only once a batch has named it',
    run: (harness) =>
      withLab(harness, async (lab) => {
        const log = lab.group('g')
        await lab.write(log, { append: entries(1, 5) })
        await lab.snapshot(log, 3, content(10))
        await log.close()
        expectEqual((await lab.state('g')).snapshot, undefined, 'the snapshot')
        const again = lab.group('g')
        const meta = await lab.snapshot(again, 4, content(20))
        await lab.write(again, { snapshot: meta })
        await again.close()
        expectEqual((await lab.state('g')).snapshot, meta, 'the snapshot')
        await lab.reopen()
        expectEqual((await lab.state('g')).snapshot, meta, 'the snapshot after a restart')
      }),
  },
  {
    name: 'a snapshot of another size or checksum than announced is discarded',
    run: (harness) =>
      withLab(harness, async (lab) => {
        const log = lab.group('g')
        const bytes = content(1000)
        const shorter = await log.snapshotWriter(announced(bytes, 'x'))
        await shorter.write(bytes.subarray(0, 999))
        await expectCode(shorter.finish(), 'STORAGE_CORRUPT', 'a snapshot that is too short')
        const flipped = await log.snapshotWriter(announced(bytes, 'x'))
        expectEqual(flipped.offset, 0, 'where the next one starts')
        await flipped.write(bytes.map((byte, at) => (at === 500 ? byte ^ 1 : byte)))
        await expectCode(flipped.finish(), 'STORAGE_CORRUPT', 'a snapshot with a flipped bit')
        await expectCode(collect(log, 'x'), 'SNAPSHOT_UNAVAILABLE', 'the discarded one')
        const right = await log.snapshotWriter(announced(bytes, 'x'))
        await right.write(bytes)
        expectEqual((await right.finish()).id, 'x', 'the id')
      }),
  },
  {
    name: 'a snapshot that is not there is unavailable',
    run: (harness) =>
      withLab(harness, async (lab) => {
        const log = lab.group('g')
        await expectCode(collect(log, 'none'), 'SNAPSHOT_UNAVAILABLE', 'an empty group')
        const writer = await log.snapshotWriter(announced(content(9), 'half'))
        await writer.write(content(4))
        await expectCode(collect(log, 'half'), 'SNAPSHOT_UNAVAILABLE', 'an unfinished one')
        await writer.close()
        await expectCode(collect(log, 'half'), 'SNAPSHOT_UNAVAILABLE', 'an abandoned one')
      }),
  },
  {
    name: 'a writer that was closed leaves nothing behind',
    run: (harness) =>
      withLab(harness, async (lab) => {
        const log = lab.group('g')
        const bytes = content(600_000)
        const first = await log.snapshotWriter(announced(bytes, 'x'))
        await first.write(bytes.subarray(0, 400_000))
        await first.close()
        await first.close()
        const second = await log.snapshotWriter(announced(bytes, 'x'))
        expectEqual(second.offset, 0, 'where the next one starts')
        await second.close()
      }),
  },
  {
    name: 'a transfer goes on where it stopped',
    needs: 'snapshotResume',
    run: (harness) =>
      withLab(harness, async (lab) => {
        const bytes = content(600_000)
        const log = lab.group('g')
        await lab.write(log, { append: entries(1, 1) })
        const first = await log.snapshotWriter(announced(bytes, 'x'))
        await first.write(bytes.subarray(0, 400_000))
        await first.close({ keep: true })
        await lab.reopen()
        const again = lab.group('g')
        const second = await again.snapshotWriter(announced(bytes, 'x'))
        const { offset } = second
        expectThat(offset > 0 && offset <= 400_000, `it goes on from ${offset}`)
        await second.write(bytes.subarray(offset))
        const meta = await second.finish()
        expectThat(crc32c(await collect(again, meta.id)) === crc32c(bytes), 'its bytes differ')
      }),
  },
  {
    name: 'a reader that has begun reads the right bytes or fails, when its snapshot is replaced',
    run: (harness) =>
      withLab(harness, async (lab) => {
        const log = lab.group('g')
        await lab.write(log, { append: entries(1, 9) })
        const bytes = content(600_000)
        const meta = await lab.snapshot(log, 3, bytes)
        await lab.write(log, { snapshot: meta })
        const reader = log.readSnapshot(meta.id)[Symbol.asyncIterator]()
        const chunks: Uint8Array[] = [((await reader.next()).value as Uint8Array).slice()]
        for (let index = 4; index <= 7; index++) {
          await lab.write(log, { snapshot: await lab.snapshot(log, index, content(index)) })
        }
        try {
          for (let next = await reader.next(); next.done !== true; next = await reader.next()) {
            chunks.push(next.value.slice())
          }
        } catch {
          return
        }
        expectThat(crc32c(joined(chunks)) === crc32c(bytes), 'its bytes differ')
      }),
  },
]
