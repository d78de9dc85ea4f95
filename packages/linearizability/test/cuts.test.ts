// The rules that cut the search, each by a history that takes exponentially many steps without it.
// (That they change no verdict is what the brute-force tests show.)
import { expect, it } from 'vitest'
import {
  appendList,
  casRegister,
  check,
  register,
  type CasRegisterInput,
  type ListInput,
  type ListOutput,
  type Operation,
  type Value,
} from '../src/index.ts'

type Op = Operation<CasRegisterInput, Value>

const end = 1000
const many = Array.from({ length: 16 }, (_, i) => i)
const impossibleRead: Op = {
  client: 'last',
  input: { op: 'read' },
  call: end + 1,
  return: end + 2,
  output: 'never written',
}

function stepsToRefuse(history: readonly Op[]): number {
  const result = check(casRegister(), history, { maxSteps: 1_000_000 })
  expect(result.verdict).toBe('Illegal')
  return result.steps
}

it('a possible read goes first, and has no alternative', () => {
  const writes = many.slice(0, 4).map((i): Op => {
    return { client: `w${i}`, input: { op: 'write', value: i }, call: i, return: end, output: null }
  })
  const reads = many.map((i): Op => {
    return { client: i, input: { op: 'read' }, call: i, return: end, output: i % 4 }
  })
  expect(stepsToRefuse([...writes, ...reads, impossibleRead])).toBeLessThan(3_000)
})

it('of interchangeable operations the earlier goes first', () => {
  const writes = many.map((i): Op => {
    return { client: i, input: { op: 'write', value: i % 2 }, call: i, return: end, output: null }
  })
  expect(stepsToRefuse([...writes, impossibleRead])).toBeLessThan(2_500)
  const unknown = writes.map(({ client, input, call }): Op => ({ client, input, call }))
  expect(stepsToRefuse([...unknown, impossibleRead])).toBeLessThan(2_500)
})

it('an unknown operation that would change nothing gets no place', () => {
  const useless = many.map((i): Op => {
    return { client: i, input: { op: 'cas', from: `not there ${i}`, to: i }, call: i }
  })
  expect(stepsToRefuse([...useless, impossibleRead])).toBeLessThan(40)
})

it('a configuration is searched once', () => {
  const writes = many.slice(0, 10).map((i): Op => {
    return { client: i, input: { op: 'write', value: i }, call: i, return: end, output: null }
  })
  // 2^10 sets of 10 last writes each, and not 10! orders.
  expect(stepsToRefuse([...writes, impossibleRead])).toBeLessThan(60_000)
})

it('reads taken back with the step before them are not tried again', () => {
  const history = many.flatMap((i): Op[] => [
    { client: 'w', input: { op: 'write', value: i }, call: i * 10, return: i * 10 + 1 },
    { client: 'r', input: { op: 'read' }, call: i * 10 + 2, return: i * 10 + 3, output: i },
  ])
  expect(
    stepsToRefuse([
      ...history.map((one) => ({ ...one, output: one.output ?? null })),
      impossibleRead,
    ]),
  ).toBe(65)
})

it('an append that contradicts a read is refused at once', () => {
  const appends = many.map((i): Operation<ListInput, ListOutput> => {
    return { client: i, input: { op: 'append', key: 'k', value: i }, call: i, return: end }
  })
  const output = many.toReversed()
  const read = (values: number[]): Operation<ListInput, ListOutput> => {
    return {
      client: 'r',
      input: { op: 'read', key: 'k' },
      call: end + 1,
      return: end + 2,
      output: values,
    }
  }
  const found = check(appendList(), [...appends, read(output)])
  expect(found.verdict).toBe('Ok')
  expect(found.steps).toBeLessThan(200)
  const lost = check(appendList(), [...appends, read(output.slice(1))])
  expect(lost.verdict).toBe('Illegal')
  expect(lost.steps).toBeLessThan(300)
})

it('reads of unknown outcome cost nothing', () => {
  const unread = many.map((i): Op => ({ client: i, input: { op: 'read' }, call: i }))
  expect(check(register(), unread as never)).toMatchObject({ steps: 0, unread: 16, parts: [] })
})
