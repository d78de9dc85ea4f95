// Damage of a log that was durable: every bit, every sector, every length. What comes back is
// either exactly what was written, or a refusal; never something else, and never less.
import type { Entry } from '@quorate/core'
import { createRandom, isQuorateError } from '@quorate/core'
import { beforeAll, describe, expect, it } from 'vitest'
import type { CrashFs } from '@quorate/sim'
import { crashFs } from '@quorate/sim'
import { payloadIsSound, readFrameHeader, readRecords } from '../src/frame.ts'
import {
  FRAME_HEADER_BYTES,
  RECORD_HEADER_BYTES,
  SEGMENT_HEADER_BYTES,
  TYPE_HARD_STATE,
} from '../src/layout.ts'
import { judgeTail, segmentReader, walkFrames } from '../src/segment.ts'
import { decodeSegmentHeader } from '../src/segment-header.ts'
import { HandClock, contextWith, recovered, storageOver } from './fs/crash-run.ts'
import { recoveredText } from './fs/model.ts'

const LOG = '/data/log/0000000001.seg'
const LOG_BYTES = 65_536
/**
 * `QUORATE_BIT_FLIPS=all` starts a whole recovery for every bit. By default every bit is flipped where
 * flips are noticed, one frame or header at a time, and whole recoveries are started for a bit of every
 * header byte and of every seventh other byte: once a frame is not valid, nothing that follows depends
 * on which of its bits it was.
 */
const ALL = process.env['QUORATE_BIT_FLIPS'] === 'all'
const random = createRandom(11)

let healthy: CrashFs
let older: CrashFs
let text: string
/** Where the bytes of the headers of frames and records are. */
const headerBytes = new Set<number>()

/** A log of one segment, full, closed in good order; `older` is how it was half-way. */
beforeAll(async () => {
  const fs = crashFs()
  const storage = storageOver(fs, createRandom(3), { segmentBytes: LOG_BYTES })
  await storage.open(contextWith(new HandClock()))
  const log = storage.group('g', { name: 'test', format: 1 })
  let used = SEGMENT_HEADER_BYTES
  for (let seq = 1; used < LOG_BYTES - 1500; seq++) {
    const payload = Uint8Array.from({ length: random.below(1000) }, () => random.below(256))
    const entry: Entry = { index: seq, epoch: 1, kind: 'command', payload }
    const hardState = seq % 7 === 0 ? Uint8Array.of(seq) : undefined
    await log.write({ seq, append: [entry], hardState })
    used += 48 + 32 + payload.length + 8 + (hardState === undefined ? 0 : 40)
    if (seq === 40) older = fs.afterCrash([])
  }
  await storage.close()
  healthy = fs.afterCrash(fs.effects)
  text = recovered(fs.afterCrash(fs.effects), recoveredText)
  recovered(fs.afterCrash(fs.effects), (found) => {
    const segment = segmentReader()(found.segments[0]!)
    const note = (from: number, bytes: number): void => {
      for (let at = from; at < from + bytes; at++) headerBytes.add(at)
    }
    walkFrames(segment, segment.end, ({ offset, records }) => {
      note(offset, FRAME_HEADER_BYTES)
      for (const { at } of records) note(at, RECORD_HEADER_BYTES)
    })
  })
})

function bytesOf(fs: CrashFs, path: string): Uint8Array {
  const file = fs.open(path, 'r')
  const bytes = new Uint8Array(file.size())
  file.read(bytes, 0)
  file.close()
  return bytes
}

/** What recovery makes of the log with some bytes replaced: `same`, `refused`, or what it read. */
function outcome(path: string, at: number, bytes: Uint8Array): string {
  const fs = healthy.afterCrash([])
  fs.tracks = false
  const file = fs.open(path, 'r+')
  file.writev([bytes], at)
  file.close()
  return read(fs)
}

function read(fs: CrashFs): string {
  try {
    const seen = recovered(fs, recoveredText)
    return seen === text ? 'same' : seen
  } catch (error) {
    if (isQuorateError(error, 'STORAGE_CORRUPT')) return 'refused'
    throw error
  }
}

function tally(outcomes: readonly string[]): { readonly same: number; readonly refused: number } {
  const wrong = outcomes.find((seen) => seen !== 'same' && seen !== 'refused')
  if (wrong !== undefined) throw new Error(`a silent change:\n${wrong.slice(0, 400)}`)
  const refused = outcomes.filter((seen) => seen === 'refused').length
  return { same: outcomes.length - refused, refused }
}

describe('a log of 64 KiB', () => {
  it('is read back whole when nothing is damaged', () => {
    expect(read(healthy.afterCrash([]))).toBe('same')
  })

  it('notices every flipped bit: of the header, of every frame, and of what follows', () => {
    const fs = healthy.afterCrash([])
    let flips = 0
    recovered(fs, (log) => {
      const segment = segmentReader()(log.segments[0]!)
      const { bytes, view, seed, end } = segment
      const frames: { offset: number; bytes: number }[] = []
      const walk = walkFrames(segment, end, ({ header, offset }) =>
        frames.push({ offset, bytes: header.bytes }),
      )
      const sound = (offset: number): boolean => {
        const header = readFrameHeader(view, bytes, offset, end, seed, offset)
        const records = header && readRecords(view, bytes, offset, end, seed, offset, header)
        return records?.every((record) => payloadIsSound(bytes, record)) ?? false
      }
      const flipAll = (from: number, to: number, goesUnseen: () => boolean): void => {
        for (let bit = from * 8; bit < to * 8; bit++) {
          const at = bit >>> 3
          bytes[at]! ^= 1 << (bit & 7)
          if (goesUnseen()) throw new Error(`bit ${bit & 7} of byte ${at} can flip unseen`)
          bytes[at]! ^= 1 << (bit & 7)
          flips++
        }
      }
      flipAll(0, SEGMENT_HEADER_BYTES, () => decodeSegmentHeader(bytes) !== undefined)
      for (const frame of frames)
        flipAll(frame.offset, frame.offset + frame.bytes, () => sound(frame.offset))
      flipAll(walk.offset, LOG_BYTES, () => judgeTail(segment, 0).clean)
    })
    expect(flips).toBe(LOG_BYTES * 8)
  })

  it('refuses to open, or loses nothing, whichever bit is flipped', { timeout: 600_000 }, () => {
    const bytes = bytesOf(healthy, LOG)
    const outcomes: string[] = []
    for (let at = 0; at < bytes.length; at++) {
      if (!ALL && at % 7 !== 0 && !headerBytes.has(at)) continue
      for (let count = 0; count < (ALL ? 8 : 1); count++) {
        const bit = ALL ? count : random.below(8)
        outcomes.push(outcome(LOG, at, Uint8Array.of(bytes[at]! ^ (1 << bit))))
      }
    }
    const { same, refused } = tally(outcomes)
    console.log(
      `${outcomes.length} starts with a bit flipped: ${refused} refused, ${same} lost nothing`,
    )
    expect(refused).toBeGreaterThan(same)
  })

  it('refuses to open, or loses nothing, when a sector is zeroed, swapped, repeated or stale', () => {
    const bytes = bytesOf(healthy, LOG)
    const stale = bytesOf(older, LOG)
    const outcomes: string[] = []
    for (let at = 0; at + 512 <= bytes.length; at += 512) {
      const sector = (from: Uint8Array, start: number) => from.slice(start, start + 512)
      const other = (at + 512 * (1 + random.below(126))) % bytes.length
      const swapped = new Uint8Array(bytes)
      swapped.set(sector(bytes, other), at)
      swapped.set(sector(bytes, at), other)
      outcomes.push(outcome(LOG, at, new Uint8Array(512)))
      outcomes.push(outcome(LOG, at, sector(bytes, other)))
      outcomes.push(outcome(LOG, at, sector(stale, at)))
      outcomes.push(outcome(LOG, 0, swapped))
    }
    expect(tally(outcomes).refused).toBeGreaterThan(outcomes.length / 2)
  })

  it('refuses to open, or loses nothing, when it is cut off', { timeout: 600_000 }, () => {
    const outcomes: string[] = []
    for (let size = 0; size < LOG_BYTES; size += ALL ? 1 : 61) {
      const fs = healthy.afterCrash([])
      const file = fs.open(LOG, 'r+')
      file.truncate(size)
      file.close()
      outcomes.push(read(fs))
    }
    expect(tally(outcomes).refused).toBeGreaterThan(outcomes.length * 0.9)
  })

  it('refuses to open when a segment, the meta file or the whole log is gone', () => {
    for (const path of [LOG, '/data/meta', '/data/log']) {
      const fs = healthy.afterCrash([])
      if (path === '/data/log') fs.rename(path, '/data/gone')
      else fs.rename(path, `${path}.gone`)
      expect(read(fs)).toBe('refused')
    }
  })

  it('does without one slot of the meta file, whichever bit of it is flipped', () => {
    const bytes = bytesOf(healthy, '/data/meta')
    const outcomes: string[] = []
    for (let at = 0; at < bytes.length; at += ALL ? 1 : 5) {
      for (let count = 0; count < (ALL ? 8 : 1); count++) {
        const bit = ALL ? count : random.below(8)
        outcomes.push(outcome('/data/meta', at, Uint8Array.of(bytes[at]! ^ (1 << bit))))
      }
    }
    expect(tally(outcomes).refused).toBe(0)
  })

  it('survives the loss of either slot of the meta file, and refuses without both', () => {
    expect(outcome('/data/meta', 0, new Uint8Array(4096))).toBe('same')
    expect(outcome('/data/meta', 4096, new Uint8Array(4096))).toBe('same')
    expect(outcome('/data/meta', 0, new Uint8Array(8192))).toBe('refused')
  })

  it('takes the second copy of a hard state that is damaged', () => {
    const seen: string[] = []
    recovered(healthy.afterCrash([]), ({ segments }) => {
      const segment = segmentReader()(segments[0]!)
      walkFrames(segment, segment.end, ({ records }) => {
        const record = records.find(({ type }) => type === TYPE_HARD_STATE)
        if (record !== undefined)
          seen.push(outcome(LOG, record.at + RECORD_HEADER_BYTES, Uint8Array.of(0xee)))
      })
    })
    expect(seen.length).toBeGreaterThan(10)
    expect(new Set(seen)).toEqual(new Set(['same']))
  })
})

describe('a log whose process has ended', () => {
  it('is refused where its last segment is missing', async () => {
    const fs = crashFs()
    const storage = storageOver(fs, createRandom(3))
    await storage.open(contextWith(new HandClock()))
    const log = storage.group('g', { name: 'test', format: 1 })
    for (let seq = 1; seq <= 40; seq++) {
      const payload = new Uint8Array(1000).fill(seq)
      await log.write({ seq, append: [{ index: seq, epoch: 1, kind: 'command', payload }] })
    }
    const ended = fs.afterCrash(fs.effects)
    const names = ended.readdir('/data/log').filter((name) => name.endsWith('.seg'))
    // The second file has not been written since the start: only the seal says that more followed.
    ended.unlink(`/data/log/${names.sort().at(-1)}`)
    expect(() => recovered(ended, recoveredText)).toThrow(/the segment that follows is missing/)
  })

  it('takes a later frame for evidence, where nothing else says what was durable', async () => {
    const fs = crashFs()
    const storage = storageOver(fs, createRandom(3), { segmentBytes: LOG_BYTES })
    await storage.open(contextWith(new HandClock()))
    const log = storage.group('g', { name: 'test', format: 1 })
    for (let seq = 1; seq <= 30; seq++) {
      const payload = new Uint8Array(100).fill(seq)
      await log.write({ seq, append: [{ index: seq, epoch: 1, kind: 'command', payload }] })
    }
    const ended = fs.afterCrash(fs.effects)
    const offsets: number[] = []
    recovered(ended.afterCrash([]), ({ segments }) => {
      // Recovery has moved the last frame, which nothing proves; here it counts where it was.
      const segment = segmentReader()({ ...segments[0]!, end: undefined })
      walkFrames(segment, segment.end, ({ offset }) => offsets.push(offset))
    })
    const outcomes = offsets.map((offset) => {
      const hurt = ended.afterCrash([])
      const file = hurt.open(LOG, 'r+')
      // A whole frame of zeros, as a lost sector leaves it.
      file.writev([new Uint8Array(160)], offset)
      file.close()
      try {
        return recovered(hurt, ({ groups }) => [...groups.byNumber.values()][0]?.last ?? 0)
      } catch (error) {
        if (isQuorateError(error, 'STORAGE_CORRUPT')) return 'refused'
        throw error
      }
    })
    // Only the last frame has nothing after it that says that it was durable.
    expect(outcomes.slice(0, -1)).toEqual(outcomes.slice(1).map(() => 'refused'))
    expect(outcomes.at(-1)).toBe(29)
  })
})
