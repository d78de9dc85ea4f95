// The memberships of a log, against a list of them that is too simple to be wrong.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { DurableState, Entry, LogIndex, Membership } from '@quorate/core'
import { AssertionError, membershipOf } from '@quorate/core'
import type { Config } from '../src/algorithm/index.ts'
import { configHistory, membershipPayload } from '../src/algorithm/index.ts'

/** The membership that the entry at an index brings. */
function membersAt(index: LogIndex): Membership {
  return membershipOf({ voters: ['a', `b${index}`], learners: ['c'] }, index + 1)
}

function entryAt(index: LogIndex): Entry {
  return { index, epoch: 1, kind: 'membership', payload: membershipPayload(membersAt(index)) }
}

function recovered(parts: Partial<DurableState>): DurableState {
  return {
    hardState: undefined,
    snapshot: undefined,
    firstIndex: 1,
    lastIndex: 0,
    epochs: [{ from: 0, epoch: 0 }],
    tail: [],
    membershipEntries: [],
    faulty: [],
    ...parts,
  }
}

describe('the memberships of a log', () => {
  test('are those that were appended and not cut off, compacted away or replaced', () => {
    const act = fc.oneof(
      fc.record({ do: fc.constant('append' as const), by: fc.integer({ min: 1, max: 3 }) }),
      fc.record({ do: fc.constant('truncate' as const), by: fc.nat(8) }),
      fc.record({ do: fc.constant('compact' as const), by: fc.nat(8) }),
      fc.record({ do: fc.constant('restore' as const), by: fc.nat(3) }),
    )
    fc.assert(
      fc.property(fc.array(act, { maxLength: 40 }), (acts) => {
        const history = configHistory(recovered({}), membersAt(0), 0)
        let model: Config[] = [{ index: 0, membership: membersAt(0) }]
        const cut: [boolean, boolean][] = []
        const last = (): Config => model[model.length - 1] as Config
        for (const each of acts) {
          if (each.do === 'append') {
            const index = last().index + each.by
            history.append(entryAt(index))
            model.push({ index, membership: membersAt(index) })
          } else if (each.do === 'truncate') {
            const from = Math.max((model[0] as Config).index + 1, last().index + 1 - each.by)
            const kept = model.filter(({ index }) => index < from)
            cut.push([history.truncateFrom(from), kept.length < model.length])
            model = kept
          } else if (each.do === 'compact') {
            const index = Math.max((model[0] as Config).index, last().index + 2 - each.by)
            const base = model.filter((config) => config.index <= index).pop() as Config
            history.compactTo(index)
            model = [{ ...base, index }, ...model.filter((config) => config.index > index)]
          } else {
            const index = last().index + each.by
            history.restore(index, membersAt(index))
            model = [{ index, membership: membersAt(index) }]
          }
          for (const [told, is] of cut) expect(told).toBe(is)
          for (const seen of [history, history.clone()]) {
            expect(seen.firstIndex).toBe(model[0]?.index)
            expect(seen.lastIndex).toBe(last().index)
            expect(seen.last).toEqual(last().membership)
            for (let index = seen.firstIndex; index <= seen.lastIndex + 1; index++) {
              expect(seen.at(index)).toEqual(model.filter((one) => one.index <= index).pop())
            }
          }
        }
      }),
    )
  })

  test('are recovered from the snapshot on, up to where the log ends', () => {
    const membershipEntries = [1, 2, 4, 6].map(entryAt)
    const position = { index: 2, epoch: 1, membership: membersAt(2) }
    const snapshot = { ...position, id: 's', sizeBytes: 0, checksum: 0 }
    const state = recovered({ snapshot, membershipEntries, lastIndex: 6 })
    const whole = configHistory(state, membersAt(0), 6)
    expect([whole.firstIndex, whole.at(3).index, whole.lastIndex]).toEqual([2, 2, 6])
    expect(whole.last).toEqual(membersAt(6))
    expect(configHistory(state, undefined, 5).lastIndex).toBe(4)
    const without = recovered({ membershipEntries, lastIndex: 6 })
    expect(configHistory(without, membersAt(0), 6).at(0).membership).toEqual(membersAt(0))
    expect(configHistory(without, undefined, 0).last).toEqual({
      version: 0,
      voters: [],
      learners: [],
      witnesses: [],
      outgoing: [],
      learnersNext: [],
    })
  })

  test('follow each other', () => {
    const history = configHistory(recovered({}), membersAt(0), 0)
    history.append(entryAt(3))
    expect(() => history.append(entryAt(3))).toThrow(AssertionError)
  })

  test('are copied: what becomes of the copy leaves the original as it is', () => {
    const history = configHistory(recovered({ membershipEntries: [entryAt(1)] }), membersAt(0), 1)
    const copy = history.clone()
    copy.append(entryAt(2))
    expect(history.lastIndex).toBe(1)
    history.truncateFrom(1)
    expect(copy.at(1).index).toBe(1)
  })
})
