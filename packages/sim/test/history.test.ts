// The past of a group: each promise by itself, kept and broken.
import { describe, expect, it } from 'vitest'
import type { Entry, SnapshotMeta } from '@quorate/core'
import { encode, encodeUtf8, membershipCodec, membershipOf } from '@quorate/core'
import { History, defaultPromises } from '../src/model/history.ts'
import type { LogImage } from '../src/model/log-image.ts'
import { emptyImage } from '../src/model/log-image.ts'

const three = membershipOf({ voters: ['a', 'b', 'c'] })

function command(index: number, epoch: number, text = `${index}`): Entry {
  return { index, epoch, kind: 'command', payload: encodeUtf8(text) }
}

function image(...entries: readonly Entry[]): LogImage {
  return { ...emptyImage, entries }
}

function past(...entries: readonly Entry[]): History {
  const history = new History(three, defaultPromises)
  for (const entry of entries) history.applied('a', entry, entry.epoch)
  return history
}

describe('the past of a group', () => {
  it('is one sequence', () => {
    const history = past(command(1, 1), command(2, 1))
    history.applied('b', command(1, 1), 1)
    expect(() => history.applied('b', command(2, 1, 'x'), 1)).toThrow('state-machine-safety')
    expect(() => history.applied('b', command(2, 2), 2)).toThrow('state-machine-safety')
    expect(() => history.applied('b', command(4, 2), 2)).toThrow('apply-order')
    expect(history.length).toBe(2)
  })

  it('may name other epochs where an algorithm says so', () => {
    const history = new History(three, { ...defaultPromises, epochsAgree: false })
    history.applied('a', command(1, 1), 1)
    history.applied('b', command(1, 2), 2)
    expect(() => history.applied('c', command(1, 2, 'x'), 2)).toThrow('state-machine-safety')
  })

  it('has one leader in each epoch', () => {
    const history = past()
    history.led('a', 1, image())
    history.led('a', 1, image())
    history.led('b', 2, image())
    expect(() => history.led('c', 2, image())).toThrow('election-safety: b and c lead epoch 2')
  })

  it('is complete at each later leader', () => {
    const history = past(command(1, 1), command(2, 2))
    history.led('a', 2, image(command(1, 1)))
    history.led('b', 3, image(command(1, 1), command(2, 2)))
    expect(() => history.led('c', 4, image(command(1, 1)))).toThrow('leader-completeness')
    expect(() => history.led('c', 5, image(command(1, 1), command(2, 3)))).toThrow(
      'without command 2/2',
    )
  })

  it('is durable at a quorum, of both halves while members change', () => {
    const entry = command(1, 1)
    const history = past(entry)
    const on = (...ids: readonly string[]): ReadonlyMap<string, LogImage> =>
      new Map(ids.map((id) => [id, image(entry)]))
    history.checkDurable(entry, on('a', 'b'), () => [])
    expect(() => history.checkDurable(entry, on('a', 'd'), () => [])).toThrow(
      '1 durable'.replace('1', '2'),
    )
    history.checkDurable(entry, on('d'), () => [membershipOf({ voters: ['d'] })])
    const joint = { ...membershipOf({ voters: ['a', 'b', 'd'] }, 2), outgoing: ['a', 'b', 'c'] }
    const change: Entry = {
      index: 2,
      epoch: 1,
      kind: 'membership',
      payload: encode(membershipCodec, joint),
    }
    history.applied('a', change, 1)
    expect(history.membershipAt(1)).toEqual(three)
    expect(history.membershipAt(2)).toEqual(joint)
    const next = command(3, 1)
    const all = (...ids: readonly string[]): ReadonlyMap<string, LogImage> =>
      new Map(ids.map((id) => [id, image(entry, change, next)]))
    history.applied('a', next, 1)
    history.checkDurable(next, all('a', 'b'), () => [])
    expect(() => history.checkDurable(next, all('a', 'd'), () => [])).toThrow('commit-durable')
  })

  it('stays on the disks that had it', () => {
    const history = past(command(1, 1), command(2, 1))
    const before = image(command(1, 1), command(2, 1), command(3, 1))
    history.checkKept('a', before, image(command(1, 1), command(2, 1)), 3, 1)
    history.checkKept('a', image(command(1, 1), command(2, 0, 'x')), image(command(1, 1)), 2, 1)
    for (const epoch of [1, 2]) {
      const cut = (): void => history.checkKept('a', before, image(command(1, 1)), 2, epoch)
      expect(cut).toThrow('commit-kept')
    }
  })

  it('is kept by those that committed it, and by nobody who had not heard of that', () => {
    const history = past(command(1, 1))
    // A leader of epoch 4 has an entry of epoch 2 committed, by others than this replica, which a
    // message of epoch 3's leader reaches late.
    history.applied('b', command(2, 2), 4)
    const before = image(command(1, 1), command(2, 2))
    history.checkKept('a', before, image(command(1, 1), command(2, 3)), 2, 3)
    const cut = (): void =>
      history.checkKept('a', before, image(command(1, 1), command(2, 3)), 2, 4)
    expect(cut).toThrow('commit-kept')
  })

  it('agrees below every entry that two logs share', () => {
    const history = past()
    const check = (a: LogImage, b: LogImage) => () => history.checkMatching(a, b, 'a', 'b')
    expect(
      check(image(command(1, 1), command(2, 2)), image(command(1, 1), command(2, 3))),
    ).not.toThrow()
    expect(
      check(image(command(1, 1, 'x'), command(2, 2)), image(command(1, 1), command(2, 3))),
    ).toThrow('log-matching')
    expect(check(image(command(1, 1), command(2, 2)), image(command(1, 2), command(2, 2)))).toThrow(
      'log-matching',
    )
  })

  it('is what a snapshot contains', () => {
    const history = past(command(1, 1))
    const meta: SnapshotMeta = {
      index: 1,
      epoch: 1,
      membership: three,
      id: 's',
      sizeBytes: 1,
      checksum: history.contentAt(1).low,
    }
    history.installed('b', meta)
    expect(() => history.installed('b', { ...meta, checksum: 1 })).toThrow('snapshot-content')
    expect(() => history.installed('b', { ...meta, index: 2 })).toThrow('snapshot-content')
  })

  it('has a fingerprint of all of it', () => {
    const one = past(command(1, 1))
    const copy = one.clone()
    expect(copy.fingerprint()).toEqual(one.fingerprint())
    copy.led('a', 2, image(command(1, 1)))
    expect(copy.fingerprint()).not.toEqual(one.fingerprint())
    expect(past(command(1, 2)).contentAt(1)).toEqual(one.contentAt(1))
    expect(past(command(1, 2)).fingerprint()).not.toEqual(one.fingerprint())
  })
})
