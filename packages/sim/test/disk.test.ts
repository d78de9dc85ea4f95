// The simulated disk: what a crash may leave, what a failed sync must end, and how a full disk refuses.
import { describe, expect, it } from 'vitest'
import type { Entry, LogStorage, WriteBatch } from '@quorate/core'
import { createRandom, isQuorateError, membershipOf } from '@quorate/core'
import { SimDisk } from '../src/run/disk.ts'
import { calmDisk } from '../src/run/options.ts'
import { SimStorage } from '../src/run/storage.ts'
import { Timeline } from '../src/run/timeline.ts'
import { createTurn } from '../src/run/turn.ts'

const algorithm = { name: 'toy', format: 1 }
const silent = { persisting: () => {}, persisted: () => {} }

function entry(index: number): Entry {
  return { index, epoch: 1, kind: 'command', payload: Uint8Array.of(index) }
}

function batch(seq: number): WriteBatch {
  return { seq, append: [entry(seq)], hardState: Uint8Array.of(seq) }
}

class Machine {
  readonly disk: SimDisk
  readonly timeline: Timeline
  storage: SimStorage
  log: LogStorage
  over = false

  constructor(timeline: Timeline, seed = 1) {
    this.timeline = timeline
    this.disk = new SimDisk('a', createRandom(seed), calmDisk, silent)
    this.storage = new SimStorage(timeline, this.scope(), this.disk)
    this.log = this.storage.group('g', algorithm)
  }

  scope(): { readonly over: boolean; enter(run: () => void): void } {
    const state = { over: false, enter: (run: () => void) => void (state.over || run()) }
    return state
  }

  outcome(promise: Promise<unknown>): { value: string } {
    const seen = { value: 'open' }
    promise.then(
      () => (seen.value = 'done'),
      (error: unknown) => (seen.value = isQuorateError(error) ? error.code : String(error)),
    )
    return seen
  }

  restart(): void {
    this.storage = new SimStorage(this.timeline, this.scope(), this.disk)
    this.log = this.storage.group('g', algorithm)
  }
}

async function machine(seed?: number): Promise<Machine> {
  return new Machine(new Timeline(await createTurn()), seed)
}

describe('a simulated disk', () => {
  it('makes batches durable in order, several at once', async () => {
    const it = await machine()
    const seen = [1, 2, 3].map((seq) => it.outcome(it.log.write(batch(seq))))
    expect(it.disk.groups.get('g')?.image.lastIndex).toBe(0)
    const read = it.log.read({ first: 1, last: 3, bytesMax: 100 })
    await it.timeline.run(100)
    expect(seen.map(({ value }) => value)).toEqual(['done', 'done', 'done'])
    expect((await read).map(({ index }) => index)).toEqual([1, 2, 3])
    expect(it.disk.groups.get('g')?.image.lastIndex).toBe(3)
  })

  it('keeps a prefix of what was under way when the process dies, of any length', async () => {
    const kept = new Set<number>()
    for (let seed = 1; seed <= 40; seed++) {
      const it = await machine(seed)
      const first = it.outcome(it.log.write(batch(1)))
      await it.timeline.run(100)
      expect(first.value).toBe('done')
      const under = [2, 3, 4].map((seq) => it.outcome(it.log.write(batch(seq))))
      it.storage.crash(true)
      await it.timeline.run(200)
      expect(under.map(({ value }) => value)).toEqual(['open', 'open', 'open'])
      kept.add(it.disk.groups.get('g')?.image.lastIndex ?? 0)
    }
    // Only the first of them had reached the device: the others were still waiting in the process.
    expect(kept).toEqual(new Set([1, 2]))
  })

  it('fails every write after a failed sync, until it is opened again', async () => {
    const it = await machine()
    it.disk.failing = true
    const one = it.outcome(it.log.write(batch(1)))
    await it.timeline.run(100)
    const two = it.outcome(it.log.write(batch(2)))
    await it.timeline.run(200)
    expect([one.value, two.value]).toEqual(['STORAGE_FAILED', 'STORAGE_FAILED'])
    it.storage.crash(false)
    it.restart()
    const state = it.log.load()
    await it.timeline.run(300)
    const { lastIndex } = await state
    const next = it.outcome(it.log.write(batch(lastIndex + 1)))
    await it.timeline.run(400)
    expect(next.value).toBe('done')
  })

  it('refuses while it is full, and then takes the refused batch first', async () => {
    const it = await machine()
    it.disk.full = true
    expect(it.storage.spaceLow).toBe(true)
    const refused = [1, 2].map((seq) => it.outcome(it.log.write(batch(seq))))
    await it.timeline.run(100)
    expect(refused.map(({ value }) => value)).toEqual(['NO_SPACE', 'NO_SPACE'])
    it.disk.full = false
    const wrong = it.outcome(it.log.write(batch(2)))
    const right = [1, 2].map((seq) => it.outcome(it.log.write(batch(seq))))
    await it.timeline.run(200)
    expect(wrong.value).toBe('NO_SPACE')
    expect(right.map(({ value }) => value)).toEqual(['done', 'done'])
  })

  it('reports what has rotted, and reads up to it', async () => {
    const it = await machine(5)
    for (const seq of [1, 2, 3, 4, 5]) it.outcome(it.log.write(batch(seq)))
    await it.timeline.run(100)
    expect(it.disk.rot('g', 1)).toBe(1)
    const [range] = it.disk.groups.get('g')?.image.faulty ?? []
    const at = range?.first ?? 0
    const bad = it.outcome(it.log.read({ first: at, last: 5, bytesMax: 100 }))
    it.restart()
    const loaded = it.log.load()
    await it.timeline.run(200)
    expect(bad.value).toBe('STORAGE_CORRUPT')
    const { faulty, tail } = await loaded
    expect(faulty).toEqual([{ first: at, last: at }])
    expect(tail.every(({ index }) => index > at)).toBe(true)
  })

  it('opens a group for its own algorithm alone', async () => {
    const it = await machine()
    expect(() => it.storage.group('g', { name: 'other', format: 1 })).toThrow('belongs to toy')
  })

  it('keeps snapshots with their content, and refuses another content', async () => {
    const it = await machine()
    const position = { index: 1, epoch: 1, membership: membershipOf({ voters: ['a'] }) }
    const writer = await it.log.snapshotWriter(position)
    const written = writer.write(Uint8Array.of(1, 2, 3)).then(() => writer.finish())
    await it.timeline.run(100)
    const meta = await written
    const chunks: Uint8Array[] = []
    const reading = (async () => {
      for await (const chunk of it.log.readSnapshot(meta.id, { offset: 1 })) chunks.push(chunk)
    })()
    await it.timeline.run(200)
    await reading
    expect(chunks).toEqual([Uint8Array.of(2, 3)])
    const liar = await it.log.snapshotWriter({ ...meta, id: 'other', checksum: 1 })
    const lie = it.outcome(liar.write(Uint8Array.of(1, 2, 3)).then(() => liar.finish()))
    await it.timeline.run(300)
    expect(lie.value).toBe('STORAGE_CORRUPT')
  })
})
