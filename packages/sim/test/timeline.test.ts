// Simulated time: what ends a run, and an account of a disk that can tell when the disk is wrong.
import { describe, expect, it } from 'vitest'
import type { WriteBatch } from '@quorate/core'
import { DiskImage } from '../src/run/disk-image.ts'
import { shadowOf } from '../src/run/shadow-log.ts'
import { Timeline } from '../src/run/timeline.ts'

const turn = async (): Promise<void> => {}

describe('a timeline', () => {
  it('ends when events cause ever more events', async () => {
    const timeline = new Timeline(turn)
    const again = (): void => void timeline.after(0.001, again)
    again()
    await timeline.run(1_000)
    expect(String(timeline.failure?.error)).toContain('storm')
    expect(timeline.nowMs).toBeLessThan(1_000)
  })

  it('lets a busy second pass', async () => {
    const timeline = new Timeline(turn)
    let count = 0
    const again = (): void => {
      count++
      timeline.after(0.1, again)
    }
    again()
    await timeline.run(2_000)
    expect(timeline.failure).toBeUndefined()
    expect(count).toBeGreaterThan(19_000)
  })
})

describe('the account of a disk', () => {
  const batch = (seq: number): WriteBatch => ({
    seq,
    append: [{ index: seq, epoch: 1, kind: 'command', payload: Uint8Array.of(seq) }],
  })
  const [one, two, three] = [batch(1), batch(2), batch(3)]

  function written(told: readonly WriteBatch[], underWay: readonly WriteBatch[]): DiskImage {
    const image = new DiskImage()
    const shadow = shadowOf(image)
    for (const each of [...told, ...underWay]) shadow.submitted(each)
    for (const each of told) shadow.acknowledged(each)
    return image
  }

  it.each([0, 1, 2])('takes what was told and %i of what was under way', (count) => {
    const image = written([one], [two, three])
    for (const each of [one, two, three].slice(0, 1 + count)) image.apply(each)
    expect(() => shadowOf(image).recovered('a', image)).not.toThrow()
  })

  it('misses what was told', () => {
    const image = written([one, two], [three])
    image.apply(one)
    expect(() => shadowOf(image).recovered('a', image)).toThrow('storage-durable: a was told')
  })

  it('notices a hard state that is older', () => {
    const image = written([{ ...one, hardState: Uint8Array.of(2) }], [])
    image.apply({ ...one, hardState: Uint8Array.of(1) })
    expect(() => shadowOf(image).recovered('a', image)).toThrow('storage-durable')
  })
})
