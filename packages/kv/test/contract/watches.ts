// Watches: every change once, each shard's in order, resumable, and honest where it cannot be.
import { describe, expect, test } from 'vitest'
import { jsonCodec } from '../../src/index.ts'
import type { KvEvent, KvOperations, WatchOptions, WatchToken } from '../../src/index.ts'
import type { ContractContext } from './context.ts'

/** A watch that a case reads event by event. */
class Watching {
  readonly started: Promise<WatchToken>
  readonly events: KvEvent[] = []
  readonly #stop = new AbortController()
  readonly #reading: Promise<void>
  #wake = (): void => {}

  constructor(store: Pick<KvOperations, 'watch'>, options: WatchOptions) {
    let onStart = (_token: WatchToken): void => {}
    this.started = new Promise((resolve) => (onStart = resolve))
    this.#reading = (async () => {
      const watch = store.watch({ ...options, signal: this.#stop.signal, onStart })
      for await (const event of watch) {
        this.events.push(event)
        this.#wake()
      }
    })()
  }

  async until(enough: (events: readonly KvEvent[]) => boolean): Promise<readonly KvEvent[]> {
    while (!enough(this.events)) await new Promise<void>((resolve) => (this.#wake = resolve))
    return this.events
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#reading
  }
}

const shown = ({ type, value, version }: KvEvent): [string, string | undefined, number] => [
  type,
  value && new TextDecoder().decode(value),
  version,
]

/** Registers the cases. */
export function watches({ store, other, prefix }: ContractContext): void {
  describe('watches', () => {
    test('show puts and deletes as they happen', async () => {
      const key = `${prefix()}k`
      const watching = new Watching(store(), { prefix: key })
      await watching.started
      const first = await other().put(key, '1')
      await other().delete(key)
      const second = await other().put(key, '2')
      const events = await watching.until(({ length }) => length === 3)
      await watching.stop()
      expect(events.map(shown)).toEqual([
        ['put', '1', first.version],
        ['delete', undefined, expect.any(Number)],
        ['put', '2', second.version],
      ])
      expect(events.every((event) => event.keyText() === key)).toBe(true)
    })

    test('show nothing of before, and nothing of other prefixes', async () => {
      const at = prefix()
      await store().put(`${at}a/1`, 'before')
      const watching = new Watching(store(), { prefix: `${at}a/` })
      await watching.started
      await store().put(`${at}b/1`, 'other')
      await store().put(`${at}a/2`, 'seen')
      const events = await watching.until(({ length }) => length === 1)
      await watching.stop()
      expect(events.map((event) => event.keyText())).toEqual([`${at}a/2`])
    })

    test('show nothing for what changes nothing', async () => {
      const key = `${prefix()}k`
      const watching = new Watching(store(), { prefix: key })
      await watching.started
      await store().delete(key)
      await store().compareAndSet(key, { version: 9 }, 'v')
      await store().transact({
        do: [
          { type: 'put', key, value: 'x' },
          { type: 'delete', key },
        ],
      })
      await store().put(key, 'end')
      const events = await watching.until(({ length }) => length === 1)
      await watching.stop()
      expect(events.map((event) => event.type)).toEqual(['put'])
    })

    test('show a transaction together, with a token at its end', async () => {
      const at = prefix()
      const watching = new Watching(store(), { prefix: at })
      await watching.started
      const keys = ['a', 'b', 'c'].map((name) => `${at}{t}${name}`)
      const { version } = await other().transact({
        do: keys.map((key) => ({ type: 'put', key, value: 'v' })),
      })
      const events = await watching.until(({ length }) => length === 3)
      await watching.stop()
      expect(events.map((event) => event.keyText())).toEqual(keys)
      expect(events.map((event) => event.version)).toEqual([version, version, version])
      expect(events.map((event) => event.token === undefined)).toEqual([true, true, false])
    })

    test('resume after any token without a gap or a repetition', async () => {
      const at = prefix()
      const full = new Watching(store(), { prefix: at })
      const begin = await full.started
      for (let n = 0; n < 30; n++) await store().put(`${at}${n}`, `${n}`)
      const events = [...(await full.until(({ length }) => length === 30))]
      await full.stop()
      for (const cut of [0, 1, 13, 29]) {
        const after = cut === 0 ? begin : (events[cut - 1]?.token as WatchToken)
        const resumed = new Watching(other(), { prefix: at, after })
        const rest = await resumed.until(({ length }) => length === 30 - cut)
        await resumed.stop()
        const seen = [...events.slice(0, cut), ...rest].map((event) => event.keyText())
        expect(seen.toSorted()).toEqual(events.map((event) => event.keyText()).toSorted())
      }
    })

    test('in order for each key while many write', async () => {
      const at = prefix()
      const watching = new Watching(other(), { prefix: at })
      await watching.started
      await Promise.all(
        Array.from({ length: 8 }, async (_, writer) => {
          for (let n = 1; n <= 25; n++) {
            await (writer % 2 === 0 ? store() : other()).put(`${at}${writer}`, `${n}`)
          }
        }),
      )
      const events = await watching.until(({ length }) => length === 200)
      await watching.stop()
      for (let writer = 0; writer < 8; writer++) {
        const own = events.filter((event) => event.keyText() === `${at}${writer}`)
        expect(own.map((event) => Number(shown(event)[1]))).toEqual(
          Array.from({ length: 25 }, (_, n) => n + 1),
        )
      }
    })

    test('show the expiry of a key', async () => {
      const key = `${prefix()}k`
      const watching = new Watching(store(), { prefix: key })
      await watching.started
      await store().put(key, 'short', { ttlMs: 20 })
      const events = await watching.until(({ length }) => length === 2)
      await watching.stop()
      expect(events.map((event) => event.type)).toEqual(['put', 'delete'])
    })

    test('of many see the same', async () => {
      const at = prefix()
      const all = Array.from(
        { length: 10 },
        (_, n) => new Watching(n % 2 ? store() : other(), { prefix: at }),
      )
      await Promise.all(all.map((watching) => watching.started))
      await store().put(`${at}k`, 'v')
      for (const watching of all) {
        const events = await watching.until(({ length }) => length === 1)
        expect(events[0]?.keyText()).toBe(`${at}k`)
        await watching.stop()
      }
    })

    test('with a codec show values of its type', async () => {
      const key = `${prefix()}k`
      const typed = store().withCodec(jsonCodec<{ n: number }>())
      const stop = new AbortController()
      const watch = typed.watch({
        prefix: key,
        signal: stop.signal,
        onStart: () => void typed.put(key, { n: 1 }),
      })
      for await (const event of watch) {
        expect(event.value).toEqual({ n: 1 })
        stop.abort()
      }
      expect(stop.signal.aborted).toBe(true)
    })

    test('end when their owner ends them, also by leaving the loop', async () => {
      const key = `${prefix()}k`
      let seen = 0
      for await (const event of store().watch({
        prefix: key,
        onStart: () => void store().put(key, 'v'),
      })) {
        expect(event.keyText()).toBe(key)
        seen++
        break
      }
      expect(seen).toBe(1)
      const idle = new Watching(store(), { prefix: key })
      await idle.started
      await idle.stop()
      expect(idle.events).toEqual([])
    })

    test.each(['', 'zz', '00', '01', '0102'])('refuse the token %j', async (after) => {
      const watch = store().watch({ after })[Symbol.asyncIterator]()
      await expect(watch.next()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    })
  })
}
