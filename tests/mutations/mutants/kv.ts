// Bugs of the store: sessions that forget, epochs that are not looked at, moves and handovers that
// lose or double what was written.
import type { Mutant } from '../src/mutant.ts'

const machine = 'packages/kv/src/machine'
const handover = 'packages/kv/test/machine/handover.test.ts'
const sessions = 'packages/kv/test/machine/sessions.test.ts'
const planner = 'packages/kv/test/placement/planner.test.ts'
const routing = 'packages/kv/test/router.test.ts'
const healing = 'packages/kv/test/healing.test.ts'
const placement = 'packages/kv/src/placement'
const orders = 'packages/kv/test/placement/orders.test.ts'
const managed = 'packages/kv/test/placement/managed.test.ts'

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
    find: 'return ids.filter((id) => away.has(id)).length * 3 <= ids.length',
    replace: 'return ids.filter((id) => away.has(id)).length <= ids.length',
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
    find: '|| !isTrusted(placement, options))',
    replace: '|| (asked === -1 && !isTrusted(placement, options)))',
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
  {
    id: 'kv-order-given-twice',
    file: `${placement}/state.ts`,
    find: 'if (before !== undefined) return before',
    replace: 'if (before !== undefined && index < 0) return before',
    breaks: 'An order whose answer was lost is carried out once.',
    killedBy: [orders],
  },
  {
    id: 'kv-orders-lost-in-snapshot',
    file: `${placement}/state.ts`,
    find: 'this.#operations = new Map(operationsOf(body))',
    replace: 'this.#operations = new Map(operationsOf(body).slice(0, 0))',
    breaks: 'Orders are remembered in the snapshot of the map.',
    killedBy: [orders],
  },
  {
    id: 'kv-grows-to-two',
    file: `${placement}/planner.ts`,
    find: 'return possible % 2 === 0 ? possible - 1 : possible',
    replace: 'return possible',
    breaks: 'A shard does not stay at an even number of replicas that nobody asked for.',
    killedBy: [planner],
  },
  {
    id: 'kv-suspects-trusted',
    file: `${placement}/planner.ts`,
    find: 'new Set([...dead, ...(suspects ?? [])])',
    replace: 'new Set([...dead, ...[...(suspects ?? [])].slice(0, 0)])',
    breaks: 'Nothing is replaced while more than a third of the hosts are suspect.',
    killedBy: [planner],
  },
  {
    id: 'kv-founder-without-a-shard-unknown',
    file: 'packages/kv/src/store/store.ts',
    find: 'new Set([...named, ...owners])',
    replace: 'new Set([...named.slice(0, 0), ...owners])',
    breaks: 'Every host that a store was founded with is one of its hosts.',
    killedBy: [managed],
  },
  {
    id: 'kv-left-map-founded-again',
    file: `${placement}/managed.ts`,
    find: 'if (isFounder && !left.isThere) await left.leave(keeper.placement)',
    replace: 'if (isFounder && !left.isThere && intervalMs < 0) await left.leave(keeper.placement)',
    breaks: 'A host that has left the map and dropped it does not found it once more.',
    killedBy: [managed],
  },
  {
    id: 'kv-watch-begins-in-a-gap',
    file: 'packages/kv/src/store/watch.ts',
    find: 'if (ranged && !isWhole(routes.sorted)) throw new OnTheWay()',
    replace: 'if (ranged && !isWhole(routes.sorted) && routes.version < 0) throw new OnTheWay()',
    breaks: 'A watch shows what happens to keys that were on their way when it began.',
    killedBy: [healing],
  },
  {
    id: 'kv-hot-key-splits-for-ever',
    file: `${placement}/range-planner.ts`,
    find: 'return smaller < sorted.length * SHARE_MIN ? undefined : at',
    replace: 'return smaller < sorted.length * SHARE_MIN - sorted.length ? undefined : at',
    breaks: 'A range that nearly everybody asks for one key is left whole: no split relieves it.',
    killedBy: ['packages/kv/test/placement/range-planner.test.ts'],
  },
  {
    id: 'kv-stray-learner-stays',
    file: `${placement}/mover.ts`,
    find: 'if (!settled || learners.length === 0) return',
    replace: 'if (!settled || learners.length >= 0) return',
    breaks: 'A learner that came after its move had been given up is taken away.',
    killedBy: [managed],
  },
  {
    id: 'kv-raft-sleeps-through-a-write',
    file: 'packages/raft/src/propose.ts',
    find: '    wakeFollower(r)\n',
    replace: '    if (r.now < 0) wakeFollower(r)\n',
    breaks: 'A write at a follower finds out that the leader of a sleeping group is gone.',
    killedBy: [
      {
        file: 'packages/raft/test/sleeping.test.ts',
        name: 'a write at a follower has a leader elected where that of a sleeping group has died',
      },
    ],
  },
  {
    id: 'kv-paxos-sleeps-through-a-write',
    file: 'packages/paxos/src/propose.ts',
    find: '    wakeFollower(r)\n',
    replace: '    if (r.now < 0) wakeFollower(r)\n',
    breaks: 'A write at a follower finds out that the leader of a sleeping group is gone.',
    killedBy: [
      {
        file: 'packages/paxos/test/scenarios.test.ts',
        name: 'a write at a follower has a leader elected where that of a sleeping group has died',
      },
    ],
  },
  {
    id: 'kv-sleepers-count-as-gone',
    file: 'packages/raft/src/status.ts',
    find: 'active: r.hibernating || p.heardAt > since',
    replace: 'active: p.heardAt > since',
    breaks: 'Nobody is reported missing because a group sleeps.',
    killedBy: [
      {
        file: 'packages/raft/test/sleeping.test.ts',
        name: 'a leader that sleeps holds the others for there, whatever happens meanwhile',
      },
    ],
  },
  {
    id: 'kv-lost-asleep-for-long',
    file: 'packages/raft/src/core.ts',
    find: 'if (peer === r.leader) wakeFollower(r)',
    replace: 'if (peer === r.leader && r.now < 0) wakeFollower(r)',
    also: [
      {
        file: 'packages/raft/src/propose.ts',
        find: '    wakeFollower(r)\n',
        replace: '    if (r.now < 0) wakeFollower(r)\n',
      },
    ],
    breaks: 'A store whose groups sleep takes writes soon after it has lost a host.',
    killedBy: [
      {
        file: 'tests/integration/test/sim-kv-raft.test.ts',
        name: 'keeps its promises while shards move and hosts come and go',
        env: { SIM_KV_SEEDS: '40' },
      },
    ],
  },
  {
    id: 'kv-led-back-by-maps',
    file: 'packages/kv/src/routing/routes.ts',
    find: 'if (record.leader !== route.failed) route.leader ??= record.leader',
    replace: 'if (record.leader !== undefined) route.leader ??= record.leader',
    breaks:
      'Where a leader is gone its shard is looked for at its other members, whatever maps say.',
    killedBy: [
      routing,
      {
        file: 'tests/integration/test/sim-kv-raft.test.ts',
        name: 'survives seed 780',
      },
    ],
  },
  {
    id: 'kv-forwarded-in-vain',
    file: 'packages/runtime/src/forwarding.ts',
    find: 'if (to !== id && to === forwarder.leader()) forwarder.doubt(to)',
    replace: 'if (to === id && to === forwarder.leader()) forwarder.doubt(to)',
    breaks: 'A leader that is gone from its host is doubted by who forwards a proposal to it.',
    killedBy: ['packages/runtime/test/forwarding.test.ts'],
  },
]
