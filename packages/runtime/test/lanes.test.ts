// The lanes of one replica, where simulated faults once found them wrong.
import { describe, expect, it } from 'vitest'
import type { Clock, Entry, SnapshotMeta, StateMachine, WriteBatch } from '@quorate/core'
import { QuorateError, membershipOf } from '@quorate/core'
import { ApplyLane } from '../src/apply-lane.ts'
import { wrapCommand } from '../src/envelope.ts'
import { StorageLane } from '../src/storage-lane.ts'
import { manualClock } from './fixtures/manual-clock.ts'
import { silentMeters } from './fixtures/meters.ts'

async function settle(): Promise<void> {
  for (let hop = 0; hop < 20; hop++) await Promise.resolve()
}

describe('the storage lane', () => {
  it('writes again only what a full disk refused, not what is still under way', async () => {
    const attempts: { readonly seq: number; resolve(): void; reject(error: unknown): void }[] = []
    const timers: (() => void)[] = []
    const clock = {
      setTimer: (_ms: number, run: () => void) => (timers.push(run), { cancel: () => {} }),
    }
    const durable: number[] = []
    const lane = new StorageLane(
      {
        write: ({ seq }: WriteBatch) =>
          new Promise((resolve, reject) => void attempts.push({ seq, resolve, reject })),
      },
      clock as unknown as Clock,
      { onDurable: (seq) => void durable.push(seq), onFull: () => {}, onFailed: () => {} },
    )
    for (const seq of [1, 2, 3]) lane.write({ seq, append: [] })
    const full = new QuorateError('NO_SPACE', 'full')
    attempts[1]?.reject(full)
    attempts[2]?.reject(full)
    await settle()
    expect(timers).toHaveLength(1)
    timers[0]?.()
    expect(attempts.map(({ seq }) => seq)).toEqual([1, 2, 3, 2, 3])
    for (const at of [0, 3, 4]) attempts[at]?.resolve()
    await settle()
    expect(durable.at(-1)).toBe(3)
  })
})

describe('the apply lane', () => {
  it('goes on with the newer snapshot where the older is gone from storage', async () => {
    const restored: string[] = []
    const failures: unknown[] = []
    const installed: number[] = []
    const jobs: string[] = []
    const stateMachine: StateMachine = {
      apply: () => [],
      query: (query) => query,
      snapshot: () => [],
      async restore(chunks) {
        for await (const chunk of chunks) restored.push(String(chunk[0]))
      },
    }
    const lane = new ApplyLane(context(), stateMachine, 0, {
      onResult: () => {},
      onApplied: () => {},
      onInstalled: ({ index }) => void installed.push(index),
      onFailed: (error) => void failures.push(error),
    })
    const noop = (index: number): Entry => ({
      index,
      epoch: 1,
      kind: 'noop',
      payload: new Uint8Array(0),
    })
    lane.install(snapshot(10), 1, () => gone())
    lane.apply([noop(11), noop(12)])
    lane.run(() => void jobs.push('ran'))
    lane.install(snapshot(20), 2, () => one(20))
    lane.apply([noop(21)])
    lane.durable(2)
    await settle()
    expect(failures).toEqual([])
    expect(restored).toEqual(['20'])
    expect(installed).toEqual([20])
    expect(jobs).toEqual(['ran'])
    expect(lane.appliedIndex).toBe(21)
  })

  it('runs a job that waits ahead of a restore after it: the core stands at the snapshot already', async () => {
    const order: string[] = []
    let finish: () => void = () => {}
    const stateMachine: StateMachine = {
      apply: (commands) =>
        new Promise((resolve) => {
          order.push('apply')
          finish = () => resolve(commands.map(({ payload }) => payload))
        }),
      query: (query) => query,
      snapshot: () => [],
      restore: async () => void order.push('restore'),
    }
    const lane = new ApplyLane(context(), stateMachine, 0, {
      onResult: () => {},
      onApplied: () => void order.push('applied'),
      onInstalled: () => void order.push('installed'),
      onFailed: () => void order.push('failed'),
    })
    const payload = wrapCommand({ high: 1, low: 2 }, 1, new Uint8Array(1))
    lane.apply([{ index: 1, epoch: 1, kind: 'command', payload }])
    lane.run(() => void order.push('job'))
    lane.install(snapshot(10), 1, () => one(10))
    lane.durable(1)
    finish()
    await settle()
    expect(order).toEqual(['apply', 'applied', 'restore', 'installed', 'job'])
  })

  it('stops where a snapshot that nothing replaces cannot be read', async () => {
    const failures: QuorateError[] = []
    const stateMachine: StateMachine = {
      apply: () => [],
      query: (query) => query,
      snapshot: () => [],
      async restore(chunks) {
        for await (const _chunk of chunks);
      },
    }
    const lane = new ApplyLane(context(), stateMachine, 0, {
      onResult: () => {},
      onApplied: () => {},
      onInstalled: () => {},
      onFailed: (error) => void failures.push(error),
    })
    lane.install(snapshot(10), 1, () => gone())
    lane.durable(1)
    await settle()
    expect(failures.map(({ code }) => code)).toEqual(['SNAPSHOT_UNAVAILABLE'])
  })
})

function context(clock = manualClock()) {
  return { clock, meters: silentMeters() }
}

function snapshot(index: number): SnapshotMeta {
  const membership = membershipOf({ voters: ['a'] })
  return { index, epoch: 1, membership, id: `s${index}`, sizeBytes: 1, checksum: 0 }
}

async function* one(byte: number): AsyncIterable<Uint8Array> {
  yield Uint8Array.of(byte)
}

// eslint-disable-next-line require-yield
async function* gone(): AsyncIterable<Uint8Array> {
  throw new QuorateError('SNAPSHOT_UNAVAILABLE', 'replaced')
}
