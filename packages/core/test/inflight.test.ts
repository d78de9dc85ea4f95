// The window of messages under way, against a model that is too simple to be wrong.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { inflight } from '../src/algorithm/index.ts'

test('the window of messages under way counts what is in it', () => {
  const act = fc.oneof(
    fc.record({ do: fc.constant('add' as const), entries: fc.nat(3), bytes: fc.nat(100) }),
    fc.record({ do: fc.constant('acknowledge' as const), back: fc.nat(10) }),
    fc.record({ do: fc.constant('reset' as const) }),
  )
  fc.assert(
    fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
      const window = inflight()
      let model: { last: number; bytes: number }[] = []
      let last = 0
      for (const each of acts) {
        if (each.do === 'add') {
          last += each.entries
          window.add(last, each.bytes)
          model.push({ last, bytes: each.bytes })
        } else if (each.do === 'acknowledge') {
          window.acknowledge(last - each.back)
          model = model.filter((message) => message.last > last - each.back)
        } else {
          window.reset()
          model = []
        }
        expect(window.count).toBe(model.length)
        expect(window.bytes).toBe(model.reduce((sum, { bytes }) => sum + bytes, 0))
        expect(window.clone().bytes).toBe(window.bytes)
      }
    }),
  )
})
