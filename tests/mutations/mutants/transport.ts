// Bugs of transports: strangers that are let in, frames of another connection or another sender,
// queues without an end, and hosts that come back all at once.
import type { Mutant } from '../src/mutant.ts'

const ws = 'packages/transport-ws/src'
const memory = 'packages/transport-memory/src'
const handshake = 'packages/transport-ws/test/handshake.test.ts'
const channel = 'packages/transport-ws/test/channel.test.ts'
const link = 'packages/transport-ws/test/link.test.ts'
const queue = 'packages/transport-ws/test/send-queue.test.ts'
const fuzz = { file: 'packages/transport-ws/test/fuzz.test.ts', name: 'the corpus' }
const memoryConformance = 'packages/transport-memory/test/conformance.test.ts'

export const mutants: readonly Mutant[] = [
  {
    id: 'transport-any-cluster',
    file: `${ws}/handshake.ts`,
    find: 'if (hello.cluster !== context.cluster) {',
    replace: "if (hello.cluster === '') {",
    breaks: 'Hosts of another cluster are refused.',
    killedBy: [handshake],
  },
  {
    id: 'transport-any-wire-version',
    file: `${ws}/handshake.ts`,
    find: 'if (hello.wireVersion !== context.wireVersion) {',
    replace: 'if (hello.wireVersion < 0) {',
    breaks: 'Hosts of another wire version are refused.',
    killedBy: [handshake],
  },
  {
    id: 'transport-any-name',
    file: `${ws}/handshake.ts`,
    find: 'if (this.#expected !== undefined && hello.from !== this.#expected) {',
    replace: "if (this.#expected === '') {",
    breaks:
      'A connection belongs to the host that was dialed, whatever the other side calls itself.',
    killedBy: [handshake],
  },
  {
    id: 'transport-any-proof',
    file: `${ws}/handshake.ts`,
    find: "if (!good) throw new QuorateError('UNAUTHORIZED', 'the peer does not hold the secret')",
    replace:
      "if (good === undefined) throw new QuorateError('UNAUTHORIZED', 'the peer does not hold the secret')",
    breaks: 'A host that does not hold the secret is refused.',
    killedBy: [handshake],
  },
  {
    id: 'transport-message-played-again',
    file: `${ws}/secret.ts`,
    find: '    this.#sequence++\n',
    replace: '',
    breaks: 'A sealed message counts once, in its place.',
    killedBy: [handshake],
  },
  {
    id: 'transport-any-storage',
    file: 'packages/core/src/transport.ts',
    find: 'if (now.rejoin === true) return undefined',
    replace: 'if (now.rejoin !== null) return undefined',
    breaks: 'A host that lost its storage is refused until somebody says that it is meant.',
    killedBy: ['packages/core/test/storage-fault.test.ts', memoryConformance],
  },
  {
    id: 'transport-copied-disk',
    file: 'packages/core/src/transport.ts',
    find: 'if (count === then && before.run === now.run) return undefined',
    replace: 'if (count === then) return undefined',
    breaks: 'A host on a copy of its disk is refused where it repeats an earlier start.',
    killedBy: ['packages/core/test/storage-fault.test.ts', memoryConformance],
  },
  {
    id: 'transport-frame-of-an-ended-connection',
    file: `${memory}/transport.ts`,
    find: 'if (link.alive) handlers.onFrame(link.from, frame.slice())',
    replace: 'handlers.onFrame(link.from, frame.slice())',
    breaks: 'No frame of a connection comes after its end.',
    killedBy: [memoryConformance],
  },
  {
    id: 'transport-frame-shared-with-its-sender',
    file: `${memory}/transport.ts`,
    find: 'if (link.alive) handlers.onFrame(link.from, frame.slice())',
    replace: 'if (link.alive) handlers.onFrame(link.from, frame)',
    breaks: 'A frame belongs to its receiver.',
    killedBy: ['packages/transport-memory/test/network.test.ts'],
  },
  {
    id: 'transport-queue-without-end',
    file: `${ws}/send-queue.ts`,
    find: 'if (held > 0 && held + frame.length > this.#bytesMax) return false',
    replace: 'if (held > 0 && held + frame.length > this.#bytesMax * 2) return false',
    breaks: 'The queue of a peer keeps to its bound.',
    killedBy: [queue],
  },
  {
    id: 'transport-bulk-before-fast',
    file: `${ws}/channel.ts`,
    find: "if (this.#ended || room <= 0 || this.#bulkOnItsWay || !this.#queue.waits('bulk')) return",
    replace: "if (this.#ended || room <= 0 || !this.#queue.waits('bulk')) return",
    breaks: 'One bulk frame is on its way at a time, so that it never holds up the fast lane.',
    killedBy: [channel],
  },
  {
    id: 'transport-reader-that-is-gone',
    file: `${ws}/liveness.ts`,
    find: "if (this.#stuck >= BAD_CHECKS_MAX) return 'the other side does not read'",
    replace: "if (this.#stuck >= 1e9) return 'the other side does not read'",
    breaks: 'A peer that does not read is given up.',
    killedBy: ['packages/transport-ws/test/liveness.test.ts'],
  },
  {
    id: 'transport-everybody-at-once',
    file: `${ws}/backoff.ts`,
    find: 'return this.#random.fraction() * bound',
    replace: 'return bound',
    breaks: 'Hosts that lost each other together do not come back together.',
    killedBy: [link],
  },
  {
    id: 'transport-never-slower',
    file: `${ws}/backoff.ts`,
    find: '    this.#attempts++\n',
    replace: '',
    breaks: 'Attempts that fail come ever later.',
    killedBy: [link],
  },
  {
    id: 'transport-frame-over-its-limit',
    file: `${ws}/batch.ts`,
    find: '    if (length > frameBytesMax) throw malformed(`a frame of ${length} bytes, over the limit`)\n',
    replace: '',
    breaks: 'A frame over the limit ends its connection.',
    killedBy: [fuzz],
  },
  {
    id: 'transport-forged-log-line',
    file: `${ws}/wire.ts`,
    find: '    /[^\\x20-\\x7e]/g,\n',
    replace: '    /[^\\x00-\\x7e]/g,\n',
    breaks: 'Text of a stranger cannot forge a line of a log.',
    killedBy: [{ file: 'packages/transport-ws/test/fuzz.test.ts', name: 'forge|forges' }],
  },
  {
    id: 'transport-bulk-unpaced',
    file: `${ws}/channel.ts`,
    find: 'if (this.#confirmations === CONFIRMATIONS_MAX)',
    replace: 'if (this.#confirmations < 0)',
    breaks: 'What a peer makes a host say waits within a bound.',
    killedBy: [{ file: channel, name: 'bulk frames that wait for no confirmation' }],
  },
  {
    id: 'transport-empty-frames-free',
    file: `${memory}/fifo.ts`,
    find: 'export const FRAME_COST = 64',
    replace: 'export const FRAME_COST = 0',
    breaks: 'Frames without a byte are bounded too.',
    killedBy: [
      {
        file: 'packages/transport-memory/test/network.test.ts',
        name: 'frames without a byte fill a queue too',
      },
    ],
  },
  {
    id: 'transport-page-option-ignored',
    file: `${ws}/browser-dialer.ts`,
    find: "  rejectUnknownOptions(options, OPTIONS, 'webSocketDialer')\n",
    replace: '',
    breaks: 'A page is told of an option that its dialer does not have.',
    killedBy: ['tests/integration/test/misspelt-options.test.ts'],
  },
  {
    id: 'transport-end-of-another',
    file: `${ws}/listening.ts`,
    find: 'if (this.#named.get(name) === counted) this.#named.delete(name)',
    replace: 'this.#named.delete(name)',
    breaks: 'The end of a socket takes nothing from the next one of the same address and port.',
    killedBy: [{ file: 'packages/transport-ws/test/strangers.test.ts', name: 'is let in' }],
  },
]

/** Well-known bugs that have no place in these sources. */
export const notApplicable = [
  {
    bug: 'Part of a frame is delivered where a connection ends within it.',
    why: 'A WebSocket message is whole or not there: there is no partial frame to let through.',
  },
  {
    bug: 'Back-pressure drops frames from the middle of what is queued.',
    why: 'A frame is refused when it is offered; nothing that was queued is ever taken out.',
  },
  {
    bug: 'Frames of two connections are taken for one ordered stream.',
    why: 'Nothing above a transport takes them for one: the simulator reorders and repeats frames in every run.',
  },
]
