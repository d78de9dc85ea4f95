// The synchronous cluster: a group of cores does its work in it, and what goes wrong is noticed.
import { describe, expect, it } from 'vitest'
import { encodeUtf8 } from '@quorate/core'
import { CoreCluster } from '../src/index.ts'
import type { ToyMessage } from './fixtures/toy.ts'
import { toy } from './fixtures/toy.ts'

function cluster(size = 3): CoreCluster<ToyMessage> {
  const voters = Array.from({ length: size }, (_, at) => String(at + 1))
  return new CoreCluster({ consensus: toy(), members: { voters } })
}

describe('a cluster of cores', () => {
  it('elects, replicates and applies', () => {
    const group = cluster()
    expect(group.campaign('1')).toBe(true)
    group.stabilize()
    expect(group.leader()).toBe('1')
    const call = group.propose('1', encodeUtf8('a'))
    group.stabilize()
    expect(group.calls.get(call)).toMatchObject({ state: 'done', index: 2 })
    expect(group.ids.map((id) => group.replica(id).appliedIndex)).toEqual([2, 2, 2])
  })

  it('loses what is not durable in a crash, and keeps what is', () => {
    const group = cluster()
    group.campaign('1')
    group.stabilize()
    const call = group.propose('1', encodeUtf8('a'))
    group.crash('1')
    expect(group.calls.get(call).state).toBe('lost')
    group.restart('1')
    expect(group.replica('1').running.status()).toMatchObject({ lastIndex: 1, epoch: 1 })
  })

  it('keeps messages from crossing a partition, one way or both', () => {
    const group = cluster()
    group.partition(['1'], ['2', '3'])
    group.campaign('1')
    group.stabilize()
    expect(group.leader()).toBeUndefined()
    group.campaign('2')
    group.stabilize()
    expect(group.leader()).toBe('2')
    group.heal()
    group.cut('2', '1')
    group.propose('2', encodeUtf8('a'))
    group.stabilize()
    expect(group.ids.map((id) => group.replica(id).appliedIndex)).toEqual([0, 2, 2])
  })

  it('passes reads that a round confirms', () => {
    const group = cluster()
    group.campaign('1')
    group.stabilize()
    const read = group.read('1')
    expect(group.calls.get(read).state).toBe('open')
    group.stabilize()
    expect(group.calls.get(read)).toMatchObject({ state: 'done', index: 1 })
    expect(group.calls.get(group.read('2')).rejected).toBe('NOT_LEADER')
  })

  it('brings a replica back by a snapshot', () => {
    const group = cluster()
    group.campaign('1')
    group.stabilize()
    group.crash('3')
    for (const text of ['a', 'b', 'c']) group.propose('1', encodeUtf8(text))
    group.stabilize(['1', '2'])
    group.snapshot('1')
    group.stabilize(['1', '2'])
    for (const late of group.matching({ to: '3' })) group.drop(late)
    group.restart('3')
    group.advance(60)
    group.stabilize()
    expect(group.replica('3').durable.snapshot?.index).toBe(4)
    expect(group.replica('3').appliedIndex).toBe(4)
  })

  it('elects again and again as time passes', () => {
    const group = cluster(5)
    for (let round = 0; round < 20; round++) {
      const leader = group.leader()
      if (leader !== undefined) group.crash(leader)
      for (let count = 0; count < 100 && group.leader() === undefined; count++) {
        group.advance(20)
        group.stabilize()
      }
      group.propose(group.leader() as string, encodeUtf8(`round ${round}`))
      group.stabilize()
      if (leader !== undefined) group.restart(leader)
    }
    expect(group.history.length).toBe(40)
  })
})
