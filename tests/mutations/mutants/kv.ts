// Bugs of the store: sessions that forget, epochs that are not looked at, moves and handovers that
// lose or double what was written.
import type { Mutant } from '../src/mutant.ts'

const machine = 'packages/kv/src/machine'
const handover = 'packages/kv/test/machine/handover.test.ts'
const sessions = 'packages/kv/test/machine/sessions.test.ts'
const planner = 'packages/kv/test/placement/planner.test.ts'
const routing = 'packages/kv/test/router.test.ts'
const healing = 'packages/kv/test/healing.test.ts'

export const mutants: readonly Mutant[] = [
  {
    id: 'kv-session-not-recorded',
    file: `${machine}/shard-machine.ts`,
    find: '    this.#sessions.record(session, seq, answer)\n',
    replace: '    if (!answer) this.#sessions.record(session, seq, answer)\n',
    breaks: 'A retried command is applied once.',
    killedBy: [sessions],
  },
  {
    id: 'kv-session-floor-ignored',
    file: `${machine}/sessions.ts`,
    find: 'if (found === undefined || seq < found.floor) return EXPIRED',
    replace: 'if (found === undefined) return EXPIRED',
    breaks: 'A command whose answer has arrived does not apply when a copy of it comes late.',
    killedBy: [sessions],
  },
  {
    id: 'kv-session-lost-in-snapshot',
    file: `${machine}/shard-machine.ts`,
    find: 'this.#sessions = sessionTable(state.sessions)',
    replace: 'this.#sessions = sessionTable()',
    breaks: 'Sessions live in the snapshot.',
    killedBy: ['packages/kv/test/machine/snapshot.test.ts'],
  },
  {
    id: 'kv-epoch-unchecked-at-apply',
    file: `${machine}/shard-machine.ts`,
    find: 'if (epoch === this.#epoch) return undefined',
    replace: 'if (epoch === this.#epoch || epoch > 0) return undefined',
    breaks: 'A command of an older epoch is refused when it is applied, too.',
    killedBy: [sessions],
  },
  {
    id: 'kv-due-key-stays',
    file: `${machine}/shard-machine.ts`,
    find: '    this.#keys.expire(timeMs, index, kvLimits.expiredPerCommandMax, changes)\n',
    replace: '    if (index < 0) this.#keys.expire(timeMs, index, 1, changes)\n',
    breaks: 'A key goes once its time has come.',
    killedBy: ['packages/kv/test/machine/model.test.ts'],
  },
  {
    id: 'kv-handover-late-piece',
    file: `${machine}/ownership.ts`,
    find: 'if (incoming.next !== command.piece) return',
    replace: 'if (incoming.next < command.piece) return',
    breaks: 'A piece of a handover that comes twice does not bring back what was removed since.',
    killedBy: [handover],
  },
  {
    id: 'kv-handover-old-runner',
    file: `${machine}/ownership.ts`,
    find: `  if (incoming?.handover !== command.handover || incoming.token !== command.token) {
    return refused('pieces`,
    replace: `  if (incoming?.handover !== command.handover) {
    return refused('pieces`,
    breaks: 'Whoever was replaced as the one who carries out a handover cannot go on with it.',
    killedBy: [handover],
  },
  {
    id: 'kv-handover-no-last-copy',
    file: 'packages/kv/src/placement/handover-run.ts',
    find: `    await this.#copy()
    const { outgoing }`,
    replace: '    const { outgoing }',
    breaks: 'What was written while keys were copied is there once the other shard serves them.',
    killedBy: [handover],
  },
  {
    id: 'kv-handover-still-served',
    file: `${machine}/ownership.ts`,
    find: 'state: { ...state, owned: left, outgoing }',
    replace: 'state: { ...state, outgoing }',
    breaks: 'A key is served by one shard at a time.',
    killedBy: [handover],
  },
  {
    id: 'kv-handover-version-reused',
    file: `${machine}/ownership.ts`,
    find: 'const offset = state.offset + Math.max(0, command.revision + 1 - revision)',
    replace: 'const offset = state.offset + Math.max(0, command.revision - command.revision)',
    breaks: 'A version of a key is never used twice, wherever the key is.',
    killedBy: [handover],
  },
  {
    id: 'kv-handover-keeps-rubbish',
    file: `${machine}/ownership.ts`,
    find: '  for (const key of due.slice(0, command.max)) keys.place(key, undefined)\n',
    replace: '',
    breaks: 'A shard forgets what it has given away.',
    killedBy: [handover],
  },
  {
    id: 'kv-repair-when-cut-off',
    file: 'packages/kv/src/placement/planner.ts',
    find: 'const trusted = options.dead.size * 3 <= hosts',
    replace: 'const trusted = options.dead.size <= hosts',
    breaks: 'Nothing is replaced while more than a third of the hosts seem dead.',
    killedBy: [planner],
  },
  {
    id: 'kv-balance-ping-pong',
    file: 'packages/kv/src/placement/planner.ts',
    find: 'if (this.#loadOf(from) - this.#loadOf(target) < 2) break',
    replace: 'if (this.#loadOf(from) - this.#loadOf(target) < 1) break',
    breaks: 'What is balanced stays where it is.',
    killedBy: [planner],
  },
  {
    id: 'kv-plan-against-old-epoch',
    file: 'packages/kv/src/placement/state.ts',
    find: '    if (held.epoch !== command.epoch) return `shard ${shard} has epoch ${held.epoch}`\n',
    replace: '',
    breaks: 'A move that was planned against something older does not apply.',
    killedBy: [planner],
  },
  {
    id: 'kv-route-epoch-not-learnt',
    file: 'packages/kv/src/routing/routed-call.ts',
    find: '        route.epoch = error.epoch\n',
    replace: '',
    breaks: 'A stale client heals with the first reply.',
    killedBy: [routing],
  },
  {
    id: 'kv-retry-in-new-session',
    file: 'packages/kv/src/routing/routed-call.ts',
    find: 'if (this.#mayHaveRun || this.#spec.renew === undefined) {',
    replace: 'if (this.#spec.renew === undefined) {',
    breaks: 'A command that may have run is never sent again under another session.',
    killedBy: [routing],
  },
  {
    id: 'kv-map-healed-when-cut-off',
    file: 'packages/kv/src/placement/map-group.ts',
    find: 'if (dead.size * 3 > Object.keys(hosts).length) return undefined',
    replace: 'if (dead.size > Object.keys(hosts).length) return undefined',
    breaks: 'Hosts of the map are not replaced while more than a third of the hosts seem dead.',
    killedBy: [planner],
  },
  {
    id: 'kv-map-asked-for-by-each',
    file: 'packages/kv/src/routing/router.ts',
    find: 'if (waiting !== undefined) return void waiting.push(done)',
    replace: 'if (waiting !== undefined) waiting.length = 0',
    breaks: 'The map is asked for once, however many calls wait for it.',
    killedBy: [healing],
    hangs: true,
  },
  {
    id: 'kv-pace-forgives',
    file: 'packages/kv/src/placement/pace.ts',
    find: '    owed += bytes\n',
    replace: '    owed = Math.min(bytes, bytesPerSecond)\n',
    breaks: 'Moves copy no more bytes a second than they may.',
    killedBy: ['packages/kv/test/placement/range-planner.test.ts'],
  },
  {
    id: 'kv-merge-too-soon',
    file: 'packages/kv/src/placement/range-planner.ts',
    find: '} else if (unchangedMs >= mergeAfterMs) {',
    replace: '} else {',
    breaks: 'What was changed a moment ago is not merged.',
    killedBy: ['packages/kv/test/placement/range-planner.test.ts'],
  },
]
