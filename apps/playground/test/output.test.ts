// What people and scripts see: exit codes by error, text that cannot forge a line, aligned tables,
// and progress that keeps quiet where nobody watches.
import { describe, expect, it } from 'vitest'
import { QuorateError } from '@quorate/core'
import { stopInTurn } from '../src/cluster/local-cluster.ts'
import { parsePeers } from '../src/commands/node.ts'
import { CommandEnd, exitCodes, exitOf, exitOfCode } from '../src/output/exit-codes.ts'
import { createLogger } from '../src/output/log.ts'
import { createProgress } from '../src/output/progress.ts'
import { bytesAsJson, counted, printable, shown, table } from '../src/output/report.ts'

describe('exit codes', () => {
  it('are distinct', () => {
    const numbers = Object.values(exitCodes).map(([code]) => code)
    expect(new Set(numbers).size).toBe(numbers.length)
  })
  it.each([
    [new CommandEnd('notFound'), 3],
    [new QuorateError('CONFLICT', ''), 4],
    [new QuorateError('OUTCOME_UNKNOWN', ''), 5],
    [new QuorateError('TIMEOUT', ''), 6],
    [new QuorateError('UNAVAILABLE', ''), 6],
    [new QuorateError('PORT_IN_USE', ''), 8],
    [new QuorateError('STORAGE_ALGORITHM_MISMATCH', ''), 8],
    [new QuorateError('STORAGE_CORRUPT', ''), 9],
    [new Error('bug'), 1],
  ])('%s ends with %i', (error, code) => expect(exitCodes[exitOf(error)][0]).toBe(code))
  it.each([
    [8, 'config'],
    [74, 'disk'],
    [0, 'failed'],
    [77, 'failed'],
    [null, 'failed'],
  ])('of another process, %s is passed on as %s', (code, exit) =>
    expect(exitOfCode(code)).toBe(exit),
  )
})

describe('hosts that are stopped', () => {
  it('leave one after the other, and none waits for one that hangs', async () => {
    const order: string[] = []
    let release = (): void => {}
    const hangs = new Promise<void>((resolve) => (release = resolve))
    const host = (name: string, until: Promise<void>) => async (): Promise<void> => {
      order.push(`${name} begins`)
      await until
      order.push(`${name} ends`)
    }
    const now = Promise.resolve()
    const all = stopInTurn([host('a', now), host('b', hangs), host('c', now)], 5)
    while (!order.includes('c ends')) await new Promise((resolve) => setImmediate(resolve))
    expect(order).toEqual(['a begins', 'a ends', 'b begins', 'c begins', 'c ends'])
    release()
    await all
    expect(order.at(-1)).toBe('b ends')
  })
})

describe('output', () => {
  it('shows bytes as text where they are text', () => {
    expect(bytesAsJson(Buffer.from('zażółć'))).toBe('zażółć')
    expect(bytesAsJson(Uint8Array.of(0xff, 0))).toEqual({ base64: '/wA=' })
  })
  it.each([
    ['plain', 'plain'],
    ['{"name":"Łódź","at":"C:\\dir"}', '{"name":"Łódź","at":"C:\\dir"}'],
    ['', ''],
    ['two\nlines', '"two\\nlines"'],
    ['a\tb', '"a\\tb"'],
    ['"quoted"', '"\\"quoted\\""'],
    ['{"base64":"/w=="}', '"{\\"base64\\":\\"/w==\\"}"'],
    ['\u009b2J\u202e\u007f', '"\\u009b2J\\u202e\\u007f"'],
  ])('shows %j on one line as %s, and nothing else so', (text, line) => {
    expect(shown(Buffer.from(text))).toBe(line)
    expect(line.startsWith('"') ? (JSON.parse(line) as string) : line).toBe(text)
  })
  it('shows what is no text by its bytes', () => {
    expect(shown(Uint8Array.of(0xff))).toBe('{"base64":"/w=="}')
  })
  it('cannot be moved or split by what it prints', () => {
    expect(printable('a\nerror: fake\u001b[2J\u202egnp\0')).toBe(
      'a error: fake\\u001b[2J\\u202egnp\\u0000',
    )
  })
  it('counts one thing as one', () => {
    expect([0, 1, 2].map((count) => counted(count, 'key'))).toEqual(['0 keys', '1 key', '2 keys'])
  })
  it('aligns columns', () => {
    expect(
      table([
        ['a', 'bb', 'c'],
        ['aaa', 'b', ''],
      ]),
    ).toBe('a    bb  c\naaa  b')
  })
  it('logs one line of JSON, with errors by code and long texts cut', () => {
    const lines: string[] = []
    const logger = createLogger('info', { host: 'a' }, (line) => void lines.push(line))
    logger.debug({}, 'not this')
    logger.warn(
      { error: new QuorateError('TIMEOUT', 'late\n[FATAL] fake'), long: 'x'.repeat(999) },
      'waited',
    )
    expect(lines).toHaveLength(1)
    expect(lines[0]?.match(/\n/g)).toHaveLength(1)
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      level: 'warn',
      host: 'a',
      message: 'waited',
      error: { code: 'TIMEOUT' },
      long: `${'x'.repeat(256)}…`,
    })
  })
})

describe('progress', () => {
  const watch = (isTTY: boolean, enabled = true) => {
    const written: string[] = []
    let now = 0
    const progress = createProgress(
      enabled,
      { isTTY, write: (text: string) => written.push(text) },
      () => now,
    )
    return { written, progress, at: (ms: number) => void (now = ms) }
  }
  it('is drawn at most ten times a second on a terminal, and removed', () => {
    const { written, progress, at } = watch(true)
    for (let ms = 0; ms <= 1_000; ms += 10) {
      at(ms)
      progress.update(() => `at ${ms}`)
    }
    progress.end()
    expect(written).toHaveLength(11)
    expect(written.at(-1)).toBe('\r\u001b[K')
  })
  it('is a line every five seconds elsewhere, and nothing where disabled', () => {
    const { written, progress, at } = watch(false)
    const silent = watch(false, false)
    for (let ms = 0; ms <= 11_000; ms += 100) {
      at(ms)
      silent.at(ms)
      progress.update(() => `at ${ms}`)
      silent.progress.update(() => 'no')
    }
    progress.end()
    expect(written).toEqual(['at 5000\n', 'at 10000\n'])
    expect(silent.written).toEqual([])
  })
})

describe('--peers', () => {
  it('names hosts and addresses', () => {
    expect(parsePeers('b=ws://127.0.0.1:1, c=wss://h:2/x?y=1')).toEqual({
      b: 'ws://127.0.0.1:1',
      c: 'wss://h:2/x?y=1',
    })
    expect(parsePeers('')).toEqual({})
  })
  it.each(['b', 'b=', 'b=http://x', '=ws://x', 'b=ws://x,b=ws://y', '../b=ws://x'])(
    'refuses %j',
    (text) => {
      expect(() => parsePeers(text)).toThrow(/peers/)
    },
  )
})
