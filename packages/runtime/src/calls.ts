// Calls between hosts: a request, one answer, a deadline. Whether a call that failed may have run
// is always said, because whoever retries has to know.
import type {
  CallOptions,
  Clock,
  Lane,
  Limits,
  Logger,
  NodeId,
  Timer,
  Unsubscribe,
} from '@quorate/core'
import { abortError, checkId, QuorateError, offAbort, onAbort } from '@quorate/core'
import { Arrivals } from './arrivals.ts'
import type { FrameRecord } from './frame.ts'
import { failureOf, writeCall, writeFailure, writeResult } from './frame.ts'
import type { CallHandler } from './host.ts'
import type { Meters } from './metrics.ts'
import type { Outbox } from './outbox.ts'
import { DEFAULT_TIMEOUT_MS } from './waiting.ts'

interface PendingCall {
  readonly to: NodeId
  resolve(body: Uint8Array): void
  reject(error: QuorateError): void
}

/** The calls of one host, in both directions. */
export interface Calls {
  /** See `Host.serve`; on which lane results travel is the service's affair. */
  serve(service: string, handler: CallHandler, lane?: Lane): Unsubscribe
  /** See `Host.call`. */
  call(to: NodeId, service: string, request: Uint8Array, options?: CallOptions): Promise<Uint8Array>
  /** Takes a record of a frame. */
  receive(from: NodeId, record: Exclude<FrameRecord, { type: 'message' }>): void
  /** Ends the calls to a peer whose connection was lost. */
  peerLost(peer: NodeId): void
  /** Ends all calls. */
  close(): void
}

/** Makes the calls of a host. */
export function createCalls(
  host: NodeId,
  clock: Clock,
  limits: Limits,
  logger: Logger,
  outbox: Outbox,
  meters: Pick<Meters, 'calls'>,
): Calls {
  const services = new Map<string, { handler: CallHandler; lane: Lane }>()
  const pending = new Map<number, PendingCall>()
  const arrivals = new Map<NodeId, Arrivals>()
  const closing = new AbortController()
  let lastId = 0
  let serving = 0
  const shares = new Map<NodeId, number>()
  // One peer leaves room for the others.
  const shareMax = Math.ceil(limits.pendingCallsMax / 2)

  const noService = (service: string): QuorateError =>
    new QuorateError('UNAVAILABLE', `host ${host} has no service "${service}"`)
  const tooMany = (): QuorateError =>
    new QuorateError('LIMIT_EXCEEDED', 'too many calls under way', { retryable: true })
  const isNew = (from: NodeId, id: number): boolean => {
    let arrived = arrivals.get(from)
    if (arrived === undefined) arrivals.set(from, (arrived = new Arrivals()))
    return arrived.isNew(id)
  }
  const release = (from: NodeId): void => {
    serving--
    const left = (shares.get(from) ?? 1) - 1
    if (left > 0) shares.set(from, left)
    else shares.delete(from)
  }
  const answer = (from: NodeId, id: number, service: string, body: Uint8Array): void => {
    // The first of them answers.
    if (!isNew(from, id)) return
    const served = services.get(service)
    const fail = (error: unknown): void =>
      void outbox.append(from, 'fast', (w) => writeFailure(w, id, error))
    if (served === undefined) return fail(noService(service))
    const share = shares.get(from) ?? 0
    if (serving >= limits.pendingCallsMax || share >= shareMax) return fail(tooMany())
    const reply = (result: Uint8Array): void => {
      if (outbox.append(from, served.lane, (w) => writeResult(w, id, result)) === 'dropped') {
        // The handler has run: whatever it did is done.
        fail(new QuorateError('OUTCOME_UNKNOWN', 'the result exceeds a frame'))
      }
    }
    serving++
    shares.set(from, share + 1)
    runHandler(served.handler, body, { from, signal: closing.signal }).then(
      (result) => {
        release(from)
        reply(result)
      },
      (error: unknown) => {
        release(from)
        fail(error)
      },
    )
  }

  return {
    serve(service, handler, lane = 'fast') {
      checkId(service, 'a service')
      if (services.has(service))
        throw new QuorateError('CONFLICT', `service "${service}" is served already`)
      services.set(service, { handler, lane })
      return () => void services.delete(service)
    },
    async call(to, service, request, { signal, timeoutMs = DEFAULT_TIMEOUT_MS } = {}) {
      if (closing.signal.aborted) throw new QuorateError('CLOSED', 'the host is closed')
      if (signal?.aborted) throw abortError(signal, `the call of "${service}"`)
      if (pending.size >= limits.pendingCallsMax) {
        throw tooMany()
      }
      const own = to === host ? services.get(service) : undefined
      if (to === host && own === undefined) throw noService(service)
      const id = ++lastId
      return new Promise<Uint8Array>((resolve, reject) => {
        const unknown = (why: string, cause?: unknown): void =>
          pending.get(id)?.reject(
            new QuorateError('OUTCOME_UNKNOWN', `the call of "${service}" on ${to} ${why}`, {
              cause,
            }),
          )
        const aborted = (): void => unknown('was aborted', signal?.reason)
        const timer: Timer = clock.setTimer(timeoutMs, () =>
          unknown(`had no answer in ${timeoutMs} ms`),
        )
        const release = (): void => {
          pending.delete(id)
          timer.cancel()
          if (signal !== undefined) offAbort(signal, aborted)
        }
        if (signal !== undefined) onAbort(signal, aborted)
        pending.set(id, {
          to,
          resolve(body) {
            release()
            meters.calls.add('ok')
            resolve(body)
          },
          reject(error) {
            release()
            meters.calls.add(error.code.toLowerCase())
            reject(error)
          },
        })
        if (own !== undefined) {
          runHandler(own.handler, request, { from: host, signal: closing.signal }).then(
            (body) => pending.get(id)?.resolve(body),
            (error: unknown) => pending.get(id)?.reject(failureOf(error)),
          )
        } else if (
          outbox.append(to, 'fast', (w) => writeCall(w, id, service, request)) === 'dropped'
        ) {
          pending.get(id)?.reject(new QuorateError('LIMIT_EXCEEDED', 'the request exceeds a frame'))
        }
      })
    },
    receive(from, record) {
      if (record.type === 'call') return answer(from, record.id, record.service, record.body)
      const call = pending.get(record.id)
      // A late answer, or one from a host that was not asked.
      if (call === undefined || call.to !== from) {
        return logger.debug({ from, id: record.id }, 'an answer that nobody waits for')
      }
      if (record.type === 'result') call.resolve(record.body)
      else call.reject(record.error)
    },
    peerLost(peer) {
      // No frame of that connection comes any more, and the next may be of another run of the peer.
      arrivals.delete(peer)
      for (const call of pending.values()) {
        if (call.to === peer) {
          call.reject(new QuorateError('OUTCOME_UNKNOWN', `the connection to ${peer} was lost`))
        }
      }
    },
    close() {
      closing.abort(new QuorateError('CLOSED', 'the host is closed'))
      for (const call of pending.values()) {
        call.reject(new QuorateError('OUTCOME_UNKNOWN', 'the host was closed'))
      }
      services.clear()
    },
  }
}

async function runHandler(
  handler: CallHandler,
  body: Uint8Array,
  context: Parameters<CallHandler>[1],
): Promise<Uint8Array> {
  return handler(body, context)
}
