// What the transport measures: a few series, resolved once, touched once a message at most.
import type { Counter, Gauge, Metrics } from '@quorate/core'

/** The series of one transport between hosts. */
export interface Meters {
  readonly sentBytes: Counter
  readonly receivedBytes: Counter
  readonly droppedFrames: Counter
  readonly connections: Gauge
  readonly refusedHandshakes: Counter
  readonly rejectedSockets: Counter
}

export function meters(metrics: Metrics): Meters {
  return {
    sentBytes: metrics.counter(
      'quorate_transport_sent_bytes_total',
      'Bytes of messages handed to sockets of peers',
    ),
    receivedBytes: metrics.counter(
      'quorate_transport_received_bytes_total',
      'Bytes of messages received from peers',
    ),
    droppedFrames: metrics.counter(
      'quorate_transport_dropped_frames_total',
      'Frames refused because no connection stood or its queue was full',
    ),
    connections: metrics.gauge('quorate_transport_connections', 'Connections to peers that stand'),
    refusedHandshakes: metrics.counter(
      'quorate_transport_refused_handshakes_total',
      'Handshakes that ended without a connection',
    ),
    rejectedSockets: metrics.counter(
      'quorate_transport_rejected_sockets_total',
      'Sockets turned away before a handshake: too many, too slow, or not allowed',
    ),
  }
}
