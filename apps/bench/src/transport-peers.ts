// What the transport is measured against, in the same process and the same run: a bare WebSocket
// with one message a frame, and a bare TCP socket whose messages have a length in front.
import { createServer as createTcpServer, connect, type AddressInfo, type Socket } from 'node:net'
import {
  createRandom,
  defaultLimits,
  noMetrics,
  silentLogger,
  systemClock,
  type TransportContext,
} from '@quorate/core'
import { webSockets } from '@quorate/transport-ws'
import { WebSocket, WebSocketServer } from 'ws'

/** A one-way stream of messages from one end of the loopback to the other. */
export interface Pipe {
  readonly name: string
  /** Hands over one message. */
  send(message: Uint8Array): void
  /** Called for each message that arrives, with its length. */
  onArrival: (bytes: number) => void
  close(): Promise<void>
}

/** `transport-ws`, as a host uses it. */
export async function transportPipe(): Promise<Pipe> {
  const context = (host: string): TransportContext => ({
    cluster: 'bench',
    host,
    wireVersion: 1,
    clock: systemClock(),
    random: createRandom(1),
    limits: defaultLimits,
    logger: silentLogger,
    metrics: noMetrics,
  })
  const receiver = webSockets({ listen: 0, peers: { a: '' } })
  const pipe: Pipe = {
    name: 'transport-ws',
    onArrival() {},
    send(message) {
      if (sender.send('b', message) === 'dropped') throw new Error('a message was dropped')
    },
    async close() {
      await Promise.all([sender.close(), receiver.close()])
    },
  }
  await receiver.start(context('b'), {
    onFrame: (_from, frame) => pipe.onArrival(frame.length),
    onPeer() {},
  })
  const sender = webSockets({ peers: { b: `ws://127.0.0.1:${receiver.port}` } })
  await new Promise<void>((resolve, reject) => {
    const handlers = { onFrame() {}, onPeer: () => resolve() }
    sender.start(context('a'), handlers).catch(reject)
  })
  return pipe
}

/** `ws` by itself, one message a frame. */
export async function bareWebSocketPipe(): Promise<Pipe> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false })
  await new Promise<void>((resolve) => server.once('listening', resolve))
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, {
    perMessageDeflate: false,
  })
  const pipe: Pipe = {
    name: 'bare ws',
    onArrival() {},
    send: (message) => client.send(message),
    async close() {
      client.terminate()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
  server.on('connection', (socket) => {
    socket.on('message', (data: Buffer) => pipe.onArrival(data.length))
  })
  await new Promise<void>((resolve) => client.once('open', resolve))
  return pipe
}

/** A TCP socket by itself: four bytes of length before each message, two buffers a write. */
export async function bareTcpPipe(): Promise<Pipe> {
  const server = createTcpServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve))
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  client.setNoDelay(true)
  const receiver = await accepted
  const pipe: Pipe = {
    name: 'bare TCP',
    onArrival() {},
    send(message) {
      const header = Buffer.allocUnsafe(4)
      header.writeUInt32LE(message.length)
      client.cork()
      client.write(header)
      client.write(message)
      client.uncork()
    },
    async close() {
      client.destroy()
      receiver.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
  receiver.on(
    'data',
    splitter((bytes) => pipe.onArrival(bytes)),
  )
  return pipe
}

/** Cuts a stream of chunks into messages, and copies one only where chunks cut through it. */
function splitter(onMessage: (bytes: number) => void): (chunk: Buffer) => void {
  let rest: Buffer | undefined
  return (chunk) => {
    let data = rest === undefined ? chunk : Buffer.concat([rest, chunk])
    while (data.length >= 4) {
      const end = 4 + data.readUInt32LE(0)
      if (data.length < end) break
      onMessage(data.subarray(4, end).length)
      data = data.subarray(end)
    }
    rest = data.length > 0 ? data : undefined
  }
}
