import { check, kv, renderHtml } from '@quorate/linearizability'

const history = [
  { client: 'a', input: { op: 'put', key: 'x', value: '1' }, call: 0, return: 10 },
  { client: 'b', input: { op: 'get', key: 'x' }, call: 5, return: 20, output: '1' },
  // No answer came: it may still take effect, or never.
  { client: 'a', input: { op: 'put', key: 'x', value: '2' }, call: 12 },
  // Called after b had read 1, and yet it saw nothing.
  { client: 'c', input: { op: 'get', key: 'x' }, call: 30, return: 40, output: null },
] as const

const result = check(kv(), history)

console.log(result.verdict) // Illegal
console.log(result.illegal?.impossible) // { operation: 3, refused: [ 3 ], state: '"1"' }

const page = renderHtml(kv(), result, { title: 'A stale read' })
console.log(page.length > 1000) // true
