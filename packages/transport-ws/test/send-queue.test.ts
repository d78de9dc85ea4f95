// The queue of one connection by itself: its bound, its two lanes, and what it takes at a time.
import { describe, expect, test } from 'vitest'
import { readFrames } from '../src/batch.ts'
import { SendQueue } from '../src/send-queue.ts'

const frames = (message: Uint8Array, before = 0, after = 0): number[] =>
  readFrames(message, before, message.length - after, 1_000_000).map((frame) => frame.length)

describe('a queue of 10,000 bytes', () => {
  test('refuses the frame that does not fit, and keeps what it has', () => {
    const queue = new SendQueue(10_000)
    expect(queue.offer(new Uint8Array(6_000), 'fast')).toBe(true)
    expect(queue.offer(new Uint8Array(4_000), 'fast')).toBe(false)
    expect(queue.offer(new Uint8Array(3_000), 'fast')).toBe(true)
    expect(queue.bytes).toBe(9_000)
    expect(frames(queue.take('fast', 100_000, 0, 0))).toEqual([6_000, 3_000])
    expect(queue.offer(new Uint8Array(9_000), 'fast')).toBe(true)
  })

  test('takes one frame of any size where it is empty', () => {
    const queue = new SendQueue(10_000)
    expect(queue.offer(new Uint8Array(50_000), 'fast')).toBe(true)
    expect(queue.offer(new Uint8Array(0), 'fast')).toBe(false)
  })

  test('writes over all the memory that it is given for a message', () => {
    const filled = (bytes: number): Uint8Array<ArrayBuffer> => new Uint8Array(bytes).fill(255)
    const queue = new SendQueue(10_000, filled)
    for (const bytes of [0, 1, 127, 128, 3_000]) queue.offer(new Uint8Array(bytes), 'fast')
    const message = queue.take('fast', 100_000, 2, 3)
    expect(frames(message, 2, 3)).toEqual([0, 1, 127, 128, 3_000])
    const stale = message.subarray(2, -3).filter((byte) => byte === 255)
    expect([...stale]).toEqual([])
    expect([...message.subarray(0, 2), ...message.subarray(-3)]).toEqual([255, 255, 255, 255, 255])
  })

  test('counts empty frames too', () => {
    const queue = new SendQueue(10_000)
    let taken = 0
    while (queue.offer(new Uint8Array(0), 'fast')) taken++
    expect(taken).toBeLessThan(200)
    expect(taken).toBeGreaterThan(100)
  })

  test('keeps half of its room from the bulk lane', () => {
    const queue = new SendQueue(10_000)
    let bulk = 0
    while (queue.offer(new Uint8Array(1_000), 'bulk')) bulk++
    expect(bulk).toBe(5)
    expect(queue.offer(new Uint8Array(4_000), 'fast')).toBe(true)
    expect([queue.waits('bulk'), queue.waits('fast')]).toEqual([true, true])
  })
})

test('a message holds fast frames up to its size, or one bulk frame, between two margins', () => {
  const queue = new SendQueue(1_000_000)
  for (let count = 0; count < 10; count++) queue.offer(new Uint8Array(100), 'fast')
  for (let count = 0; count < 2; count++) queue.offer(new Uint8Array(300), 'bulk')
  const first = queue.take('fast', 505, 3, 4)
  expect(first.length).toBe(3 + 5 * 101 + 4)
  expect(frames(first, 3, 4)).toEqual([100, 100, 100, 100, 100])
  // A frame over the size travels alone.
  expect(frames(queue.take('fast', 50, 0, 0))).toEqual([100])
  expect(frames(queue.take('bulk', 100_000, 0, 0))).toEqual([300])
  expect(frames(queue.take('fast', 100_000, 0, 0))).toEqual([100, 100, 100, 100])
  expect([queue.waits('fast'), queue.waits('bulk'), queue.bytes]).toEqual([false, true, 300])
})

test('order holds over many more frames than it compacts at', () => {
  const queue = new SendQueue(100_000_000)
  let next = 0
  let seen = 0
  for (let round = 0; round < 40; round++) {
    for (let count = 0; count < 1_000; count++) {
      queue.offer(Uint8Array.of(next & 0xff, (next++ >> 8) & 0xff), 'fast')
    }
    const message = queue.take('fast', 2_000, 0, 0)
    for (const frame of readFrames(message, 0, message.length, 10)) {
      expect(frame[0]! | (frame[1]! << 8)).toBe(seen++ & 0xffff)
    }
  }
  while (queue.waits('fast')) {
    const message = queue.take('fast', 100_000, 0, 0)
    for (const frame of readFrames(message, 0, message.length, 10)) {
      expect(frame[0]! | (frame[1]! << 8)).toBe(seen++ & 0xffff)
    }
  }
  expect(seen).toBe(40_000)
})
