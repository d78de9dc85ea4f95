// The picture: all arcs, true to their shares, and safe to put into a page.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { hashRing, ringSvg } from '../src/index.ts'

const count = (text: string, pattern: RegExp): number => (text.match(pattern) ?? []).length

describe('ringSvg', () => {
  it('draws every arc of a ring once, with its owner and share', () => {
    const ring = hashRing({ members: ['a', 'b', 'c'], virtualNodes: 8 })
    const svg = ringSvg(ring)
    expect(count(svg, /<path d="M [^"]+Z"/g)).toBe(ring.ranges().length)
    expect(svg).toContain('<title>A ring owned by 3 members</title>')
    for (const [id, share] of ring.ownership()) {
      expect(svg).toContain(`>${id} ${(share * 100).toFixed(2)} %</text>`)
    }
    const drawn = [...svg.matchAll(/<title>[abc]: ([0-9.]+) %<\/title>/g)]
    const total = drawn.reduce((sum, [, share]) => sum + Number(share), 0)
    expect(total).toBeCloseTo(100, 0)
  })

  it('draws a table as equal arcs of its leaders', () => {
    const svg = ringSvg(hashRing({ members: ['a', 'b'], shards: 16 }), { legend: false })
    expect(count(svg, /<path d="M [^"]+Z"/g)).toBe(16)
    expect(count(svg, /: 6\.25 %/g)).toBe(16)
    expect(count(svg, /<rect/g)).toBe(0)
  })

  it('draws one owner as a full circle and none as nothing', () => {
    expect(count(ringSvg(hashRing({ members: ['a'] })), /<circle/g)).toBe(1)
    const none = ringSvg(hashRing({ members: [] }))
    expect(none).toContain('empty')
    expect(count(none, /<path/g)).toBe(0)
  })

  it('marks positions, paints as told, and escapes what it is given', () => {
    const ring = hashRing({ members: ['<a>', '"b"&'], virtualNodes: 2 })
    const svg = ringSvg(ring, {
      title: '<script>',
      marks: [{ position: 2 ** 31, label: 'a & b' }],
      colors: { '<a>': '"red"' },
      highlight: ['<a>'],
    })
    expect(svg).toContain('&lt;script&gt;')
    expect(svg).toContain('a &amp; b')
    expect(svg).toContain('fill="&quot;red&quot;"')
    expect(svg).toContain('fill-opacity="0.15"')
    expect(svg).not.toContain('<a>')
    expect(svg).not.toContain('<script>')
  })

  it('is the same text for the same ring', () => {
    const svg = (): string => ringSvg(hashRing({ members: ['x', 'y', 'z'], virtualNodes: 3 }))
    expect(svg()).toBe(svg())
    // Well-formed: every element that opens also closes.
    const tags = [...svg().matchAll(/<(\/?)([a-z]+)\b[^>]*?(\/?)>/g)]
    const stack: string[] = []
    for (const [, closes, name, empty] of tags) {
      const opened = closes === '/' ? stack.pop() : name
      expect(opened).toBe(name)
      if (closes !== '/' && empty !== '/') stack.push(name!)
    }
    expect(stack).toEqual([])
  })

  // RING_VECTORS=write draws it anew.
  it('is what the README shows', () => {
    const file = fileURLToPath(new URL('../ring.svg', import.meta.url))
    const ring = hashRing({
      members: ['ada', 'grace', { id: 'edsger', weight: 2 }],
      virtualNodes: 12,
    })
    const marks = ['user:1', 'user:2', 'user:3'].map((key) => ({
      position: ring.position(key),
      label: key,
    }))
    const svg = `${ringSvg(ring, { marks })}\n`
    if (process.env['RING_VECTORS'] === 'write') writeFileSync(file, svg)
    expect(svg).toBe(readFileSync(file, 'utf8'))
  })
})
