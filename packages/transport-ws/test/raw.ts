// Sockets that speak WebSocket by hand, with every mistake that a library would not let one make.
import { connect, type Socket } from 'node:net'

/** A TCP connection, its bytes so far, and its end. */
export interface RawSocket {
  readonly socket: Socket
  readonly received: () => string
  readonly closed: Promise<void>
}

/** Connects; `to` is a port, or the path of a socket. */
export async function raw(to: number | string, localPort?: number): Promise<RawSocket> {
  const here = localPort === undefined ? {} : { localPort }
  const socket = connect(
    typeof to === 'string' ? { path: to } : { port: to, host: '127.0.0.1', ...here },
  )
  let received = ''
  socket.on('data', (chunk) => (received += chunk.toString('latin1')))
  socket.on('error', () => {})
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  await new Promise<void>((resolve) => {
    socket.once('connect', resolve)
    socket.once('close', () => resolve())
  })
  return { socket, received: () => received, closed }
}

export function upgradeRequest(headers: Readonly<Record<string, string>> = {}, path = '/'): string {
  const all = {
    Host: '127.0.0.1',
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    ...headers,
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`)
  return `GET ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`
}

/** A raw socket that has been upgraded. */
export async function upgraded(to: number | string): Promise<RawSocket> {
  const each = await raw(to)
  each.socket.write(upgradeRequest())
  while (!each.received().includes('\r\n\r\n')) {
    await new Promise<void>((resolve) => each.socket.once('data', () => resolve()))
  }
  return each
}

/** What a frame says of itself; the payload's length may be a lie. */
export interface FrameOptions {
  readonly opcode?: number
  readonly fin?: boolean
  readonly rsv1?: boolean
  readonly masked?: boolean
  readonly length?: number
}

/** One WebSocket frame (RFC 6455, section 5.2). */
export function frame(payload: Uint8Array | string, options: FrameOptions = {}): Buffer {
  const { opcode = 2, fin = true, rsv1 = false, masked = true } = options
  const body = Buffer.from(payload as Uint8Array)
  const length = options.length ?? body.length
  const header = [(fin ? 0x80 : 0) | (rsv1 ? 0x40 : 0) | opcode]
  const mask = masked ? 0x80 : 0
  if (length <= 125 || opcode >= 8) header.push(mask | Math.min(length, 127))
  else if (length <= 0xffff) header.push(mask | 126, length >> 8, length & 0xff)
  else {
    const long = Buffer.alloc(8)
    long.writeBigUInt64BE(BigInt(length))
    header.push(mask | 127, ...long)
  }
  return Buffer.concat([Buffer.from(header), masked ? Buffer.alloc(4) : Buffer.alloc(0), body])
}
