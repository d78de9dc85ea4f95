// The picture: well formed, self-contained, bounded, and deaf to whatever a history tries to say in it.
import { describe, expect, it } from 'vitest'
import {
  check,
  kv,
  register,
  renderHtml,
  renderSvg,
  type KvInput,
  type Operation,
  type Value,
} from '../src/index.ts'
import { escaped, shortened } from '../src/picture/escape.ts'
import { layout } from '../src/picture/layout.ts'
import { hardHistory } from './hard.ts'

const hostile = `</svg><script>alert("1")</script>'&\u0000\u202e\ud800]]>`

function history(name: string): Operation<KvInput, Value>[] {
  return [
    { client: name, input: { op: 'put', key: name, value: name }, call: 0, return: 10 },
    { client: 'b', input: { op: 'get', key: name }, call: 5, return: 30, output: name },
    { client: 'c', input: { op: 'put', key: name, value: 'late' }, call: 12 },
    { client: 'd', input: { op: 'get', key: name }, call: 40, return: 50, output: `${name}!` },
    { client: 'd', input: { op: 'get', key: name }, call: 60, return: 70, output: name },
  ]
}

/** Checks that every element is closed in order; returns the names of the elements. */
function elements(markup: string): string[] {
  const names: string[] = []
  const open: string[] = []
  const closed: (string | undefined)[][] = []
  for (const [tag, slash, name = '', attributes = '', empty] of markup.matchAll(
    /<(\/?)([a-zA-Z!][\w-]*)((?:\s+[\w-:]+(?:="[^"<]*")?)*)\s*(\/?)>/g,
  )) {
    expect(attributes).not.toMatch(/\son\w+=|javascript:/i)
    if (slash === '/') closed.push([tag, open.pop(), name])
    else if (empty !== '/' && name !== '!doctype' && name !== 'meta') open.push(name)
    names.push(name)
  }
  expect(closed.filter(([, opened, name]) => opened !== name)).toEqual([])
  expect(open).toEqual([])
  const tags = markup.match(/</g)?.length
  expect(names.length).toBe(tags)
  return names
}

describe('the picture', () => {
  const result = check(kv(), history('x'))
  const svg = renderSvg(kv(), result.illegal!)

  it('is one svg element that needs nothing from elsewhere', () => {
    expect(elements(svg).filter((name) => name === 'svg').length).toBe(2)
    expect(svg).not.toMatch(
      /https?:(?!\/\/www\.w3\.org\/2000\/svg)|url\(|@import|<script|<foreignObject/,
    )
  })

  it('shows every operation, the order found and the impossible step', () => {
    expect(svg.match(/<rect/g)?.length).toBe(5)
    expect(svg).toMatch(
      /class="impossible"><title>get\(&quot;x&quot;\) → &quot;x!&quot; \(impossible/,
    )
    expect(svg).toMatch(
      /class="placed"><title>put\(&quot;x&quot;, &quot;x&quot;\) \(number 1 in the order/,
    )
    expect(svg).toMatch(/ pending"><title>put\(&quot;x&quot;, &quot;late&quot;\) → \?/)
    expect(svg).toContain('class="later"')
    expect(svg).toContain('class="cut"')
    expect(svg).toMatchSnapshot()
  })

  it('says nothing that a history puts in its mouth', () => {
    const bad = check(kv(), history(hostile))
    const page = renderHtml(kv(), bad, { title: hostile })
    for (const markup of [renderSvg(kv(), bad.illegal!), page]) {
      const names = new Set(elements(markup))
      expect(names.has('script')).toBe(false)
      for (const char of ['\u0000', '\u202e', '\ud800']) expect(markup).not.toContain(char)
      expect(markup.isWellFormed()).toBe(true)
    }
    expect(page).toContain('&lt;/svg&gt;&lt;script&gt;')
  })

  it('is bounded, around the impossible step', () => {
    const hard = check(
      kv(),
      hardHistory(2, { operations: 500, clients: 6, keys: 1, lyingKeys: 1, puts: 0.2 }),
    )
    const picture = renderSvg(kv(), hard.illegal!, { maxOperations: 30 })
    expect(picture.match(/<rect/g)?.length).toBe(30)
    expect(picture).toContain('class="impossible"')
    expect(picture).toMatch(/operations before and \d+ after not shown/)
  })

  it('gives a client that overlaps itself two rows, next to each other', () => {
    const overlapping: Operation<KvInput, Value>[] = [
      ...history('x').slice(0, 2),
      { client: 'x', input: { op: 'get', key: 'x' }, call: 6, return: 8, output: 'x' },
    ]
    const { rows, bars } = layout(check(kv(), overlapping).parts[0]!, 100)
    expect(rows).toEqual(['x', 'x', 'b'])
    expect(bars.map(({ row }) => row)).toEqual([0, 2, 1])
  })

  it('puts the points of the order in order, each within its operation', () => {
    const ok = check(
      kv(),
      hardHistory(1, { operations: 300, clients: 8, keys: 1, lyingKeys: 0, puts: 0.2 }),
    )
    const { bars } = layout(ok.parts[0]!, 1000)
    const placed = bars
      .filter(({ point }) => point !== undefined)
      .sort((a, b) => a.point!.number - b.point!.number)
    expect(placed.length).toBe(300)
    for (const [i, { point, from, to }] of placed.entries()) {
      expect(point!.at).toBeGreaterThanOrEqual(from)
      expect(point!.at).toBeLessThanOrEqual(to)
      expect(point!.at).toBeGreaterThanOrEqual(placed[i - 1]?.point?.at ?? 0)
    }
  })
})

describe('the page', () => {
  it('says what is impossible, and lists the parts', () => {
    const page = renderHtml(kv(), check(kv(), history('x')), { title: 'Run 7' })
    elements(page)
    expect(page).toContain('<title>Run 7: Illegal</title>')
    expect(page).toContain(
      'impossible: get(&quot;x&quot;) → &quot;x!&quot; by client d [40, 50] (operation 3)',
    )
    expect(page).toContain("default-src 'none'")
  })

  it('is there for an empty history too', () => {
    expect(elements(renderHtml(register(), check(register(), [])))).toContain('table')
  })
})

describe('text', () => {
  it('is escaped character by character', () => {
    expect(escaped(`<a href="x">'&'`)).toBe('&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;')
    expect(escaped('a\n\u0000\u007f\u2028\ufffe')).toBe('a\\u000a\\u0000\\u007f\\u2028\\ufffe')
    expect(escaped('\ud800x\udc00 😀')).toBe('\\ud800x\\udc00 😀')
  })

  it('is cut between characters', () => {
    expect(shortened('abc', 3)).toBe('abc')
    expect(shortened('abcd', 3)).toBe('ab…')
    expect(shortened('😀😀😀😀', 3)).toBe('😀😀…')
    expect(shortened('x'.repeat(1000), 4)).toBe('xxx…')
  })
})
