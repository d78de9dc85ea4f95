// Reconnecting without sockets: when a host dials, how long it waits, and which of two
// connections stays.
import { createRandom } from '@quorate/core'
import { describe, expect, test } from 'vitest'
import { Backoff } from '../src/backoff.ts'
import type { Channel } from '../src/channel.ts'
import { Link } from '../src/link.ts'
import { ManualClock } from './rig.ts'

const instance = new Uint8Array(8)

function channel(dialedBy: 'us' | 'them', of = instance): Channel & { ends: string[] } {
  const ends: string[] = []
  const fake = {
    dialedBy,
    peer: { hello: { instance: of } },
    ends,
    close: (_code: number, reason: string) => ends.push(reason),
  }
  return fake as unknown as Channel & { ends: string[] }
}

function rig(host: string, peer: string, seed = 1) {
  const clock = new ManualClock()
  const dials: number[] = []
  const news: string[] = []
  const link = new Link(peer, 'ws://peer', {
    host,
    clock,
    random: createRandom(seed),
    backoff: { baseMs: 100, maxMs: 10_000 },
    dial: () => dials.push(clock.now()),
    onChange: (_link, state) => news.push(state),
  })
  return { clock, dials, news, link }
}

test('the host with the smaller name dials at once, the other one gives it time', () => {
  const small = rig('a', 'b')
  small.link.start()
  small.clock.advance(0)
  expect(small.dials).toEqual([0])
  const large = rig('b', 'a')
  large.link.start()
  large.clock.advance(299)
  expect(large.dials).toEqual([])
  large.clock.advance(1)
  expect(large.dials).toEqual([300])
})

test('attempts that fail come ever later, with full jitter, and never stop', () => {
  const { clock, dials, link } = rig('a', 'b', 7)
  link.start()
  clock.advance(0)
  for (let attempt = 0; attempt < 200; attempt++) {
    link.dialed()
    clock.advance(10_000)
  }
  expect(dials).toHaveLength(201)
  const starts = Array.from({ length: 200 }, (_, attempt) => attempt * 10_000)
  const waits = dials.slice(1).map((at, attempt) => at - starts[attempt]!)
  // The first waits are short; later ones fill the whole range evenly.
  expect(waits[0]!).toBeLessThan(100)
  expect(waits[1]!).toBeLessThan(200)
  const late = waits.slice(10)
  const mean = late.reduce((sum, wait) => sum + wait, 0) / late.length
  expect(mean).toBeGreaterThan(4_000)
  expect(mean).toBeLessThan(6_000)
  expect(Math.min(...late)).toBeLessThan(1_000)
  expect(Math.max(...late)).toBeGreaterThan(9_000)
})

test('a thousand hosts that lost a peer together do not come back together', () => {
  const backoffs = Array.from({ length: 1_000 }, (_, seed) => new Backoff(createRandom(seed)))
  for (let attempt = 0; attempt < 8; attempt++) for (const each of backoffs) each.nextMs()
  const tenths = Array.from({ length: 10 }, () => 0)
  for (const each of backoffs) tenths[Math.floor(each.nextMs() / 1_000)]!++
  expect(Math.min(...tenths)).toBeGreaterThan(60)
  expect(Math.max(...tenths)).toBeLessThan(140)
})

test('a connection that does not last makes no early attempt', () => {
  const { clock, dials, link } = rig('a', 'b', 3)
  link.start()
  clock.advance(0)
  // A peer that takes connections and drops them at once is dialed as one that is away.
  for (let attempt = 0; attempt < 30; attempt++) {
    const each = channel('us')
    link.adopt(each)
    link.dialed()
    link.lost(each)
    clock.advance(20_000)
  }
  const waits = dials.slice(1).map((at, attempt) => at - attempt * 20_000)
  expect(Math.max(...waits.slice(10))).toBeGreaterThan(5_000)
  const stable = channel('us')
  link.adopt(stable)
  link.dialed()
  clock.advance(5_000)
  const lostAt = clock.now()
  link.lost(stable)
  clock.advance(100)
  expect(dials.at(-1)! - lostAt).toBeLessThan(100)
})

describe('of two connections', () => {
  // What both ends decide, for every pair of who dialed what is there and what comes.
  const decide = (
    host: string,
    peer: string,
    first: 'us' | 'them',
    second: 'us' | 'them',
  ): boolean => {
    const { link } = rig(host, peer)
    link.adopt(channel(first))
    return link.admits(second, instance)
  }

  test('a newer one of the same dialer replaces the older', () => {
    for (const [host, peer] of [
      ['a', 'b'],
      ['b', 'a'],
    ] as const) {
      expect(decide(host, peer, 'us', 'us')).toBe(true)
      expect(decide(host, peer, 'them', 'them')).toBe(true)
    }
  })

  test('that crossed, the one of the smaller name stays, at both ends', () => {
    // At a: its own replaces b's, b's does not replace its own. At b: the mirror image.
    expect([decide('a', 'b', 'them', 'us'), decide('a', 'b', 'us', 'them')]).toEqual([true, false])
    expect([decide('b', 'a', 'us', 'them'), decide('b', 'a', 'them', 'us')]).toEqual([true, false])
  })

  test('the one of a host that was restarted replaces whatever was before', () => {
    const { link, news } = rig('a', 'b')
    const old = channel('us')
    link.adopt(old)
    const restarted = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
    expect(link.admits('them', restarted)).toBe(true)
    link.adopt(channel('them', restarted))
    expect(old.ends).toEqual(['replaced by a newer connection'])
    expect(news).toEqual(['reachable', 'unreachable', 'reachable'])
    // The end of the old one is no news any more.
    link.lost(old)
    expect(news).toHaveLength(3)
  })

  test('none is taken from the larger name while the smaller one’s handshake is under way', () => {
    const { link } = rig('a', 'b')
    link.handshaking = true
    expect(link.admits('them', instance)).toBe(false)
    expect(link.admits('us', instance)).toBe(true)
    link.dialed()
    expect(link.admits('them', instance)).toBe(true)
  })
})

test('a peer without an address is never dialed, and a removed one no more', () => {
  const { clock, dials, link } = rig('a', 'b')
  link.url = ''
  link.start()
  clock.advance(60_000)
  link.redirect('ws://somewhere')
  clock.advance(0)
  expect(dials).toHaveLength(1)
  link.dialed()
  link.remove('gone')
  clock.advance(60_000)
  expect([dials.length, clock.timers]).toEqual([1, 0])
})
