// The public face of the package in a browser: only the client's end, over the platform's own
// WebSocket.
/**
 * Connects a page to hosts over WebSocket.
 *
 * @packageDocumentation
 */
export { webSocketDialer, type WebSocketDialerOptions } from './browser-dialer.ts'
