// A host's clock: its own rate, timers that never fire early, and nothing while it is paused.
import { describe, expect, it } from 'vitest'
import { HostOscillator, hostClock } from '../src/run/host-clock.ts'
import type { HostScope } from '../src/run/host-clock.ts'
import { Timeline } from '../src/run/timeline.ts'
import { createTurn } from '../src/run/turn.ts'

describe("a host's clock", () => {
  it('runs at its own rate, across changes of it', async () => {
    const timeline = new Timeline(await createTurn())
    const oscillator = new HostOscillator(timeline, 1_000, 0)
    const clock = hostClock(timeline, oscillator, { over: false, enter: (run) => run() })
    oscillator.setRate(2)
    await timeline.run(100)
    expect(clock.now()).toBe(1_200)
    oscillator.setRate(0.5)
    await timeline.run(200)
    expect(clock.now()).toBe(1_250)
    const before = clock.wallNow()
    oscillator.jump(-5_000)
    expect(clock.wallNow() - before).toBe(-5_000)
    expect(clock.now()).toBe(1_250)
  })

  it('fires a timer not before its time, also when it was slowed meanwhile', async () => {
    const timeline = new Timeline(await createTurn())
    const oscillator = new HostOscillator(timeline, 0, 0)
    const clock = hostClock(timeline, oscillator, { over: false, enter: (run) => run() })
    const fired: number[] = []
    clock.setTimer(100, () => fired.push(timeline.nowMs))
    const cancelled = clock.setTimer(50, () => fired.push(-1))
    cancelled.cancel()
    await timeline.run(50)
    oscillator.setRate(0.5)
    await timeline.run(120)
    expect(fired).toEqual([])
    await timeline.run(200)
    expect(fired).toEqual([150])
  })

  it('runs what was deferred at the end of the turn, and nothing of a process that is over', async () => {
    const timeline = new Timeline(await createTurn())
    const scope = { over: false, enter: (run: () => void) => void (scope.over || run()) }
    const clock = hostClock(timeline, new HostOscillator(timeline, 0, 0), scope satisfies HostScope)
    const order: string[] = []
    await timeline.settle(() => {
      clock.defer(() => order.push('deferred'))
      void Promise.resolve().then(() => order.push('promise'))
      order.push('now')
    })
    expect(order).toEqual(['now', 'promise', 'deferred'])
    clock.setTimer(1, () => order.push('late'))
    scope.over = true
    await timeline.run(10)
    expect(order).toHaveLength(3)
  })
})
