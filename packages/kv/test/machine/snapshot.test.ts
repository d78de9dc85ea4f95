// Snapshots: captured at one index while applies go on, and refused whenever a byte is wrong,
// missing or too many.
import { equalBytes } from '@quorate/core'
import { describe, expect, test } from 'vitest'
import { shardMachine } from '../../src/machine/shard-machine.ts'
import { Log, add, inChunks, put, remove, snapshotBytes } from '../support/machine.ts'

function filled(keys: number): { log: Log; session: number } {
  const log = new Log()
  const session = log.open()
  for (let at = 0; at < keys; at++) {
    const ttlMs = at % 10 === 0 ? 1_000_000 : 0
    log.run(session, at + 1, [put(`key/${at}`, `${at}`.repeat(1 + (at % 40)), ttlMs), add('n', 1)])
  }
  return { log, session }
}

describe('a snapshot', () => {
  test('does not show what is applied while it is read', async () => {
    const { log, session } = filled(2_000)
    const before = await snapshotBytes(log.machine)
    const chunks: Uint8Array[] = []
    let seq = 10_000
    for await (const chunk of log.machine.snapshot()) {
      chunks.push(chunk)
      for (let at = 0; at < 200; at++) {
        log.timeMs += 10
        log.run(session, ++seq, [remove(`key/${seq % 2_000}`), put(`new/${seq}`, 'x'), add('n', 1)])
      }
      log.open()
    }
    expect(chunks.length).toBeGreaterThan(3)
    expect(equalBytes(Uint8Array.from(chunks.flatMap((chunk) => [...chunk])), before)).toBe(true)
    expect(equalBytes(await snapshotBytes(log.machine), before)).toBe(false)
  })

  test.each([1, 7, 1_000, 1_000_000])('is restored from chunks of %i bytes', async (size) => {
    const { log } = filled(size === 1 ? 30 : 1_000)
    const image = await snapshotBytes(log.machine)
    const restored = shardMachine({ shard: 0 })
    await restored.restore(inChunks(image, size))
    expect(equalBytes(await snapshotBytes(restored), image)).toBe(true)
    expect(restored.history.compacted).toBe(log.machine.revision)
    expect(restored.nextExpiryMs).toBe(log.machine.nextExpiryMs)
  })

  test('is refused where any bit is wrong, and leaves the state as it was', async () => {
    const { log } = filled(40)
    const image = await snapshotBytes(log.machine)
    const target = filled(5).log.machine
    const state = await snapshotBytes(target)
    for (let bit = 0; bit < image.length * 8; bit += 3) {
      const damaged = Uint8Array.from(image)
      damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7))
      await expect(target.restore(inChunks(damaged, 500))).rejects.toMatchObject({
        code: 'MALFORMED',
      })
    }
    expect(equalBytes(await snapshotBytes(target), state)).toBe(true)
  })

  test('is refused where it ends early or goes on', async () => {
    const { log } = filled(40)
    const image = await snapshotBytes(log.machine)
    const target = shardMachine({ shard: 0 })
    for (let length = 0; length < image.length; length += 11) {
      await expect(target.restore(inChunks(image.subarray(0, length), 500))).rejects.toMatchObject({
        code: 'MALFORMED',
      })
    }
    const longer = Uint8Array.from([...image, ...image])
    await expect(target.restore(inChunks(longer, 500))).rejects.toMatchObject({ code: 'MALFORMED' })
  })

  test('is refused where whole blocks are missing, repeated or exchanged', async () => {
    const { log } = filled(2_000)
    const blocks: Uint8Array[] = []
    for await (const chunk of log.machine.snapshot()) blocks.push(chunk)
    expect(blocks.length).toBeGreaterThan(4)
    const target = shardMachine({ shard: 0 })
    const pairs = blocks.flatMap((_, at) => blocks.map((_other, other) => [at, other] as const))
    for (const [at, other] of pairs.filter(([one, two]) => one !== two)) {
      const exchanged = blocks
        .with(at, blocks[other] as Uint8Array)
        .with(other, blocks[at] as Uint8Array)
      for (const wrong of [
        blocks.toSpliced(at, 1),
        blocks.toSpliced(at, 0, blocks[at] as Uint8Array),
        exchanged,
      ]) {
        await expect(target.restore(chunked(wrong))).rejects.toMatchObject({ code: 'MALFORMED' })
      }
    }
  })

  test('of another shard is refused', async () => {
    const image = await snapshotBytes(filled(3).log.machine)
    const other = shardMachine({ shard: 1 })
    await expect(other.restore(inChunks(image, 500))).rejects.toMatchObject({ code: 'MALFORMED' })
  })
})

async function* chunked(blocks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* blocks
}
