// Transports with one fault each, and the check that must find it: what shows that the suite can
// fail, and that it fails where it should.
import type { TransportHarness } from './harness.ts'
import { loopbackHarness, type TransportFault } from './loopback.ts'

/** A transport with a fault. */
export interface BrokenTransport {
  /** What it does wrong. */
  readonly name: string
  /** The name of the one check that it fails. */
  readonly fails: string
  /** Makes its hosts. */
  readonly harness: TransportHarness
}

const found: Readonly<Record<TransportFault, string>> = {
  'changes-frames': 'a frame arrives as it was sent, whatever its size',
  'joins-frames': 'frames that are sent together arrive apart',
  'trusts-the-content': 'a frame is named after the host that sent it',
  'delivers-to-all': 'a frame reaches only the host that it was sent to',
  'delivers-inside-send': 'no handler runs inside start or send',
  'queues-for-strangers': 'a frame to an unknown host is dropped',
  'takes-oversized-frames': 'a frame over frameBytesMax is dropped, and harms no other',
  'reuses-memory': 'a frame belongs to its receiver, and what comes later does not change it',
  'has-no-bound': 'the queue of a peer is bounded, and what does not fit is dropped',
  'never-drains': 'a queue that was full takes frames again once it has drained',
  'has-one-lane': 'a frame on the fast lane waits for one bulk frame at most',
  'waits-for-peers': 'start resolves where no peer is there',
  'tells-frames-first': 'a host is told of a connection before its first frame',
  'ignores-clusters': 'a host of another cluster is refused',
  'ignores-wire-versions': 'a host of another wire version is refused',
  'hides-losses': 'a host is told that a peer has gone, and frames to it are dropped',
  'never-reconnects': 'a peer that comes back is connected again',
  'delivers-old-frames': 'no frame of a connection comes after its end',
  'keeps-removed-peers': 'a peer that is removed is cut off, and one that is added is connected',
  'ignores-storages':
    'a host that comes back with another storage is refused until it is named anew',
  'refuses-all-new-storages': 'a host that says that its storage is lost is let in with another',
  'takes-older-storages':
    'a host that comes back on an older copy of its storage is refused until it is named anew',
  'takes-repeated-starts':
    'a host that repeats an earlier start of its storage is refused until it is named anew',
  'refuses-the-next-start': 'the next start of a host on its storage is let in',
  'is-never-closed': 'the status tells where it is in its life',
  'closes-once': 'close can be called again, and before start',
  'starts-again': 'start after close fails with CLOSED',
  'tells-after-close': 'nothing is told after close, and nothing is queued',
  'ignores-abort': 'close with an aborted signal releases at once',
  'leaves-a-timer': 'no timer is left after close',
}

/** Every broken transport. */
export const brokenTransports: readonly BrokenTransport[] = Object.freeze(
  Object.entries(found).map(([fault, fails]) => ({
    name: fault.replaceAll('-', ' '),
    fails,
    harness: loopbackHarness(fault as TransportFault),
  })),
)

/** The same transport without a fault, which passes every check. */
export const loopbackTransport: TransportHarness = loopbackHarness()
