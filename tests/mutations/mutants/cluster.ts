// Well-known bugs against the whole: the production runtime over the simulated network and disks, with
// nothing but its invariants, the oracle and the checker to find them. Seeds are how many it took.
import type { Killer, Mutant, NotApplicable } from '../src/mutant.ts'

function runs(algorithm: 'raft' | 'paxos', seeds: number): Killer {
  return {
    file: `tests/integration/test/sim-${algorithm}.test.ts`,
    name: 'survives every fault',
    env: { SIM_SEEDS: String(seeds), SIM_MINIMISE: '0' },
  }
}

function directed(algorithm: 'raft' | 'paxos', direction: string, seeds: number): Killer {
  return {
    file: 'tests/integration/test/sim-directed.test.ts',
    name: `${algorithm} survives ${direction}`,
    env: { SIM_SEEDS: String(seeds) },
  }
}

export const mutants: readonly Mutant[] = [
  {
    id: 'cluster-half-is-a-majority',
    file: 'packages/core/src/quorum.ts',
    find: 'return Math.floor(voters / 2) + 1',
    replace: 'return Math.max(1, Math.floor(voters / 2))',
    breaks: 'Half of the voters elect and commit.',
    killedBy: [runs('raft', 100), runs('paxos', 100)],
  },
  {
    id: 'cluster-vote-for-a-shorter-log',
    file: 'packages/raft/src/election.ts',
    find: '  if (!upToDate(m.lastIndex, m.lastTerm, log.lastIndex, log.lastEpoch)) return false\n',
    replace: '  if (log.lastIndex < 0) return false\n',
    breaks: 'A replica votes for a candidate whose log lacks what it has itself.',
    killedBy: [runs('raft', 300)],
  },
  {
    id: 'cluster-unverified-tail-commits',
    file: 'packages/raft/src/append.ts',
    find: 'advanceCommit(r, Math.min(m.commit, last))',
    replace: 'advanceCommit(r, Math.min(m.commit, r.log.lastIndex))',
    breaks: 'A follower commits entries that this leader has not verified.',
    killedBy: [runs('raft', 600)],
  },
  {
    id: 'cluster-previous-entry-unchecked',
    file: 'packages/raft/src/append.ts',
    find: '  if (!r.log.matches(m.prevIndex, m.prevTerm)) {\n',
    replace: '  if (m.prevIndex > r.log.lastIndex) {\n',
    breaks: 'A follower appends after an entry that the leader does not have.',
    killedBy: [runs('raft', 300)],
  },
  {
    id: 'cluster-conflict-before-lost-entries',
    file: 'packages/raft/src/append.ts',
    find: 'r.out.truncateFrom = Math.min(r.out.truncateFrom ?? r.leftoverFrom, r.leftoverFrom)',
    replace: 'r.out.truncateFrom = r.leftoverFrom',
    breaks:
      'A log is cut back only from what a disk had lost, though it conflicts earlier (the simulator found this one).',
    killedBy: [{ file: 'tests/integration/test/sim-raft.test.ts', name: 'survives seed 20118' }],
  },
  {
    id: 'cluster-always-truncates',
    file: 'packages/raft/src/append.ts',
    find: '  const fresh = firstNew(r, prevIndex, entries)\n',
    replace: '  const fresh = entries.length > 0 ? 0 : firstNew(r, prevIndex, entries)\n',
    breaks: 'A late message takes away what a later one had appended.',
    killedBy: [runs('raft', 100)],
  },
  {
    id: 'cluster-answers-before-the-disk',
    file: 'packages/runtime/src/replica.ts',
    find: 'if (this.#storage.durableSeq >= seq) this.#send(envelopes)',
    replace: 'if (this.#storage.durableSeq <= seq) this.#send(envelopes)',
    breaks: 'Votes, promises and acknowledgements leave before they are durable.',
    killedBy: [runs('raft', 100), runs('paxos', 100)],
  },
  {
    id: 'cluster-durable-too-early',
    file: 'packages/runtime/src/replica.ts',
    find: "this.#drive({ type: 'persisted', seq })",
    replace: "this.#drive({ type: 'persisted', seq: this.#storage.lastSeq })",
    breaks: 'A replica counts itself for entries whose write is still under way.',
    killedBy: [runs('raft', 100), runs('paxos', 100)],
  },
  {
    id: 'cluster-read-before-applied',
    file: 'packages/runtime/src/barriers.ts',
    find: 'if (index <= applied) for (const waiter of round.waiters) waiter.resolve(applied)',
    replace: 'if (index >= 0) for (const waiter of round.waiters) waiter.resolve(applied)',
    breaks: 'A read is answered before what it waited for has been applied.',
    killedBy: [runs('raft', 200), runs('paxos', 200)],
  },
  {
    id: 'cluster-timed-out-means-dropped',
    file: 'packages/runtime/src/proposals.ts',
    find: '  return proposal.batch === 0\n',
    replace: '  return proposal.batch >= 0\n',
    breaks: 'A command that timed out and may yet be applied is said to be lost.',
    killedBy: [runs('raft', 100)],
  },
  {
    id: 'cluster-answers-of-others',
    file: 'packages/runtime/src/envelope.ts',
    find: 'origin !== undefined && word(payload, 1) === origin.high && word(payload, 5) === origin.low',
    replace: 'origin !== undefined && payload.length > 0',
    breaks: 'A caller is answered with the result of a command of another host.',
    killedBy: [
      { file: 'packages/runtime/test/driver.test.ts', name: 'equal commands of another origin' },
    ],
  },
  {
    id: 'cluster-full-disk-writes-all-again',
    file: 'packages/runtime/src/storage-lane.ts',
    find: 'if (batch.seq >= this.#refusedSeq) this.#submit(batch)',
    replace: 'if (batch.seq >= 0) this.#submit(batch)',
    breaks:
      'After a full disk, batches that were still under way are written a second time (the simulator found this one).',
    killedBy: [{ file: 'packages/runtime/test/lanes.test.ts', name: 'full disk refused' }],
  },
  {
    id: 'cluster-promise-hides-what-was-accepted',
    file: 'packages/paxos/src/prepare.ts',
    find: "    type: 'promise',\n    config: r.config,\n    ballot: r.promised,\n    accepted: r.accepted,\n",
    replace:
      "    type: 'promise',\n    config: r.config,\n    ballot: r.promised,\n    accepted: 0,\n",
    breaks: 'A promise does not say in which ballot its log was accepted.',
    killedBy: [runs('paxos', 300)],
  },
  {
    id: 'cluster-older-ballot-promised',
    file: 'packages/paxos/src/prepare.ts',
    find: '  if (m.ballot < r.promised) return sendNack(r, from)\n',
    replace: '  if (m.ballot < 0) return sendNack(r, from)\n',
    breaks: 'An acceptor that promised a ballot promises an older one.',
    killedBy: [runs('paxos', 300)],
  },
  {
    id: 'cluster-ballot-used-again',
    file: 'packages/paxos/src/prepare.ts',
    find: 'const round = Math.max(roundOf(r.promised), roundOf(r.seen)) + 1',
    replace: 'const round = Math.max(roundOf(r.promised), roundOf(r.seen), 1)',
    breaks: 'A proposer prepares a ballot again in which something may have been proposed.',
    killedBy: [runs('paxos', 100)],
  },
  {
    id: 'cluster-lease-too-long',
    file: 'packages/raft/src/heartbeat.ts',
    find: 'r.options.electionTimeoutMs * (1 - r.options.clockDriftMax)',
    replace: 'r.options.electionTimeoutMs * (3 - r.options.clockDriftMax)',
    breaks: 'A leader relies on its lease for longer than others have promised to wait.',
    killedBy: [directed('raft', 'leases', 10)],
  },
  {
    id: 'cluster-ballot-lease-too-long',
    file: 'packages/paxos/src/heartbeat.ts',
    find: 'r.options.electionTimeoutMs * (1 - r.options.clockDriftMax)',
    replace: 'r.options.electionTimeoutMs * (3 - r.options.clockDriftMax)',
    breaks: 'The same of a leader by ballot.',
    killedBy: [directed('paxos', 'leases', 10)],
  },
  {
    id: 'cluster-commit-of-an-earlier-term',
    file: 'packages/raft/src/commit.ts',
    find: 'if (r.log.epoch(index) !== r.term) {',
    replace: 'if (r.log.epoch(index) < 0) {',
    breaks: 'An entry of an earlier term is committed because a majority holds it (figure 8).',
    killedBy: [directed('raft', 'lost-leaders', 300)],
  },
  {
    id: 'cluster-snapshot-of-what-is-committed',
    file: 'packages/runtime/src/replica.ts',
    find: '    return this.#core.appliedPosition()\n',
    replace:
      '    const applied = this.#core.appliedPosition()\n    return { ...applied, index: Math.max(applied.index, this.#core.status().commitIndex) }\n',
    breaks: 'A snapshot says that it stands at what is committed, and holds what has been applied.',
    killedBy: [directed('paxos', 'snapshots', 60)],
  },
  {
    id: 'cluster-snapshot-file-goes-too-soon',
    file: 'packages/storage-fs/src/fs-storage.ts',
    find: '[snapshot?.id, previous?.id, ...finished]',
    replace: '[snapshot?.id, previous?.id]',
    breaks:
      'The file of a snapshot that is finished and not yet in force goes when an older one comes into force (the simulator found this one).',
    killedBy: [
      { file: 'packages/storage-fs/test/base-epoch.test.ts', name: 'keeps its file' },
      { file: 'tests/integration/test/sim-files.test.ts', name: 'survives seed 282' },
    ],
  },
  {
    id: 'cluster-epoch-goes-with-its-segment',
    file: 'packages/storage-fs/src/collection.ts',
    find: 'const told = Math.min(image.stateAt, image.baseAt)',
    replace: 'const told = image.stateAt',
    breaks:
      'The epoch before the first entry of a log is forgotten with the segment that told it (the simulator found this one).',
    killedBy: [
      { file: 'packages/storage-fs/test/base-epoch.test.ts', name: 'goes only when' },
      { file: 'tests/integration/test/sim-files.test.ts', name: 'survives seed 1887' },
      { file: 'tests/integration/test/sim-files.test.ts', name: 'survives seed 1984' },
    ],
  },
]

/** Bugs of other systems for which there is no place here, or no test that could show them. */
export const notApplicable: readonly NotApplicable[] = [
  {
    bug: 'The state of a snapshot is captured a turn after its position.',
    why: 'In a simulation all that follows from one event happens before the next: nothing is applied in between, so it changes nothing there. A snapshot at a position other than that of its state is a mutant.',
  },
  {
    bug: 'The term, the vote and the log are written one after the other, and a crash comes between.',
    why: 'A batch of the storage contract is one record: there is no second write to leave out.',
  },
  {
    bug: 'The term changes while an awaited write or read is under way, and the answer is taken all the same.',
    why: 'The cores hold no promise and no await; an answer is an input, checked against the term like any message.',
  },
  {
    bug: 'A read is confirmed under a token of the client that an earlier round had used.',
    why: 'Tokens are numbers that the leader counts up; a caller has no token to hand in.',
  },
  {
    bug: 'Terms are compared as strings, or wrap around at 32 bits.',
    why: 'They are numbers below 2^53 in every type, and codecs refuse larger ones; there is no string to compare.',
  },
  {
    bug: 'Timers run on the date, which jumps.',
    why: 'Packages reach time through one clock that is handed in, and a lint rule keeps every other out.',
  },
  {
    bug: 'The order of iteration of a map decides what is applied.',
    why: 'State machines belong to the user; those here write sorted snapshots, which the simulator compares.',
  },
  {
    bug: 'A single voter skips its election by a flag and keeps the flag when others have joined.',
    why: 'There is no such flag: a single voter is elected by its own durable vote.',
  },
  {
    bug: 'Votes are counted by message, so that a duplicate counts twice.',
    why: 'Votes and promises are kept in maps by voter; there is no counter.',
  },
  {
    bug: 'A majority is found with an index into a sorted array that is kept sorted step by step.',
    why: 'It is computed anew from the values, and checked against brute force.',
  },
  {
    bug: 'A transaction over several shards is prepared before a move and commits after it.',
    why: 'There are no transactions over several shards.',
  },
  {
    bug: 'A membership in force from the moment that it is applied lets a candidate count votes by an old one.',
    why: 'A membership is in force once it is appended, and there is no other mode.',
  },
  {
    bug: 'A decided record expires on some replicas and an older proposal comes back.',
    why: 'Logs have no expiry; what the store expires goes through the log as an entry with its time.',
  },
  {
    bug: 'Data is read through a page cache that a failed sync has marked clean.',
    why: 'A storage that failed is closed for good, and what a new one reads is checked by its checksums.',
  },
]
