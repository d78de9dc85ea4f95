// The readers: what each form says, that nothing is half read, and that what we write we read.
import { describe, expect, it } from 'vitest'
import {
  check,
  casRegister,
  modelByName,
  readEdnHistory,
  readJepsenLog,
  readNdjson,
  writeNdjson,
  type ModelName,
  type Operation,
} from '../src/index.ts'
import { readEdn } from '../src/readers/edn.ts'
import { honestHistory } from './generate.ts'
import { objects } from './objects.ts'
import { Random } from './random.ts'

function refusal(read: () => unknown): { line: number; code: string; message: string } {
  try {
    read()
  } catch (error) {
    const { line, code, message } = error as never
    return { line, code, message }
  }
  throw new Error('nothing was refused')
}

describe('register logs of Jepsen', () => {
  const log = `
INFO  jepsen.core - Worker 0 starting
INFO  jepsen.util - 0\t:invoke\t:write\t3
INFO  jepsen.util - 1\t:invoke\t:read\tnil
INFO  jepsen.util - 1\t:ok\t:read\tnil
INFO  jepsen.util - 0\t:ok\t:write\t3
INFO  jepsen.util - :nemesis\t:info\t:start\tnil
INFO  jepsen.util - 2\t:invoke\t:cas\t[3 4]
INFO  jepsen.util - 1   :invoke   :cas   [0 1]
INFO  jepsen.util - 1   :fail   :cas   [0 1]
INFO  jepsen.util - 2\t:info\t:cas\t:timed-out
INFO  jepsen.util - 3\t:invoke\t:read\tnil
INFO  jepsen.util - 3\t:fail\t:read\t:timed-out
INFO  jepsen.util - 4\t:invoke\t:read\tnil
INFO  jepsen.util - 4\t:ok\t:read\t4
INFO  jepsen.util - 5\t:invoke\t:write\t9
`

  it('are read by process', () => {
    const history = readJepsenLog(log)
    expect(history).toEqual([
      {
        client: '0',
        input: { op: 'write', value: 3 },
        call: 3,
        return: 6,
        output: null,
        outcome: 'ok',
      },
      { client: '1', input: { op: 'read' }, call: 4, return: 5, output: null, outcome: 'ok' },
      {
        client: '2',
        input: { op: 'cas', from: 3, to: 4 },
        call: 8,
        return: 11,
        outcome: 'unknown',
      },
      {
        client: '1',
        input: { op: 'cas', from: 0, to: 1 },
        call: 9,
        return: 10,
        output: false,
        outcome: 'ok',
      },
      { client: '3', input: { op: 'read' }, call: 12, return: 13, outcome: 'failed' },
      { client: '4', input: { op: 'read' }, call: 14, return: 15, output: 4, outcome: 'ok' },
      { client: '5', input: { op: 'write', value: 9 }, call: 16 },
    ])
    expect(check(casRegister(), history)).toMatchObject({ verdict: 'Ok', failed: 1 })
  })

  it.each([
    ['INFO  jepsen.util - 0 :ok :read 3', 'ends a call that it did not make'],
    ['INFO  jepsen.util - 0 :invoke :write x', 'nil or an integer'],
    ['INFO  jepsen.util - 0 :invoke :write 99999999999999999999', 'nil or an integer'],
    ['INFO  jepsen.util - 0 :invoke :cas 3', 'two values'],
    ['INFO  jepsen.util - 0 :invoke :read nil\nINFO  jepsen.util - 0 :invoke :read nil', 'is open'],
  ])('refuse %j', (text, message) => {
    const error = refusal(() => readJepsenLog(`\n${text}`))
    expect(error).toMatchObject({ code: 'HISTORY_INVALID', line: text.includes('\n') ? 3 : 2 })
    expect(error.message).toContain(message)
  })
})

describe('EDN', () => {
  it('is read as data', () => {
    const text = `{:a 1, "b" [nil true false] :c #{1 2} ; comment
      :d (x/y -2.5 1e3 7N) :e #inst "2020" #_ :skipped :f "q\\"\\u0041\\n" :g [#_1] } :end`
    const [map, end] = readEdn(text) as [Map<string, unknown>, unknown]
    expect(Object.fromEntries(map)).toEqual({
      a: 1,
      b: [null, true, false],
      c: [1, 2],
      d: [{ name: 'x/y' }, -2.5, 1000, 7],
      e: '2020',
      f: 'q"A\n',
      g: [],
    })
    expect(end).toEqual({ name: ':end' })
  })

  it.each(['{:a}', '[1', '"open', ')', '"\\q"', '99999999999999999999', '#', '['.repeat(40), '#_'])(
    'refuses %j',
    (text) => {
      expect(() => readEdn(text)).toThrow(SyntaxError)
    },
  )
})

describe('EDN histories', () => {
  const cases: readonly [ModelName, string, unknown[]][] = [
    [
      'kv',
      `{:process 1, :type :invoke, :f :append, :key "0", :value "x"}
       {:process 1, :type :ok, :f :append, :key "0", :value "x"}
       {:process 2, :type :invoke, :f :get, :key "0", :value nil}
       {:process :nemesis, :type :info, :f :kill}
       {:process 2, :type :ok, :f :get, :key "0", :value "x"}
       {:process 2, :type :invoke, :f :put, :key "0", :value "y"}
       {:process 2, :type :info, :f :put, :key "0", :value "y"}
       {:process 1, :type :invoke, :f :put, :key "0", :value "z"}
       {:process 1, :type :fail, :f :put, :key "0", :value "z"}`,
      [
        [{ op: 'append', key: '0', value: 'x' }, 'ok', null],
        [{ op: 'get', key: '0' }, 'ok', 'x'],
        [{ op: 'put', key: '0', value: 'y' }, 'unknown', undefined],
        [{ op: 'put', key: '0', value: 'z' }, 'failed', undefined],
      ],
    ],
    [
      'kv',
      `[{:type :invoke, :f :cas, :value [7 [1 2]], :process 0, :index 0}
       {:type :fail, :f :cas, :value [7 [1 2]], :process 0, :index 1}
       {:type :invoke, :f :read, :value [7 nil], :process 0}
       {:type :ok, :f :read, :value [7 nil], :process 0}]`.replaceAll('\n', ' '),
      [
        [{ op: 'cas', key: '7', from: 1, to: 2 }, 'ok', false],
        [{ op: 'get', key: '7' }, 'ok', null],
      ],
    ],
    [
      'cas-register',
      `{:type :invoke, :f :write, :value 3, :process 0}
       {:type :ok, :f :write, :value 3, :process 0}
       {:type :invoke, :f :cas, :value [3 4], :process 0}
       {:type :ok, :f :cas, :value [3 4], :process 0}
       {:type :invoke, :f :read, :value nil, :process 0}
       {:type :ok, :f :read, :value 4, :process 0}`,
      [
        [{ op: 'write', value: 3 }, 'ok', null],
        [{ op: 'cas', from: 3, to: 4 }, 'ok', true],
        [{ op: 'read' }, 'ok', 4],
      ],
    ],
    [
      'set',
      `{:type :invoke, :f :add, :value 1, :process 0}
       {:type :ok, :f :add, :value 1, :process 0}
       {:type :invoke, :f :read, :value nil, :process 0}
       {:type :ok, :f :read, :value #{1}, :process 0}`,
      [
        [{ op: 'add', value: 1 }, 'ok', null],
        [{ op: 'read' }, 'ok', [1]],
      ],
    ],
    [
      'queue',
      `{:type :invoke, :f :enqueue, :value 1, :process 0}
       {:type :ok, :f :enqueue, :value 1, :process 0}
       {:type :invoke, :f :dequeue, :value nil, :process 0}
       {:type :ok, :f :dequeue, :value 1, :process 0}
       {:type :invoke, :f :dequeue, :value nil, :process 0}
       {:type :fail, :f :dequeue, :value nil, :process 0}`,
      [
        [{ op: 'enqueue', value: 1 }, 'ok', null],
        [{ op: 'dequeue' }, 'ok', 1],
        [{ op: 'dequeue' }, 'ok', null],
      ],
    ],
    [
      'counter',
      `{:type :invoke, :f :add, :value 2, :process 0}
       {:type :ok, :f :add, :value 2, :process 0}
       {:type :invoke, :f :read, :process 0}
       {:type :ok, :f :read, :value 2, :process 0}`,
      [
        [{ op: 'add', delta: 2 }, 'ok', null],
        [{ op: 'read' }, 'ok', 2],
      ],
    ],
    [
      'kv-transactions',
      `{:type :invoke, :f :txn, :value [[:r :x nil] [:w :y 2] [:append 3 "a"]], :process 0}
       {:type :ok, :f :txn, :value [[:r :x nil] [:w :y 2] [:append 3 "a"]], :process 0}`,
      [
        [
          {
            op: 'txn',
            steps: [
              { op: 'get', key: 'x' },
              { op: 'put', key: 'y', value: 2 },
              { op: 'append', key: '3', value: 'a' },
            ],
          },
          'ok',
          { committed: true, reads: [null] },
        ],
      ],
    ],
    [
      'append-list',
      `{:type :invoke, :f :append, :value [4 1], :process 0}
       {:type :ok, :f :append, :value [4 1], :process 0}
       {:type :invoke, :f :read, :value [4 nil], :process 0}
       {:type :ok, :f :read, :value [4 [1]], :process 0}`,
      [
        [{ op: 'append', key: '4', value: 1 }, 'ok', null],
        [{ op: 'read', key: '4' }, 'ok', [1]],
      ],
    ],
    [
      'lock',
      `{:type :invoke, :f :acquire, :key "l", :process 0}
       {:type :ok, :f :acquire, :key "l", :value 5, :process 0}
       {:type :invoke, :f :acquire, :key "l", :process 1}
       {:type :fail, :f :acquire, :key "l", :value nil, :process 1}
       {:type :invoke, :f :release, :key "l", :value 5, :process 0}
       {:type :ok, :f :release, :key "l", :value true, :process 0}`,
      [
        [{ op: 'acquire', lock: 'l' }, 'ok', 5],
        [{ op: 'acquire', lock: 'l' }, 'ok', null],
        [{ op: 'release', lock: 'l', token: 5 }, 'ok', true],
      ],
    ],
  ]

  it.each(cases)('for %s are read, and fit the model: %s', (name, text, expected) => {
    const history = readEdnHistory(text, name)
    expect(history.map(({ input, outcome, output }) => [input, outcome, output])).toEqual(expected)
    expect(check(modelByName(name), history).verdict).toBe('Ok')
  })

  it.each([
    ['[1]', 'must be a map'],
    ['{:process 1 :type :ok :f :get :key "0"}', 'did not make'],
    ['{:process 1 :type :invoke :f :get}', 'which object'],
    ['{:process 1 :type :invoke :f :cas :key "0" :value 1}', 'needs [old new]'],
    ['{:process 1 :type :invoke :f :put :key "0" :value {}}', 'a value must be'],
    ['{:process 1 :type :invoke', 'unexpected end'],
  ])('refuse %s', (text, message) => {
    const error = refusal(() => readEdnHistory(`\n\n${text}`, 'kv'))
    expect(error).toMatchObject({ code: 'HISTORY_INVALID', line: 3 })
    expect(error.message).toContain(message)
  })
})

describe('our own form', () => {
  it('is an operation a line, with or without its end', () => {
    const { operations, lines, model } = readNdjson(
      [
        '{"format":"quorate-history","version":1,"model":"kv"}',
        '{"client":"a","call":0,"return":4,"op":"put","key":"x","value":"1"}',
        '',
        '{"client":7,"id":"n","call":1,"op":"get","key":"x"}',
        '{"client":"b","id":2,"call":1,"op":"get","key":"x"}',
        '{"client":"c","call":3,"outcome":"unknown","return":9,"op":"delete","key":"x"}',
        '{"client":"d","call":3,"outcome":"failed","op":"delete","key":"__proto__"}',
        '{"id":"n","return":5,"result":"1"}',
        '{"id":2,"return":6,"outcome":"failed"}\r',
      ].join('\n'),
    )
    expect(model).toBe('kv')
    expect(lines).toEqual([2, 4, 5, 6, 7])
    expect(operations).toEqual([
      { client: 'a', input: { op: 'put', key: 'x', value: '1' }, call: 0, return: 4 },
      { client: 7, input: { op: 'get', key: 'x' }, call: 1, return: 5, output: '1' },
      { client: 'b', input: { op: 'get', key: 'x' }, call: 1, return: 6, outcome: 'failed' },
      { client: 'c', input: { op: 'delete', key: 'x' }, call: 3, return: 9, outcome: 'unknown' },
      { client: 'd', input: { op: 'delete', key: '__proto__' }, call: 3, outcome: 'failed' },
    ])
  })

  it.each(Object.keys(objects).slice(0, 10))('is read as it was written: %s', (name) => {
    for (let seed = 1; seed <= 50; seed++) {
      const random = new Random(seed)
      const options = { operations: 20, clients: 4, unknown: 0.1, failed: 0.1 }
      const history = honestHistory(objects[name]!(), random, options)
      const text = writeNdjson(history, { model: 'kv' })
      expect(readNdjson(text)).toEqual({
        operations: history.map(withoutNothing),
        lines: history.map((_, at) => at + 2),
        model: 'kv',
      })
    }
  })

  it.each([
    ['{', 'not JSON'],
    ['[]', 'not a JSON object'],
    ['{"client":"a"}', 'neither an operation'],
    ['{"id":3,"return":1}', 'neither an operation'],
    ['{"op":"get","call":1}', 'client must be'],
    ['{"client":{},"op":"get","call":1}', 'client must be'],
    ['{"client":"a","op":"get"}', 'call must be a finite number'],
    ['{"client":"a","op":7,"call":1}', 'op must be a string'],
    ['{"client":"a","op":"get","call":"1"}', 'call must be'],
    ['{"client":"a","op":"get","call":3,"return":2}', 'return must be'],
    ['{"client":"a","op":"get","call":3,"return":null}', 'return must be'],
    ['{"client":"a","op":"get","call":3,"outcome":"maybe"}', 'outcome must be'],
    ['{"format":"quorate-history","version":1}', 'a header must come first'],
    ['{"id":1,"client":"a","op":"get","call":3}', 'id 1 again'],
    ['{"id":2,"return":9}', 'ends twice'],
    ['{"id":1}', 'an end needs'],
  ])('refuses %s', (text, message) => {
    const before = [
      '{"id":1,"client":"a","op":"get","call":0}',
      '{"id":2,"client":"b","op":"get","call":0}',
      '{"id":2,"return":5}',
    ]
    const error = refusal(() => readNdjson([...before, text].join('\n')))
    expect(error).toMatchObject({ code: 'HISTORY_INVALID', line: 4 })
    expect(error.message).toContain(message)
  })

  it.each([
    ['{"format":"other","version":1}', 'format must be'],
    ['{"format":"quorate-history","version":2}', 'version must be 1'],
    ['{"format":"quorate-history","version":1,"model":"toString"}', 'unknown model'],
  ])('refuses the header %s', (text, message) => {
    expect(refusal(() => readNdjson(text)).message).toContain(message)
  })

  it('writes nothing that it could not read', () => {
    const one = { client: 1, call: 0, return: 1, input: { op: 'read' }, output: 1 }
    expect(() => writeNdjson([{ ...one, return: Infinity }])).toThrow(TypeError)
    expect(() => writeNdjson([{ ...one, input: 5 }])).toThrow(TypeError)
    expect(() => writeNdjson([{ ...one, input: { op: 'x', call: 5 } }])).toThrow(
      'field of the format',
    )
  })
})

function withoutNothing(operation: Operation): Operation {
  return Object.fromEntries(
    Object.entries(operation).filter(
      ([field, value]) => value !== undefined && !(field === 'outcome' && value === 'unknown'),
    ),
  ) as unknown as Operation
}
