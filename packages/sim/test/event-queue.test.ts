// The queue of events: by time, then by arrival, whatever the order of pushing and cancelling.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EventQueue } from '../src/run/event-queue.ts'

describe('the queue of events', () => {
  it('gives events in order of time and arrival, without the cancelled', () => {
    const pushes = fc.array(fc.record({ at: fc.nat(50), cancelled: fc.boolean() }), {
      maxLength: 200,
    })
    fc.assert(
      fc.property(pushes, (wanted) => {
        const queue = new EventQueue()
        const taken: number[] = []
        wanted.forEach(({ at, cancelled }, order) => {
          const event = queue.push(at, () => taken.push(order))
          if (cancelled) event.run = undefined
        })
        const expected = wanted
          .map(({ at, cancelled }, order) => ({ at, cancelled, order }))
          .filter(({ cancelled }) => !cancelled)
          .sort((a, b) => a.at - b.at || a.order - b.order)
          .map(({ order }) => order)
        for (let event = queue.pop(); event !== undefined; event = queue.pop()) event.run?.()
        expect(taken).toEqual(expected)
        expect(queue.nextAt()).toBe(Number.POSITIVE_INFINITY)
      }),
    )
  })
})
