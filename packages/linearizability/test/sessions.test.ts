// Session guarantees by versions: each is broken once, and overlapping operations are not compared.
import { describe, expect, it } from 'vitest'
import { checkSessions, type Observation, type Operation } from '../src/index.ts'

type Op = Operation<{ key: string; kind: Observation['kind'] }, number>

function op(
  client: string,
  kind: Observation['kind'],
  version: number,
  call: number,
  end = call + 1,
): Op {
  return { client, input: { key: 'x', kind }, output: version, call, return: end }
}

const observe = ({ input, output }: Op): Observation[] => [
  { ...input, version: output ?? Number.NaN },
]

describe('session guarantees', () => {
  it.each([
    ['monotonic-reads', [op('a', 'read', 5, 0), op('a', 'read', 4, 2)]],
    ['read-your-writes', [op('a', 'write', 5, 0), op('a', 'read', 4, 2)]],
    ['monotonic-writes', [op('a', 'write', 5, 0), op('a', 'write', 4, 2)]],
    ['writes-follow-reads', [op('a', 'read', 5, 0), op('a', 'write', 5, 2)]],
  ] as const)('%s is found broken', (guarantee, history) => {
    const found = checkSessions<Op['input'], number>(history, { observe })
    expect(found).toEqual([
      {
        guarantee,
        client: 'a',
        key: 'x',
        earlier: 0,
        later: 1,
        expected: 5,
        actual: history[1].output,
      },
    ])
    expect(checkSessions<Op['input'], number>(history, { observe, guarantees: [] })).toEqual([])
  })

  it('hold where nothing goes back, clients differ, keys differ or operations overlap', () => {
    const fine: Op[] = [
      op('a', 'read', 5, 0),
      op('a', 'read', 5, 2),
      op('a', 'write', 6, 4),
      op('a', 'read', 6, 6),
      op('b', 'read', 1, 8),
      { ...op('a', 'read', 1, 10), input: { key: 'y', kind: 'read' } },
      op('c', 'read', 9, 0, 20),
      op('c', 'read', 3, 5, 10),
      { ...op('a', 'read', 0, 12), outcome: 'unknown' },
      { ...op('a', 'read', 0, 14), outcome: 'failed' },
    ]
    expect(checkSessions(fine, { observe })).toEqual([])
  })

  it('compare an operation with the newest version that was known when it was called', () => {
    const history = [op('a', 'read', 3, 0, 10), op('a', 'read', 7, 1, 5), op('a', 'read', 5, 20)]
    expect(checkSessions(history, { observe })).toMatchObject([
      { earlier: 1, later: 2, expected: 7 },
    ])
  })

  it('are reported up to a bound', () => {
    const history = [
      op('a', 'read', 9, 0),
      ...Array.from({ length: 50 }, (_, i) => op('a', 'read', 1, 2 + i * 2)),
    ]
    expect(checkSessions(history, { observe }).length).toBe(50)
    expect(checkSessions(history, { observe, maxViolations: 3 }).length).toBe(3)
  })

  it('need versions that are numbers', () => {
    expect(() =>
      checkSessions([{ ...op('a', 'read', 1, 0), output: undefined }], { observe }),
    ).toThrow(TypeError)
  })
})
