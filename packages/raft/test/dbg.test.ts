import { test } from 'vitest'
import { chaos } from './chaos.ts'
test('stats', () => {
  const marks = new Map<string, number>()
  const tracer = { enabled: false, event() {}, mark(n: string) { marks.set(n, (marks.get(n) ?? 0) + 1) } }
  let len = 0, epoch = 0
  for (let seed = 1000; seed < 1060; seed++) for (const changes of [true,false]) {
    const g = chaos({ seed, steps: 1500, changes, tracer }); len += g.history.length
    epoch += Math.max(...g.ids.map((id) => g.replica(id).running.status().epoch))
  }
  console.log(len / 120, epoch / 120, marks)
})
