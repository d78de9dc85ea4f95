// The small pieces that everybody leans on: errors, ids, limits, lifecycle, emitters, entries.
import { describe, expect, it, vi } from 'vitest'
import type { Entry, Limits, Logger } from '@quorate/core'
import {
  abortError,
  assert,
  AssertionError,
  assertNever,
  checkId,
  closeAll,
  createEmitter,
  decode,
  defaultLimits,
  defined,
  encode,
  entryCodec,
  entryKindOf,
  isId,
  isQuorateError,
  noEffects,
  QuorateError,
  resolveLimits,
  snapshotId,
  snapshotMetaCodec,
  systemClock,
  membershipOf,
  silentLogger,
} from '@quorate/core'

describe('QuorateError', () => {
  it('carries a code, a cause and whether a retry can help', () => {
    const cause = new Error('disk')
    const error = new QuorateError('NOT_LEADER', 'not here', { cause, details: { leader: 'b' } })
    expect(error).toMatchObject({
      name: 'QuorateError',
      code: 'NOT_LEADER',
      retryable: true,
      cause,
      details: { leader: 'b' },
    })
    expect(new QuorateError('OUTCOME_UNKNOWN', 'late').retryable).toBe(false)
    expect(new QuorateError('LIMIT_EXCEEDED', 'full', { retryable: true }).retryable).toBe(true)
  })

  it('is recognised by its brand, not by its class', () => {
    const error = new QuorateError('CLOSED', 'closed')
    expect(isQuorateError(error)).toBe(true)
    expect(isQuorateError(error, 'CLOSED')).toBe(true)
    expect(isQuorateError(error, 'TIMEOUT')).toBe(false)
    expect(isQuorateError(new Error('closed'))).toBe(false)
    expect(
      isQuorateError(
        Object.defineProperty({ code: 'CLOSED' }, Symbol.for('@quorate/error'), { value: true }),
      ),
    ).toBe(true)
    for (const value of [undefined, null, 'CLOSED', 5]) expect(isQuorateError(value)).toBe(false)
  })

  it("of an abort keeps the signal's reason", () => {
    const signal = AbortSignal.abort('enough')
    expect(abortError(signal, 'the read')).toMatchObject({
      code: 'ABORTED',
      cause: 'enough',
      message: 'the read was aborted',
    })
  })
})

describe('assertions', () => {
  it('throw what nobody should catch', () => {
    expect(() => assert(false, () => 'why')).toThrow(AssertionError)
    expect(() => defined(undefined, 'nothing there')).toThrow('nothing there')
    expect(defined(0, 'zero is something')).toBe(0)
    expect(() => assertNever('x' as never, 'impossible')).toThrow('impossible: x')
    expect(isQuorateError(new AssertionError('x'))).toBe(false)
  })
})

describe('ids', () => {
  it.each(['a', 'A-1_b', 'x'.repeat(64), '__proto__', 'constructor'])('accept %s', (id) =>
    expect(checkId(id, 'an id')).toBe(id),
  )
  it.each(['', 'x'.repeat(65), 'a/b', '..', 'a b', 'ä', 'a\n', 'a\0', 'a.b', 'a:b'])(
    'refuse %j',
    (id) => {
      expect(isId(id)).toBe(false)
      expect(() => checkId(id, 'an id')).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
      )
    },
  )
  it('refuse what is not text', () => {
    for (const value of [undefined, null, 5, {}, ['a']])
      expect(() => checkId(value, 'an id')).toThrow(/an id must be/)
  })
})

describe('limits', () => {
  it('replace some and keep the rest', () => {
    expect(resolveLimits({ commandBytesMax: 10 })).toEqual({
      ...defaultLimits,
      commandBytesMax: 10,
    })
    const absent = { commandBytesMax: undefined } as unknown as Partial<Limits>
    expect(resolveLimits(absent)).toEqual(defaultLimits)
  })
  it.each([
    ['an unknown one', { commandByteMax: 5 }],
    ['zero', { commandBytesMax: 0 }],
    ['a fraction', { pendingCallsMax: 1.5 }],
    ['a command that no frame could carry', { commandBytesMax: 2 ** 24 }],
  ])('refuse %s', (_, overrides) => {
    expect(() => resolveLimits(overrides as Partial<Limits>)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTIONS' }),
    )
  })
})

describe('closeAll', () => {
  const closer = (name: string, order: string[], error?: Error) => ({
    close: async () => {
      order.push(name)
      if (error) throw error
    },
  })
  it('closes the last first, each even where another fails', async () => {
    const order: string[] = []
    const failure = new Error('b')
    await expect(
      closeAll([closer('a', order), closer('b', order, failure), closer('c', order)]),
    ).rejects.toBe(failure)
    expect(order).toEqual(['c', 'b', 'a'])
  })
  it('gathers several failures', async () => {
    const order: string[] = []
    await expect(
      closeAll([closer('a', order, new Error('1')), closer('b', order, new Error('2'))]),
    ).rejects.toMatchObject({
      errors: [new Error('2'), new Error('1')],
    })
  })
})

describe('createEmitter', () => {
  it('tells listeners in order, survives one that throws, and removes by subscription', () => {
    const errors: unknown[] = []
    const logger: Logger = { ...silentLogger, error: (fields) => void errors.push(fields['error']) }
    const emitter = createEmitter<{ tick: number }>(logger)
    const seen: string[] = []
    const listener = (value: number): void => void seen.push(`x${value}`)
    const off = emitter.on('tick', listener)
    emitter.on('tick', () => {
      throw new Error('listener')
    })
    emitter.on('tick', listener)
    emitter.emit('tick', 1)
    off()
    off()
    emitter.emit('tick', 2)
    expect(seen).toEqual(['x1', 'x1', 'x2'])
    expect(errors).toHaveLength(2)
    expect(emitter.count()).toBe(2)
    emitter.clear()
    expect(emitter.count()).toBe(0)
  })
})

describe('codecs of entries and snapshots', () => {
  const entry: Entry = {
    index: 2 ** 40,
    epoch: 7,
    kind: 'membership',
    payload: Uint8Array.of(1, 2, 3),
  }
  it('hold entries of every kind', () => {
    for (const kind of ['command', 'noop', 'membership'] as const) {
      expect(decode(entryCodec, encode(entryCodec, { ...entry, kind }))).toEqual({ ...entry, kind })
    }
    expect(() => entryKindOf(3)).toThrow(expect.objectContaining({ code: 'MALFORMED' }))
  })
  it('refuse bytes after the value', () => {
    const bytes = Uint8Array.of(...encode(entryCodec, entry), 0)
    expect(() => decode(entryCodec, bytes)).toThrow(expect.objectContaining({ code: 'MALFORMED' }))
  })
  it("hold a snapshot's description", () => {
    const meta = {
      id: snapshotId(9, 2, 300, 0xffffffff),
      index: 9,
      epoch: 2,
      sizeBytes: 300,
      checksum: 0xffffffff,
      membership: membershipOf({ voters: ['a'] }),
    }
    expect(isId(meta.id)).toBe(true)
    expect(decode(snapshotMetaCodec, encode(snapshotMetaCodec, meta))).toEqual(meta)
  })
})

describe('noEffects', () => {
  it('cannot be changed by whoever is given it', () => {
    expect(Object.isFrozen(noEffects)).toBe(true)
    expect(() => (noEffects.send as unknown[]).push(1)).toThrow(TypeError)
  })
})

describe('systemClock', () => {
  it('runs timers, cancels them, and defers without time passing', async () => {
    vi.useFakeTimers({
      toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'performance', 'Date'],
    })
    try {
      const clock = systemClock()
      const ran: string[] = []
      clock.setTimer(50, () => ran.push('timer'))
      clock.setTimer(-5, () => ran.push('at once'))
      clock.setTimer(10, () => ran.push('cancelled')).cancel()
      clock.defer(() => ran.push('deferred'))
      expect(ran).toEqual([])
      const before = clock.now()
      await vi.advanceTimersByTimeAsync(50)
      expect(ran).toEqual(['deferred', 'at once', 'timer'])
      expect(clock.now() - before).toBe(50)
      expect(clock.wallNow()).toBe(Date.now())
    } finally {
      vi.useRealTimers()
    }
  })

  it('waits as long as it is told to, also for longer than the platform can', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      const ran: string[] = []
      const { setTimer } = systemClock()
      const month = 30 * 24 * 3_600_000
      setTimer(month, () => ran.push('a month'))
      setTimer(2 ** 31 - 1, () => ran.push('25 days'))
      const never = setTimer(Number.POSITIVE_INFINITY, () => ran.push('never'))
      await vi.advanceTimersByTimeAsync(2 ** 31 - 2)
      expect(ran).toEqual([])
      await vi.advanceTimersByTimeAsync(month - 2 ** 31 + 1)
      expect(ran).toEqual(['25 days'])
      await vi.advanceTimersByTimeAsync(1)
      expect(ran).toEqual(['25 days', 'a month'])
      await vi.advanceTimersByTimeAsync(3 * month)
      expect(ran).toHaveLength(2)
      never.cancel()
      expect(vi.getTimerCount()).toBe(0)
    } finally {
      vi.useRealTimers()
    }
  })
})
