// Checks of what happens to frames: they arrive as they were sent, under the right name, at the
// right host, and what cannot arrive is refused.
import type { TransportCheck } from './harness.ts'
import { asText, expectThat, limits, withLab } from './lab.ts'

/** Bytes that differ from their neighbours, so that a shift or a swap shows. */
function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at++) bytes[at] = at * 31 + seed * 17 + (at >>> 8)
  return bytes
}

export const frameChecks: readonly TransportCheck[] = [
  {
    name: 'a frame arrives as it was sent, whatever its size',
    run: (harness) =>
      withLab(harness, ['a', 'b'], async (lab) => {
        const [a, b] = await lab.connected('a', 'b')
        const sizes = [
          0,
          1,
          125,
          126,
          127,
          128,
          1_000,
          16_383,
          16_384,
          65_535,
          limits.frameBytesMax,
        ]
        for (const size of sizes) {
          const frame = pattern(size, size)
          const wanted = asText(frame)
          const before = b!.texts().length
          expectThat(a!.send('b', frame) === 'queued', `a frame of ${size} bytes was dropped`)
          await lab.until(() => b!.texts().length > before, `a frame of ${size} bytes arrives`)
          const got = b!.texts()[before]
          expectThat(got === wanted, `a frame of ${size} bytes arrived as: ${got}`)
        }
      }),
  },
  {
    name: 'frames that are sent together arrive apart',
    run: (harness) =>
      withLab(harness, ['a', 'b'], async (lab) => {
        const [a, b] = await lab.connected('a', 'b')
        const sent = Array.from({ length: 200 }, (_, count) => `together ${count}`)
        for (const frame of sent) a!.send('b', frame)
        const all = new Set(sent)
        await lab.until(() => b!.texts().length >= sent.length, '200 frames arrive')
        const strange = b!.texts().find((text) => !all.has(text))
        expectThat(strange === undefined, `nobody sent this frame: ${strange}`)
      }),
  },
  {
    name: 'a frame is named after the host that sent it',
    run: (harness) =>
      withLab(harness, ['a', 'b', 'c'], async (lab) => {
        const [a, b, c] = await lab.connected('a', 'b', 'c')
        // The content lies about the sender: only the connection counts.
        a!.send('c', 'b says: from a')
        b!.send('c', 'a says: from b')
        await lab.until(() => c!.texts().length >= 2, 'both frames arrive')
        for (const sender of ['a', 'b']) {
          const texts = c!.texts(sender)
          const right = texts.every((text) => text.endsWith(`from ${sender}`))
          expectThat(texts.length > 0 && right, `frames named after ${sender}: ${texts.join('; ')}`)
        }
      }),
  },
  {
    name: 'a frame reaches only the host that it was sent to',
    run: (harness) =>
      withLab(harness, ['a', 'b', 'c'], async (lab) => {
        const [a, b, c] = await lab.connected('a', 'b', 'c')
        a!.send('b', 'for b alone')
        await lab.until(() => b!.texts().includes('for b alone'), 'the frame arrives')
        await lab.exchange(a!, c!)
        expectThat(!c!.texts().includes('for b alone'), 'another host received it too')
      }),
  },
  {
    name: 'no handler runs inside start or send',
    run: (harness) =>
      withLab(harness, ['a', 'b'], async (lab) => {
        const [a, b] = await lab.connected('a', 'b')
        await lab.exchange(a!, b!)
        const inside = a!.toldInside + b!.toldInside
        expectThat(inside === 0, `${inside} calls of handlers came inside start or send`)
      }),
  },
  {
    name: 'a frame to an unknown host is dropped',
    run: (harness) =>
      withLab(harness, ['a', 'b'], async (lab) => {
        const [a] = await lab.connected('a', 'b')
        expectThat(a!.send('stranger', 'x') === 'dropped', 'it was queued')
        expectThat(a!.send('__proto__', 'x') === 'dropped', 'it was queued for __proto__')
      }),
  },
  {
    name: 'a frame over frameBytesMax is dropped, and harms no other',
    run: (harness) =>
      withLab(harness, ['a', 'b'], async (lab) => {
        const [a, b] = await lab.connected('a', 'b')
        const outcome = a!.send('b', new Uint8Array(limits.frameBytesMax + 1))
        expectThat(outcome === 'dropped', 'it was queued')
        await lab.exchange(a!, b!, 1)
        expectThat(b!.texts().length === 1, 'something else arrived')
      }),
  },
  {
    name: 'a frame belongs to its receiver, and what comes later does not change it',
    run: (harness) =>
      withLab(harness, ['a', 'b'], async (lab) => {
        const [a, b] = await lab.connected('a', 'b')
        const kept: { readonly frame: Uint8Array; readonly text: string }[] = []
        b!.onFrame = (_from, frame) => kept.push({ frame, text: asText(frame) })
        for (let count = 0; count < 100; count++) a!.send('b', pattern(1_000, count))
        await lab.until(() => kept.length >= 100, '100 frames arrive')
        const changed = kept.filter(({ frame, text }) => asText(frame) !== text).length
        expectThat(changed === 0, `${changed} frames changed after they had been delivered`)
      }),
  },
  {
    name: 'the queue of a peer is bounded, and what does not fit is dropped',
    run: (harness) =>
      withLab(harness, ['a', 'b'], async (lab) => {
        const [a] = await lab.connected('a', 'b')
        // Far more in one turn than the queue and any buffer of the system below it can hold.
        let dropped = false
        for (let count = 0; count < 1_024 && !dropped; count++) {
          dropped = a!.send('b', new Uint8Array(limits.frameBytesMax)) === 'dropped'
        }
        expectThat(dropped, '64 MiB were queued under a limit of 1 MiB')
      }),
  },
  {
    name: 'a queue that was full takes frames again once it has drained',
    run: (harness) =>
      withLab(harness, ['a', 'b'], async (lab) => {
        const [a, b] = await lab.connected('a', 'b')
        let queued = 0
        for (let count = 0; count < 64; count++) {
          if (a!.send('b', pattern(limits.frameBytesMax, count)) === 'queued') queued++
        }
        await lab.until(() => b!.texts().length >= queued, 'what was queued arrives')
        await lab.exchange(a!, b!)
      }),
  },
  {
    name: 'a frame on the fast lane waits for one bulk frame at most',
    needs: 'lanes',
    run: (harness) =>
      withLab(harness, ['a', 'b'], async (lab) => {
        const [a, b] = await lab.connected('a', 'b')
        for (let count = 0; count < 6; count++) a!.send('b', pattern(60_000, count), 'bulk')
        a!.send('b', 'heartbeat')
        await lab.until(() => b!.texts().length >= 7, 'all frames arrive')
        const before = b!.texts().indexOf('heartbeat')
        expectThat(before <= 1, `${before} bulk frames came first`)
      }),
  },
]
