// What a replica remembers for watches: bounded, in whole commands, and honest about its beginning.
import { describe, expect, test } from 'vitest'
import { changeHistory } from '../src/machine/history.ts'
import type { Change } from '../src/machine/history.ts'
import { testCluster } from './support/cluster.ts'

const group = (revision: number, count = 1): Change[] =>
  Array.from({ length: count }, (_, at) => ({ revision, key: `k${at}`, value: new Uint8Array(10) }))

function revisions(history: ReturnType<typeof changeHistory>, after: number): number[] {
  const found: number[] = []
  history.read(after, (changes) => {
    for (const change of changes) found.push(change.revision)
    return true
  })
  return found
}

describe('history', () => {
  test('shows what came after a revision, once', () => {
    const history = changeHistory({ changesMax: 100, bytesMax: 100_000 })
    for (const revision of [2, 3, 7]) history.add(group(revision, 2))
    expect(revisions(history, 0)).toEqual([2, 2, 3, 3, 7, 7])
    expect(revisions(history, 2)).toEqual([3, 3, 7, 7])
    expect(revisions(history, 6)).toEqual([7, 7])
    expect(revisions(history, 7)).toEqual([])
    expect(revisions(history, 99)).toEqual([])
  })

  test('forgets the oldest commands, whole, and says from where it holds', () => {
    const history = changeHistory({ changesMax: 5, bytesMax: 100_000 })
    for (let revision = 1; revision <= 3; revision++) history.add(group(revision, 2))
    expect(history.compacted).toBe(1)
    expect(revisions(history, 1)).toEqual([2, 2, 3, 3])
    history.add(group(9, 6))
    expect(history.compacted).toBe(9)
    expect(revisions(history, 9)).toEqual([])
  })

  test('is bounded in bytes', () => {
    const history = changeHistory({ changesMax: 1_000_000, bytesMax: 1_000 })
    for (let revision = 1; revision <= 5_000; revision++) history.add(group(revision))
    expect(revisions(history, history.compacted).length).toBe(13)
  })

  test('begins anew at a snapshot', () => {
    const history = changeHistory({ changesMax: 5, bytesMax: 100_000 })
    history.add(group(1))
    history.reset(10)
    expect(history.compacted).toBe(10)
    expect(revisions(history, 0)).toEqual([])
    history.add(group(11))
    expect(revisions(history, 10)).toEqual([11])
  })

  test('a watch that resumes before it is told so, and one that resumes in it goes on', async () => {
    const cluster = await testCluster({ shards: 1, kv: { history: { changesMax: 10 } } })
    const kv = cluster.kv('a')
    const tokens: string[] = []
    const stop = new AbortController()
    const watch = kv.watch({ signal: stop.signal, onStart: (token) => tokens.push(token) })
    const reading = (async () => {
      for await (const event of watch) {
        if (event.token !== undefined) tokens.push(event.token)
        if (event.keyText() === 'k29') stop.abort()
      }
    })()
    while (tokens.length === 0) await new Promise((resolve) => setTimeout(resolve, 1))
    for (let n = 0; n < 30; n++) await kv.put(`k${n}`, 'v')
    await reading
    const early = kv.watch({ after: tokens[0] as string })[Symbol.asyncIterator]()
    await expect(early.next()).rejects.toMatchObject({ code: 'COMPACTED' })
    const late = kv.watch({ after: tokens[25] as string })[Symbol.asyncIterator]()
    const { value } = (await late.next()) as { value: { keyText(): string } }
    expect(value.keyText()).toBe('k25')
    await late.return?.()
    await cluster.close()
  })
})
