// The epochs of a log in runs, also of one whose beginning went with its segments.
import { expect, it } from 'vitest'
import { EpochRuns } from '../src/epoch-runs.ts'

it('keep their order where a log is cut before the first entry that is known', () => {
  // Entry 13 is the first that the segments still tell of; then the log was cut at 11.
  const runs = new EpochRuns(12, 0)
  runs.push(13, 3)
  runs.truncate(11)
  runs.push(11, 5)
  // A state record tells where the log begins, and copies of entries fill what is between.
  runs.extendFront(4, 2)
  for (let index = 5; index <= 10; index++) runs.put(index, index < 6 ? 2 : 4)
  expect(runs.from(4)).toEqual([
    { from: 4, epoch: 2 },
    { from: 6, epoch: 4 },
    { from: 11, epoch: 5 },
  ])
})
