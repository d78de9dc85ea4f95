// Exactly once: whatever is repeated, delayed or reordered by a network, across snapshots and the
// forgetting of sessions, a command changes the state at most once.
import { equalBytes } from '@quorate/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { kvLimits } from '../../src/limits.ts'
import { decodeResult } from '../../src/machine/result.ts'
import { sessionTable } from '../../src/machine/sessions.ts'
import { shardMachine } from '../../src/machine/shard-machine.ts'
import { Log, add, bytes, inChunks, put, read, snapshotBytes } from '../support/machine.ts'

const counter = (log: Log): string => {
  const [found] = log.query({ type: 'get', keys: [bytes('n')] }).found
  return new TextDecoder().decode(found?.value)
}

describe('sessions', () => {
  test('a repeated command gives the first answer and changes nothing', () => {
    const log = new Log()
    const session = log.open()
    const command = log.command(session, 1, [add('n', 5)])
    const first = log.raw(command)
    expect(equalBytes(log.raw(command), first)).toBe(true)
    expect(counter(log)).toBe('5')
  })

  test('two sessions may use the same numbers', () => {
    const log = new Log()
    const [one, two] = [log.open(), log.open()]
    log.run(one, 1, [add('n', 1)])
    log.run(two, 1, [add('n', 10)])
    expect(counter(log)).toBe('11')
  })

  test('a comparison is judged when applied, once, and its answer is kept', () => {
    const log = new Log()
    const session = log.open()
    const absent = { on: 'version', key: bytes('k'), relation: '=', version: 0 } as const
    const command = log.command(session, 1, [put('k', 'mine')], { comparisons: [absent] })
    expect(decodeResult(log.raw(command))).toMatchObject({ succeeded: true })
    log.run(session, 2, [put('k', 'other')], { floor: 1 })
    expect(decodeResult(log.raw(command))).toMatchObject({ succeeded: true })
    expect(log.all().map(({ value }) => new TextDecoder().decode(value))).toEqual(['other'])
  })

  test('answers survive a snapshot', async () => {
    const log = new Log()
    const session = log.open()
    const command = log.command(session, 1, [add('n', 5)])
    const first = log.raw(command)
    const image = await snapshotBytes(log.machine)
    log.machine = shardMachine({ shard: 0 })
    await log.machine.restore(inChunks(image, 64))
    expect(equalBytes(log.raw(command), first)).toBe(true)
    expect(counter(log)).toBe('5')
  })

  test('a forgotten session is told so and never starts anew', () => {
    const log = new Log()
    const session = log.open()
    const command = log.command(session, 1, [add('n', 5)])
    log.raw(command)
    log.tick(log.timeMs + kvLimits.sessionTtlMs + 1)
    expect(decodeResult(log.raw(command))).toMatchObject({ ok: false, code: 'SESSION_EXPIRED' })
    expect(log.run(session, 2, [add('n', 1)])).toMatchObject({ code: 'SESSION_EXPIRED' })
    expect(log.run(999, 1, [add('n', 1)])).toMatchObject({ code: 'SESSION_EXPIRED' })
    expect(counter(log)).toBe('5')
  })

  test('a session lives as long as it is used', () => {
    const log = new Log()
    const session = log.open()
    for (let seq = 1; seq < 5; seq++) {
      log.timeMs += kvLimits.sessionTtlMs
      expect(log.run(session, seq, [add('n', 1)])).toMatchObject({ ok: true })
    }
  })

  test('the session unused for longest goes first', () => {
    const log = new Log()
    const sessions = Array.from({ length: kvLimits.sessionsMax }, () => log.open())
    log.run(sessions[0] as number, 1, [add('n', 1)])
    log.open()
    expect(log.run(sessions[0] as number, 2, [add('n', 1)])).toMatchObject({ ok: true })
    expect(log.run(sessions[1] as number, 1, [add('n', 1)])).toMatchObject({
      code: 'SESSION_EXPIRED',
    })
    expect(log.machine.info().sessions).toBe(kvLimits.sessionsMax)
  })

  test('a command below the floor is refused', () => {
    const log = new Log()
    const session = log.open()
    const late = log.command(session, 1, [add('n', 100)])
    log.run(session, 3, [add('n', 1)], { floor: 2 })
    expect(decodeResult(log.raw(late))).toMatchObject({ code: 'SESSION_EXPIRED' })
    expect(log.run(session, 2, [add('n', 1)], { floor: 2 })).toMatchObject({ ok: true })
    expect(counter(log)).toBe('2')
  })

  test('a command beyond the window is refused and may come again', () => {
    const log = new Log()
    const session = log.open()
    const far = kvLimits.sessionWindowMax + 1
    expect(log.run(session, far, [add('n', 1)], { floor: 1 })).toMatchObject({ code: 'CONFLICT' })
    expect(log.run(session, far, [add('n', 1)], { floor: 2 })).toMatchObject({ ok: true })
  })

  test('answers of one session are bounded in bytes', () => {
    const log = new Log()
    const session = log.open()
    log.run(session, 1, [put('big', 'x'.repeat(900_000))])
    let refused: string | undefined
    for (let seq = 2; seq < 10; seq++) {
      const result = log.run(session, seq, [read('big')], { floor: 1 })
      if (!result.ok) refused ??= `${result.code} at ${seq}`
    }
    expect(refused).toBe('CONFLICT at 7')
    expect(log.run(session, 10, [read('big')], { floor: 10 })).toMatchObject({ ok: true })
  })

  test('one session that answers too much does not grow the shard beyond its limit', () => {
    const table = sessionTable()
    for (let id = 1; id <= 20; id++) table.open(id, 0)
    for (let id = 1; id <= 20; id++) {
      table.admit(id, 1, 1, 0)
      table.record(id, 1, new Uint8Array(4_194_304))
    }
    expect(table.bytes).toBeLessThanOrEqual(kvLimits.sessionsBytesMax)
    expect(table.size).toBe(16)
  })

  test('a wrong epoch is refused, not kept, and the same command may come again', () => {
    const log = new Log()
    const session = log.open()
    log.epoch = 2
    expect(log.run(session, 1, [add('n', 1)])).toMatchObject({ code: 'EPOCH_MISMATCH', epoch: 1 })
    log.epoch = 1
    expect(log.run(session, 1, [add('n', 1)])).toMatchObject({ ok: true })
    expect(counter(log)).toBe('1')
  })

  test('time is that of the log: it never goes back, and two replicas agree on who expired', () => {
    const log = new Log()
    const session = log.open()
    log.tick(log.timeMs + kvLimits.sessionTtlMs)
    log.timeMs = 0
    expect(log.run(session, 1, [add('n', 1)])).toMatchObject({ ok: true })
    expect(log.machine.info().timeMs).toBe(1_000 + kvLimits.sessionTtlMs)
  })

  test('whatever is repeated and reordered, each command counts once', async () => {
    const commands = fc.array(
      fc.record({ session: fc.nat({ max: 2 }), by: fc.integer({ min: 1, max: 1_000 }) }),
      { minLength: 1, maxLength: 40 },
    )
    const deliveries = fc.array(fc.nat({ max: 1_000 }), { maxLength: 120 })
    await fc.assert(
      fc.asyncProperty(commands, deliveries, fc.nat(), async (all, order, cut) => {
        const log = new Log()
        const sessions = [log.open(), log.open(), log.open()]
        const counts = [0, 0, 0]
        const payloads = all.map(({ session, by }) => {
          const seq = ++(counts as [number, number, number])[session as 0]
          return log.command(sessions[session] as number, seq, [add('n', by)], { floor: 1 })
        })
        const applied = new Set<number>()
        const answers = new Map<number, Uint8Array>()
        for (const [at, pick] of order.entries()) {
          const which = pick % payloads.length
          const answer = log.raw(payloads[which] as Uint8Array)
          expect(equalBytes(answer, answers.get(which) ?? answer)).toBe(true)
          answers.set(which, answer)
          applied.add(which)
          if (at === cut % Math.max(1, order.length)) {
            const image = await snapshotBytes(log.machine)
            log.machine = shardMachine({ shard: 0 })
            await log.machine.restore(inChunks(image, 1_000))
          }
        }
        const sum = [...applied].reduce((total, at) => total + (all[at]?.by ?? 0), 0)
        expect(counter(log)).toBe(applied.size === 0 ? '' : `${sum}`)
      }),
      { numRuns: 150 },
    )
  })
})
