// Bugs of hosts and replicas: effects out of order, outcomes that are told wrongly, calls that run
// twice, and queues without an end.
import type { Mutant } from '../src/mutant.ts'

const src = 'packages/runtime/src'
const driver = 'packages/runtime/test/driver.test.ts'
const hosts = 'packages/runtime/test/hosts.test.ts'
const lanes = 'packages/runtime/test/lanes.test.ts'
const forwarding = 'packages/runtime/test/forwarding.test.ts'
const barriers = 'packages/runtime/test/barriers.test.ts'
const frames = 'packages/runtime/test/frames.test.ts'
const room = 'packages/runtime/test/room.test.ts'
const soak = { file: 'tests/integration/test/runtime-soak.test.ts', name: 'hosts that stay' }
const peers = 'packages/runtime/test/peers.test.ts'
const composing = 'packages/runtime/test/composing.test.ts'

export const mutants: readonly Mutant[] = [
  {
    id: 'runtime-bug-says-nothing-happened',
    file: `${src}/frame.ts`,
    find: "return new QuorateError('OUTCOME_UNKNOWN', message, { cause: error })",
    replace: "return new QuorateError('UNAVAILABLE', message, { cause: error })",
    breaks: 'A handler that threw an error without a code may have done anything before it.',
    killedBy: [hosts, frames, peers],
  },
  {
    id: 'runtime-sleeper-not-woken',
    file: `${src}/replica.ts`,
    find: "if (code === 'NOT_LEADER') this.#doubt(leader)",
    replace: '',
    breaks: 'A follower that sleeps wakes by whatever is asked of it in its leader’s place.',
    killedBy: [
      forwarding,
      { file: 'tests/integration/test/woken-by-requests.test.ts', name: 'a transfer' },
      { file: 'tests/integration/test/woken-by-requests.test.ts', name: 'a change' },
    ],
  },
  {
    id: 'runtime-founds-what-it-forgot',
    file: `${src}/create-host.ts`,
    find: 'if (this.#options.rejoin && options.members) {',
    replace: 'if (options.members === null) {',
    breaks: 'A host that has lost its votes founds no group by them.',
    killedBy: [composing, 'packages/kv/test/options.test.ts'],
  },
  {
    id: 'runtime-promise-before-durable',
    file: `${src}/replica.ts`,
    find: 'if (this.#storage.durableSeq >= seq) this.#send(envelopes)',
    replace: 'if (this.#storage.lastSeq >= seq) this.#send(envelopes)',
    breaks: 'A message that promises something leaves only once the promise is durable.',
    killedBy: [driver],
  },
  {
    id: 'runtime-gates-open-out-of-order',
    file: `${src}/gates.ts`,
    find: 'if (gate.seq > seq) break',
    replace: 'if (gate.seq > seq + 1) break',
    breaks: 'A message waits for its own batch, not for the one before.',
    killedBy: [driver],
  },
  {
    id: 'runtime-write-again-after-failed-sync',
    file: `${src}/storage-lane.ts`,
    find: "if (!isQuorateError(error, 'NO_SPACE')) {",
    replace: 'if (error === undefined) {',
    breaks: 'A failed write ends the replica, and is not tried again.',
    killedBy: [driver],
  },
  {
    id: 'runtime-full-disk-reorders',
    file: `${src}/storage-lane.ts`,
    find: 'if (this.#retry === undefined && !this.#closed) this.#submit(batch)',
    replace: 'if (!this.#closed) this.#submit(batch)',
    breaks: 'Batches keep their order over a full disk.',
    killedBy: [driver],
  },
  {
    id: 'runtime-install-before-durable',
    file: `${src}/apply-lane.ts`,
    find: "if (item.type === 'install' && item.seq > this.#durableSeq) break",
    replace: "if (item.type === 'install' && item.seq < 0) break",
    breaks: 'A state machine is restored only once its snapshot is durably the group’s.',
    killedBy: [driver],
  },
  {
    id: 'runtime-snapshot-job-before-install',
    file: `${src}/apply-lane.ts`,
    find: "this.#queue.push({ type: 'install', snapshot, seq, bytes }, ...jobs)",
    replace: "this.#queue.push(...jobs, { type: 'install', snapshot, seq, bytes })",
    breaks: 'A snapshot says where the state stands that it holds.',
    killedBy: [lanes],
  },
  {
    id: 'runtime-throw-skips-entry',
    file: `${src}/apply-lane.ts`,
    find: `    } catch (error) {
      this.#fail(error)
    } finally {`,
    replace: `    } catch {
      this.appliedIndex++
    } finally {`,
    breaks: 'A state machine that throws ends its replica; no entry is skipped.',
    killedBy: [driver],
  },
  {
    id: 'runtime-read-before-applied',
    file: `${src}/barriers.ts`,
    find: 'if (index <= applied) for (const waiter of round.waiters) waiter.resolve(applied)',
    replace: 'if (index >= 0) for (const waiter of round.waiters) waiter.resolve(applied)',
    breaks: 'A read waits until what it was promised is applied.',
    killedBy: [barriers],
  },
  {
    id: 'runtime-rounds-outlive-readers',
    file: `${src}/barriers.ts`,
    find: '        if (round.waiters.size === 0) round.forget()\n',
    replace: '',
    breaks: 'A round of reads is forgotten with the last of its readers.',
    killedBy: [barriers],
  },
  {
    id: 'runtime-timeout-says-dropped',
    file: `${src}/proposals.ts`,
    find: `  return proposal.batch === 0
    ? new QuorateError('PROPOSAL_DROPPED'`,
    replace: `  return proposal.batch >= 0
    ? new QuorateError('PROPOSAL_DROPPED'`,
    breaks: 'A proposal that timed out may yet be applied, and says so.',
    killedBy: [driver],
  },
  {
    id: 'runtime-lost-connection-says-failed',
    file: `${src}/calls.ts`,
    find: "call.reject(new QuorateError('OUTCOME_UNKNOWN', `the connection to ${peer} was lost`))",
    replace: "call.reject(new QuorateError('UNAVAILABLE', `the connection to ${peer} was lost`))",
    breaks: 'A call whose connection was lost may have run, and says so.',
    killedBy: [hosts, forwarding],
  },
  {
    id: 'runtime-answer-of-a-stranger',
    file: `${src}/calls.ts`,
    find: 'if (call === undefined || call.to !== from) {',
    replace: 'if (call === undefined) {',
    breaks: 'Only the host that was called answers.',
    killedBy: [hosts],
  },
  {
    id: 'runtime-call-runs-twice',
    file: `${src}/calls.ts`,
    find: '    if (!isNew(from, id)) return\n',
    replace: '    isNew(from, id)\n',
    breaks: 'A call runs once, also where its frame comes twice.',
    killedBy: [forwarding],
  },
  {
    id: 'runtime-calls-of-a-new-connection-refused',
    file: `${src}/calls.ts`,
    find: '      arrivals.delete(peer)\n',
    replace: '',
    breaks: 'A host that was restarted may call again.',
    killedBy: [forwarding],
  },
  {
    id: 'runtime-forward-without-end',
    file: `${src}/forwarding.ts`,
    find: 'if (next !== id && hops === HOPS_MAX) throw error',
    replace: 'if (next !== id && hops === 100) throw error',
    breaks: 'A proposal is handed over twice at the most.',
    killedBy: [forwarding],
  },
  {
    id: 'runtime-forward-says-dropped',
    file: `${src}/forwarding.ts`,
    find: 'throw isQuorateError(error) && !OUTCOMES.has(error.code) ? dropped(error) : error',
    replace: 'throw isQuorateError(error) ? dropped(error) : error',
    breaks: 'A forwarded proposal whose outcome is unknown is not called dropped.',
    killedBy: [forwarding],
  },
  {
    id: 'runtime-forward-anywhere',
    file: `${src}/forwarding.ts`,
    find: "return typeof named === 'string' && isMember(named) ? named : leader()",
    replace: "return typeof named === 'string' ? named : leader()",
    breaks: 'A proposal is handed to members of its group only.',
    killedBy: [forwarding],
  },
  {
    id: 'runtime-full-leader-stays',
    file: `${src}/room-watch.ts`,
    find: `        this.#timer = undefined
        this.check()
`,
    replace: `        this.#timer = undefined
`,
    breaks: 'A leader without room looks for another one again and again.',
    killedBy: [room],
  },
  {
    id: 'runtime-full-leader-for-another',
    file: `${src}/handover.ts`,
    find: "return best('yes') ?? (needsRoom ? undefined : best('cramped'))",
    replace: "return best('yes') ?? best('cramped')",
    breaks: 'Leadership does not wander between members of which none has room.',
    killedBy: [room],
  },
  {
    id: 'runtime-storage-untold',
    file: `${src}/create-host.ts`,
    find: '        ...storage.identity?.(),\n',
    replace: '',
    breaks: 'Peers are told which storage a host has.',
    killedBy: [composing],
  },
  {
    id: 'runtime-peer-ends-host',
    file: `${src}/create-host.ts`,
    find: `      this.#meters.malformed.add()
      this.#onMalformed(from, error)
    }
  }

  #onRecord`,
    replace: `      throw error
    }
  }

  #onRecord`,
    breaks: 'Bytes of a peer never end a host.',
    killedBy: [frames],
  },
  {
    id: 'runtime-algorithms-mixed',
    file: `${src}/create-host.ts`,
    find: 'if (replica === undefined || replica.tag !== record.tag) return this.#meters.strays.add()',
    replace: 'if (replica === undefined) return this.#meters.strays.add()',
    breaks: 'A message of another algorithm is kept from a replica.',
    killedBy: [frames],
  },
  {
    id: 'runtime-leaks-a-timer',
    file: `${src}/calls.ts`,
    find: `          pending.delete(id)
          timer.cancel()`,
    replace: `          pending.delete(id)`,
    breaks: 'A call that has ended leaves no timer.',
    killedBy: [soak],
  },
  {
    id: 'runtime-leaks-a-round',
    file: `${src}/barriers.ts`,
    find: 'round.forget = () => void this.#passed.delete(round)',
    replace: 'round.forget = () => void this.#passed.add(round)',
    breaks: 'A read that has ended leaves nothing behind.',
    killedBy: [soak],
  },
  {
    id: 'runtime-leaks-a-proposal',
    file: `${src}/proposals.ts`,
    find: 'if (batch?.last === proposal.sequence) this.#batches.delete(proposal.batch)',
    replace: 'if (batch?.last === -1) this.#batches.delete(proposal.batch)',
    breaks: 'A proposal that has ended leaves nothing behind.',
    killedBy: [soak],
  },
  {
    id: 'runtime-option-ignored',
    file: `${src}/create-host.ts`,
    find: "    rejectUnknownOptions(options, OPTIONS, 'createHost')\n",
    replace: '',
    breaks: 'An option that there is not is refused.',
    killedBy: [composing],
  },
  {
    id: 'runtime-asks-for-what-is-gone',
    file: `${src}/snapshot-exchange.ts`,
    find: 'else if (gone) return false',
    replace: '',
    breaks: 'A snapshot that its donor has replaced is given up for the newer one.',
    killedBy: [hosts],
  },
  {
    id: 'runtime-gives-up-what-another-lacks',
    file: `${src}/snapshot-exchange.ts`,
    find: 'if (donor === from[0]) gone =',
    replace: 'gone ||=',
    breaks: 'What arrived of a snapshot is not thrown away because another host never had it.',
    killedBy: [hosts],
  },
  {
    id: 'runtime-arrivals-window-kept',
    file: `${src}/arrivals.ts`,
    find: 'for (let at = Math.max(this.#last + 1, word - WORDS + 1); at <= word; at++)',
    replace: 'for (let at = Math.max(this.#last + 2, word - WORDS + 1); at <= word; at++)',
    breaks: 'A number that has not come yet is new.',
    killedBy: [{ file: forwarding, name: 'are told apart as by one who remembers all of them' }],
  },
  {
    id: 'runtime-share-unbounded',
    file: `${src}/calls.ts`,
    find: 'serving >= limits.pendingCallsMax || share >= shareMax',
    replace: 'serving >= limits.pendingCallsMax',
    breaks: 'One peer leaves room for the calls of others.',
    killedBy: [{ file: peers, name: 'has half of what may be under way' }],
  },
  {
    id: 'runtime-share-never-given-back',
    file: `${src}/calls.ts`,
    find: 'if (left > 0) shares.set(from, left)',
    replace: 'if (left >= 0) shares.set(from, left + 1)',
    breaks: 'A call that has ended makes room for another.',
    killedBy: [{ file: peers, name: 'has half of what may be under way' }],
  },
  {
    id: 'runtime-codes-unchecked',
    file: `${src}/frame.ts`,
    find: 'if (!/^[A-Z][A-Z_]{0,63}$/.test(code)) {',
    replace: 'if (code === undefined) {',
    breaks: 'A peer puts no text of its choice where a code is kept.',
    killedBy: [{ file: peers, name: 'names codes of errors' }],
  },
  {
    id: 'runtime-readers-stay-open',
    file: `${src}/snapshot-exchange.ts`,
    find: 'if (reader.idle) forget(key).catch(ignore)',
    replace: 'if (reader.idle && reader.offset < 0) forget(key).catch(ignore)',
    breaks: 'A snapshot that nobody reads any more is closed.',
    killedBy: [{ file: peers, name: 'leaves no file open for long' }],
  },
  {
    id: 'runtime-own-calls-endless',
    file: `${src}/calls.ts`,
    find: '      const own = to === host ? services.get(service) : undefined\n',
    replace: `      const own = to === host ? services.get(service) : undefined
      if (own !== undefined) return own.handler(request, { from: host, signal: closing.signal })
`,
    breaks: 'A call of the host to itself ends with its deadline, its signal and the host.',
    killedBy: [{ file: peers, name: 'ends with its deadline' }],
    hangs: true,
  },
  {
    id: 'runtime-timers-overflow',
    file: 'packages/core/src/clock.ts',
    find: 'rest > 0',
    replace: 'rest > Number.MAX_VALUE',
    breaks: 'A timer waits for as long as it is told to.',
    killedBy: [
      { file: 'packages/core/test/contracts.test.ts', name: 'longer than the platform can' },
    ],
  },
  {
    id: 'runtime-frames-kept-by-entries',
    file: 'packages/core/src/algorithm/entries.ts',
    find: `  ownMemory(entries)
`,
    replace: '',
    breaks: 'An entry that is kept keeps nothing else of the frame that it came in.',
    killedBy: [
      {
        file: 'packages/core/test/entries.test.ts',
        name: 'hold no more memory than twice their own',
      },
    ],
  },
]

/** Well-known bugs that have no place in these sources. */
export const notApplicable = [
  {
    bug: 'A rejection that nobody handles is swallowed.',
    why: 'The test runner fails on every one, in every test; there is no handler to take out.',
  },
  {
    bug: 'Timers go by the wall clock, and a clock that is set back stops them.',
    why: 'Only the injected clock is there, and a rule of the repository refuses any other.',
  },
]
