// Checks of life by themselves: a peer that talks on and never reads, and one that was only slow.
import type { Socket } from 'node:net'
import { expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { Liveness } from '../src/liveness.ts'

function watched() {
  const socket = { bytesRead: 0, bytesWritten: 0, writableLength: 0, writableNeedDrain: false }
  const ws = { readyState: WebSocket.OPEN, ping() {} }
  const liveness = new Liveness(ws as unknown as WebSocket, socket as unknown as Socket)
  return { socket, check: () => liveness.check() }
}

test('a peer that sends and never reads is given up after three checks, and not before', () => {
  const { socket, check } = watched()
  Object.assign(socket, { bytesWritten: 1_000, writableLength: 600 })
  check()
  for (let count = 0; count < 3; count++) {
    socket.bytesRead += 10
    expect(check()).toBe(count < 2 ? undefined : 'the other side does not read')
  }
})

test('a peer that reads a little between checks stays', () => {
  const { socket, check } = watched()
  Object.assign(socket, { bytesWritten: 1_000, writableLength: 900 })
  for (let count = 0; count < 20; count++) {
    socket.bytesRead += 10
    socket.writableLength -= 1
    expect(check()).toBeUndefined()
  }
})
