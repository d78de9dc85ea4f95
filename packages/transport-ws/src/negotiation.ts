// Runs a handshake over a socket: within a deadline, within a few bytes, and with the reason on
// both sides when it fails.
import type { Socket } from 'node:net'
import type { Clock } from '@quorate/core'
import type { RawData, WebSocket } from 'ws'
import type { Handshake, HandshakeStep, Peer } from './handshake.ts'
import { HANDSHAKE_BYTES_MAX, printable, type Refusal } from './wire.ts'

/** How a handshake over a socket ended. */
export type Verdict =
  | { readonly peer: Peer }
  | { readonly refusal: Refusal & { readonly by: 'us' | 'them' } }

/** What a negotiation needs. */
export interface NegotiationOptions {
  readonly clock: Clock
  readonly timeoutMs: number
  readonly dials: boolean
  /** Called once, in the turn in which the last message came: nothing that follows it is lost. */
  onVerdict(verdict: Verdict): void
}

/** Bytes that a stranger may send before it has proven who it is, WebSocket framing included. */
const STRANGER_BYTES_MAX = 4 * HANDSHAKE_BYTES_MAX

/** Negotiates; the socket is closed where that fails. Returns a function that gives up. */
export function negotiate(
  ws: WebSocket,
  socket: Socket,
  handshake: Handshake,
  options: NegotiationOptions,
): (reason: string) => void {
  let over = false
  let strangerBytes = 0
  const finish = (verdict: Verdict): void => {
    if (over) return
    over = true
    timer.cancel()
    ws.off('message', onMessage)
    ws.off('close', onClose)
    socket.off('data', onData)
    options.onVerdict(verdict)
    if ('refusal' in verdict) {
      if (verdict.refusal.by === 'us') ws.close(1008, verdict.refusal.code)
      else ws.terminate()
    }
  }
  const fail = (refusal: Refusal): void => finish({ refusal: { ...refusal, by: 'us' } })
  const onMessage = (data: RawData, isBinary: boolean): void => {
    if (!isBinary) return fail({ code: 'MALFORMED', reason: 'a text message in a handshake' })
    const step: HandshakeStep = handshake.receive(data as Buffer)
    for (const message of step.send) ws.send(message)
    if (step.refusal !== undefined) finish({ refusal: step.refusal })
    else if (step.peer !== undefined) finish({ peer: step.peer })
  }
  const onClose = (code: number, reason: Buffer): void => {
    const said = reason.length > 0 ? `: ${printable(reason.toString())}` : ''
    finish({
      refusal: { code: 'UNAVAILABLE', reason: `closed with code ${code}${said}`, by: 'them' },
    })
  }
  const onError = (error: Error): void => {
    fail({ code: 'UNAVAILABLE', reason: printable(error.message) })
  }
  const onData = (chunk: Uint8Array): void => {
    strangerBytes += chunk.length
    if (strangerBytes <= STRANGER_BYTES_MAX) return
    fail({ code: 'LIMIT_EXCEEDED', reason: 'too many bytes in a handshake' })
    ws.terminate()
  }
  const timer = options.clock.setTimer(options.timeoutMs, () => {
    fail({ code: 'TIMEOUT', reason: `no handshake within ${options.timeoutMs} ms` })
    ws.terminate()
  })
  ws.on('message', onMessage)
  ws.on('close', onClose)
  // Stays for good: an error without a listener would end the process.
  ws.on('error', onError)
  // What a dialer receives right behind the acceptor's last word are frames already.
  if (!options.dials) socket.on('data', onData)
  else ws.send(handshake.start())
  return (reason) => {
    fail({ code: 'CLOSED', reason })
    ws.terminate()
  }
}
