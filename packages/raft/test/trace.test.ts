// The trace: one line of JSON for each event, the same from the same run.
import { expect, test } from 'vitest'
import { ndjsonTracer } from '../src/trace.ts'
import { elect, groupOf, put } from './scenarios.ts'

function traced(marks: boolean): string[] {
  const lines: string[] = []
  const group = groupOf(
    { tracer: ndjsonTracer((line) => lines.push(line), { marks }) },
    { voters: ['a', 'b', 'c'] },
  )
  elect(group, 'a')
  put(group, 'a', 'x')
  group.transfer('a', 'b')
  group.stabilize()
  return lines
}

test('is the same for the same run, line by line, in a stable form', () => {
  const lines = traced(false)
  expect(lines).toEqual(traced(false))
  expect(lines.slice(0, 4)).toEqual([
    '{"v":1,"n":1,"event":"become-pre-candidate","id":"a","term":0}',
    '{"v":1,"n":2,"event":"become-candidate","id":"a","term":1,"transfer":false}',
    '{"v":1,"n":3,"event":"become-follower","id":"b","term":1,"leader":null}',
    '{"v":1,"n":4,"event":"grant-vote","id":"b","term":1,"to":"a"}',
  ])
  expect(lines.at(-1)).toContain('"event":"commit"')
})

test('holds coverage marks where asked for', () => {
  expect(traced(false).some((line) => line.includes('"event":"mark"'))).toBe(false)
  expect(traced(true).some((line) => line.includes('"event":"mark"'))).toBe(true)
})
