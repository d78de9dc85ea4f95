// The public face of the package on Node: the transport between hosts, and both ends of clients.
/**
 * A transport over WebSocket, between hosts and from clients to hosts.
 *
 * @packageDocumentation
 */
export type { BackoffOptions } from './backoff.ts'
export type { ListenOptions } from './listening.ts'
export type { PeerTlsOptions, WebSocketsOptions } from './options.ts'
export { webSockets, type WebSocketTransport } from './transport.ts'
export { webSocketDialer, type WebSocketDialerOptions } from './client-dialer.ts'
export {
  webSocketListener,
  type WebSocketListener,
  type WebSocketListenerOptions,
} from './client-listener.ts'
