// Many frames in one WebSocket message: a varint length before each, from the first byte after
// the kind to the end. The same layout serves peers and, without the kind, clients.
import { QuorateError } from '@quorate/core'

/** Most frames in one message; beyond, the next message begins. */
export const BATCH_FRAMES_MAX = 65_536

/** Bytes that a frame takes in a batch. */
export function framedBytes(length: number): number {
  return length + lengthBytes(length)
}

function lengthBytes(length: number): number {
  if (length < 0x80) return 1
  if (length < 0x4000) return 2
  if (length < 0x200000) return 3
  return length < 0x10000000 ? 4 : 5
}

/** Writes a frame behind its length and returns where the next one goes. */
export function writeFrame(target: Uint8Array, start: number, frame: Uint8Array): number {
  let at = start
  let rest = frame.length
  while (rest >= 0x80) {
    target[at++] = (rest % 0x80) | 0x80
    rest = Math.floor(rest / 0x80)
  }
  target[at++] = rest
  target.set(frame, at)
  return at + frame.length
}

/**
 * The frames from `start` to `end`: views into `data`.
 *
 * @throws QuorateError `MALFORMED` unless they fill it exactly, none over `frameBytesMax`
 */
export function readFrames(
  data: Uint8Array,
  start: number,
  end: number,
  frameBytesMax: number,
): Uint8Array[] {
  const frames: Uint8Array[] = []
  let at = start
  while (at < end) {
    let length = 0
    let scale = 1
    let byte = 0x80
    while (byte >= 0x80) {
      if (at === end || scale > 0x10000000) throw malformed('a length without an end')
      byte = data[at++] as number
      length += (byte & 0x7f) * scale
      scale *= 0x80
    }
    if (byte === 0 && scale > 0x80) throw malformed('a length not in its shortest form')
    if (length > end - at) throw malformed(`${length} bytes expected, ${end - at} left`)
    if (length > frameBytesMax) throw malformed(`a frame of ${length} bytes, over the limit`)
    if (frames.length === BATCH_FRAMES_MAX) throw malformed('too many frames in one message')
    // A plain Uint8Array: the `slice` of a Buffer would be a view that looks like a copy.
    frames.push(new Uint8Array(data.buffer, data.byteOffset + at, length))
    at += length
  }
  if (frames.length === 0) throw malformed('a message without a frame')
  return frames
}

function malformed(what: string): QuorateError {
  return new QuorateError('MALFORMED', `malformed batch: ${what}`)
}
