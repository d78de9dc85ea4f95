// Bugs of the group: its members, those that come back, reads, leases, and hand-over.
// Each stands for one that an implementation of Raft has had, or for the first thing to try when
// changing the line that it changes.
import type { Mutant, NotApplicable } from '../src/mutant.ts'

const src = 'packages/raft/src'
const tests = 'packages/raft/test'

export const mutants: readonly Mutant[] = [
  {
    id: 'raft-group-change-before-own-commit',
    file: `${src}/membership.ts`,
    find: `  if (r.commitIndex < r.termStart) {
    return { code: 'PROPOSAL_DROPPED', reason: 'the leader`,
    replace: `  if (r.commitIndex < 0) {
    return { code: 'PROPOSAL_DROPPED', reason: 'the leader`,
    breaks: 'Members change only once the leader has committed in its term.',
    killedBy: [
      {
        file: `${tests}/edges.test.ts`,
        name: 'one change of membership runs at a time, from appended to committed',
      },
    ],
  },
  {
    id: 'raft-group-two-changes-at-once',
    file: `${src}/membership.ts`,
    find: 'if (r.change !== undefined || outgoing.length > 0 || r.configs.lastIndex > r.commitIndex) {',
    replace: 'if (r.term < 0) {',
    breaks: 'One change of members at a time.',
    killedBy: [
      {
        file: `${tests}/edges.test.ts`,
        name: 'one change of membership runs at a time, from appended to committed',
      },
    ],
  },
  {
    id: 'raft-group-membership-not-followed',
    file: `${src}/append.ts`,
    find: `    if (entry.kind === 'membership') takeMembership(r, entry)
`,
    replace: `    if (entry.index < 0) takeMembership(r, entry)
`,
    breaks: 'A membership is in force from when it is appended.',
    killedBy: [
      {
        file: `${tests}/returning.test.ts`,
        name: 'who was vouched for does not vote in the term in which it may have voted before',
      },
    ],
  },
  {
    id: 'raft-group-joint-commit-one-half',
    file: `${src}/quorums.ts`,
    find: 'if (outgoing.length === 0) return incoming',
    replace: 'if (outgoing.length >= 0) return incoming',
    breaks: 'In joint consensus both halves commit.',
    killedBy: [
      {
        file: `${tests}/edges.test.ts`,
        name: 'joint consensus is left only once it is committed itself',
      },
    ],
  },
  {
    id: 'raft-group-joint-elects-one-half',
    file: `${src}/quorums.ts`,
    find: `return incoming === 'won' && leaving === 'won' ? 'won' : 'pending'`,
    replace: `return incoming === 'won' ? 'won' : 'pending'`,
    breaks: 'In joint consensus both halves elect.',
    killedBy: [
      {
        file: `${tests}/quorums.test.ts`,
        name: 'against every subset an election stands as the best and the worst that outstanding votes can make of it',
      },
    ],
  },
  {
    id: 'raft-group-joint-union',
    file: `${src}/quorums.ts`,
    find: `  const incoming = quorumIndex(voters, valueOf, commitQuorum(voters.length, options))
  if (outgoing.length === 0) return incoming
`,
    replace: `  const union = [...new Set([...voters, ...outgoing])]
  const incoming = quorumIndex(union, valueOf, commitQuorum(union.length, options))
  if (outgoing.length >= 0) return incoming
`,
    breaks: 'A majority of both halves together is no majority of each.',
    killedBy: [
      {
        file: `${tests}/quorums.test.ts`,
        name: 'against every subset an index is committable exactly where a committing set of both halves holds it',
      },
    ],
  },
  {
    id: 'raft-group-joint-left-early',
    file: `${src}/membership.ts`,
    find: `  if (configs.lastIndex > r.commitIndex) return
`,
    replace: `  if (configs.lastIndex < 0) return
`,
    breaks: 'Joint consensus is left once it is committed, and once.',
    killedBy: [
      {
        file: `${tests}/edges.test.ts`,
        name: 'joint consensus is left only once it is committed itself',
      },
    ],
  },
  {
    id: 'raft-group-joint-never-left',
    file: `${src}/membership.ts`,
    find: `      leaveJoint(r)
    }
    return`,
    replace: `    }
    return`,
    breaks: 'Joint consensus is left by itself.',
    killedBy: [
      {
        file: `${tests}/edges.test.ts`,
        name: 'joint consensus is left only once it is committed itself',
      },
    ],
  },
  {
    id: 'raft-group-alone-in-joint',
    file: `${src}/heartbeat.ts`,
    find: `    outgoing.length === 0 &&
    electionQuorum(1, r.options) === 1
`,
    replace: `    outgoing.length >= 0 &&
    electionQuorum(1, r.options) === 1
`,
    breaks: 'Who is alone in one half only is not alone.',
    killedBy: [
      {
        file: `${tests}/known-bugs.test.ts`,
        name: 'alone in one half of a joint membership, a leader does not read alone',
      },
    ],
  },
  {
    id: 'raft-group-reads-without-round',
    file: `${src}/heartbeat.ts`,
    find: `  const round = confirmed(r.membership, r.options, r.roundOf)
`,
    replace: `  const round = r.round
`,
    breaks: 'A read waits for a quorum to confirm the leader.',
    killedBy: [
      {
        file: `${tests}/edges.test.ts`,
        name: 'a peer without its past confirms no leader and commits no entry',
      },
    ],
  },
  {
    id: 'raft-group-reads-one-too-few',
    file: `${src}/heartbeat.ts`,
    find: `  const round = confirmed(r.membership, r.options, r.roundOf)
`,
    replace: `  const round = Math.max(...r.peers.map((p) => p.round))
`,
    breaks: 'All but one of a quorum confirm nothing.',
    killedBy: [
      {
        file: `${tests}/edges.test.ts`,
        name: 'a peer without its past confirms no leader and commits no entry',
      },
    ],
  },
  {
    id: 'raft-group-joint-half-lost-in-snapshot',
    file: `${src}/snapshot.ts`,
    find: 'r.configs.restore(index, snapshot.membership)',
    replace: 'r.configs.restore(index, { ...snapshot.membership, outgoing: [] })',
    breaks: 'A snapshot in the middle of a change restores both halves.',
    killedBy: [
      {
        file: `${tests}/known-bugs.test.ts`,
        name: 'a snapshot in the middle of a change restores both halves',
      },
    ],
  },
  {
    id: 'raft-group-membership-survives-snapshot',
    file: `${src}/snapshot.ts`,
    find: `    r.configs.restore(index, snapshot.membership)
`,
    replace: `    r.configs.truncateFrom(index + 1)
`,
    breaks: 'Memberships in a log that a snapshot replaced are gone.',
    killedBy: [
      {
        file: `${tests}/edges.test.ts`,
        name: 'asked to campaign while it may not, a replica stays where it is',
      },
    ],
  },
  {
    id: 'raft-group-snapshot-holds-latest-members',
    file: `${src}/snapshot.ts`,
    find: 'membership: r.configs.at(index).membership }',
    replace: 'membership: r.membership }',
    breaks: 'A snapshot holds the members in force where it stands.',
    killedBy: [
      {
        file: `${tests}/known-bugs.test.ts`,
        name: 'a snapshot holds the members in force where it stands',
      },
    ],
  },
  {
    id: 'raft-group-cut-undoes-one-membership',
    file: 'packages/core/src/algorithm/config-history.ts',
    find: 'while (this.#configs.length > 1 && this.#last.index >= from) this.#configs.pop()',
    replace: 'if (this.#configs.length > 1 && this.#last.index >= from) this.#configs.pop()',
    breaks: 'A log cut back over two memberships brings back the one before both.',
    killedBy: [
      'packages/core/test/config-history.test.ts',
      {
        file: `${tests}/known-bugs.test.ts`,
        name: 'a log cut back over two memberships brings back the one before both',
      },
    ],
  },
  {
    id: 'raft-group-demoted-too-early',
    file: `${src}/membership.ts`,
    find: 'wished.learners.filter((id) => !voters.includes(id)),',
    replace: `wished.learners.filter((id) => id !== ''),`,
    breaks: 'Who still votes in the outgoing half is no learner yet.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'learners-next\\.txt' }],
  },
  {
    id: 'raft-group-promotion-forgets',
    file: `${src}/membership.ts`,
    find: `let p = r.progress.get(id)
`,
    replace: `let p = r.membership.version < 0 ? r.progress.get(id) : undefined
`,
    breaks: 'Who stays a member stays known.',
    killedBy: [
      {
        file: `${tests}/edges.test.ts`,
        name: 'joint consensus is left only once it is committed itself',
      },
    ],
  },
  {
    id: 'raft-group-learner-counts',
    file: `${src}/quorums.ts`,
    find: `  const { voters, outgoing } = membership
  if (voters.length === 0) return 0
`,
    replace: `  const { outgoing } = membership
  const voters = [...membership.voters, ...membership.learners]
  if (voters.length === 0) return 0
`,
    breaks: 'Learners count for nothing.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'learners-next\\.txt' }],
  },
  {
    id: 'raft-group-removed-leader-stays',
    file: `${src}/membership.ts`,
    find: 'if (!r.isVoter) stepAside(r)',
    replace: 'if (r.term < 0) stepAside(r)',
    breaks: 'A leader that is removed stops.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'two-to-one\\.txt' }],
  },
  {
    id: 'raft-group-removed-unheard',
    file: `${src}/election.ts`,
    find: `function leaving(r: RaftState): boolean {
  return`,
    replace: `function leaving(r: RaftState): boolean {
  return r.term < 0 &&`,
    breaks: 'A member whose removal may not be committed may still be needed.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'two-to-one\\.txt' }],
  },
  {
    id: 'raft-group-new-voter-not-caught-up',
    file: `${src}/membership.ts`,
    find: 'if (behind.length === 0) enter(r, wished)',
    replace: 'if (behind.length >= 0) enter(r, wished)',
    breaks: 'New voters catch up before they count.',
    killedBy: [
      {
        file: `${tests}/returning.test.ts`,
        name: 'what a removed member acknowledged does not count for it when it comes back',
      },
    ],
  },
  {
    id: 'raft-group-any-version',
    file: `${src}/membership.ts`,
    find: 'if (expectedVersion !== undefined && expectedVersion !== version) {',
    replace: 'if (expectedVersion !== undefined && expectedVersion < 0) {',
    breaks: 'A change against another version is refused.',
    killedBy: [
      {
        file: `${tests}/known-bugs.test.ts`,
        name: 'a change against another version of the membership is refused',
      },
    ],
  },
  {
    id: 'raft-group-returned-old-acks',
    file: `${src}/membership.ts`,
    find: `      p.staleUpTo = r.appendId
`,
    replace: '',
    breaks: 'What a removed member acknowledged does not count for it when it comes back.',
    killedBy: [
      {
        file: `${tests}/returning.test.ts`,
        name: 'what a removed member acknowledged does not count for it when it comes back',
      },
    ],
  },
  {
    id: 'raft-group-empty-votes',
    file: `${src}/recover.ts`,
    find: 'blank: init.bootstrap === undefined',
    replace: 'blank: init.recovered.lastIndex > 0',
    breaks: 'Who starts empty in a group that exists does not vote.',
    killedBy: [
      {
        file: `${tests}/returning.test.ts`,
        name: 'who was vouched for does not vote in the term in which it may have voted before',
      },
    ],
  },
  {
    id: 'raft-group-blank-counts',
    file: `${src}/vouching.ts`,
    find: `  p.blank = true
`,
    replace: '',
    breaks: 'Who lacks its past counts for nothing.',
    killedBy: [
      {
        file: `${tests}/edges.test.ts`,
        name: 'a peer without its past confirms no leader and commits no entry',
      },
    ],
  },
  {
    id: 'raft-group-vouched-by-round',
    file: `${src}/vouching.ts`,
    find: 'return p.blank && Math.min(p.match, r.commitIndex) >= p.vouchIndex',
    replace: 'return p.blank && r.confirmedRound >= p.vouchRound && p.match >= p.vouchIndex - 1',
    breaks: 'Who comes back counts once an entry was committed without it.',
    killedBy: [
      {
        file: `${tests}/edges.test.ts`,
        name: 'a peer without its past confirms no leader and commits no entry',
      },
    ],
  },
  {
    id: 'raft-group-vouched-votes-again',
    file: `${src}/vouching.ts`,
    find: `  r.vote ??= leader
`,
    replace: `  if (leader === '') r.vote = leader
`,
    breaks: 'Who was vouched for does not vote again in that term.',
    killedBy: [
      {
        file: `${tests}/returning.test.ts`,
        name: 'who was vouched for does not vote in the term in which it may have voted before',
      },
    ],
  },
  {
    id: 'raft-group-vouched-before-durable',
    file: `${src}/vouching.ts`,
    find: 'return r.blank || r.durableSeq < r.vouchSeq',
    replace: 'return r.blank',
    breaks: 'Who was vouched for counts once it will remember it.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'joint\\.txt' }],
  },
  {
    id: 'raft-group-stamps-repeat',
    file: `${src}/state.ts`,
    find: `this.stamp = init.random.fork('stamp').uint32()`,
    replace: 'this.stamp = 0',
    also: [
      {
        file: `${src}/heartbeat.ts`,
        find: 'if (m.round >= p.round) p.stamp = m.stamp',
        replace: 'if (m.stamp > p.stamp) p.stamp = m.stamp',
      },
    ],
    breaks: 'Freshness is never proved by what was said before a restart.',
    killedBy: [
      {
        file: `${tests}/returning.test.ts`,
        name: 'freshness of a follower that has started again is never proved by what it sent before',
      },
    ],
  },
  {
    id: 'raft-group-read-before-own-commit',
    file: `${src}/read-index.ts`,
    find: `  if (r.commitIndex < r.termStart) {
    // What`,
    replace: `  if (r.commitIndex < 0) {
    // What`,
    breaks: 'A leader serves no read before it has committed in its term.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'read-index-term\\.txt' }],
  },
  {
    id: 'raft-group-read-commits-at-follower',
    file: `${src}/read-index.ts`,
    find: `  r.out.read(read.id, m.index)
`,
    replace: `  r.commitIndex = Math.max(r.commitIndex, Math.min(m.index, r.log.lastIndex))
  r.out.read(read.id, m.index)
`,
    breaks: 'The answer to a read commits nothing.',
    killedBy: [
      { file: `${tests}/known-bugs.test.ts`, name: 'the answer to a read commits nothing' },
    ],
  },
  {
    id: 'raft-group-read-token-repeats',
    file: `${src}/read-index.ts`,
    find: `  do token = r.random.uint32() * 0x200000 + r.random.below(0x200000)
`,
    replace: `  do token += 1
`,
    breaks: 'No read has the token of one before a restart.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'read-index-term\\.txt' }],
  },
  {
    id: 'raft-group-lease-survives-transfer',
    file: `${src}/transfer.ts`,
    find: `  surrenderLease(r)
`,
    replace: '',
    also: [
      {
        file: `${src}/heartbeat.ts`,
        find: 'r.now < r.leaseUntil && r.transfer === undefined',
        replace: 'r.now < r.leaseUntil',
      },
      {
        file: `${src}/transfer.ts`,
        find: `  r.leaseAfterRound = Number.POSITIVE_INFINITY
`,
        replace: '',
      },
    ],
    breaks: 'Who hands over has no lease.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'transfer-lost\\.txt' }],
  },
  {
    id: 'raft-group-lease-after-failed-transfer',
    file: `${src}/transfer.ts`,
    find: `  r.leaseAfterRound = Number.POSITIVE_INFINITY
`,
    replace: '',
    breaks: 'A leader whose heir may still campaign has no lease in its term.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'transfer-lost\\.txt' }],
  },
  {
    id: 'raft-group-lease-from-receipt',
    file: `${src}/heartbeat.ts`,
    find: 'const until = sentAt + r.options',
    replace: 'const until = r.now + r.options',
    breaks: 'A lease counts from when the round was sent.',
    killedBy: [
      {
        file: `${tests}/edges.test.ts`,
        name: 'a lease counts from when the round was sent, not from when it was answered',
      },
    ],
  },
  {
    id: 'raft-group-lease-without-drift',
    file: `${src}/heartbeat.ts`,
    find: 'r.options.electionTimeoutMs * (1 - r.options.clockDriftMax)',
    replace: 'r.options.electionTimeoutMs',
    breaks: 'A lease is shorter by what clocks may differ.',
    killedBy: [
      {
        file: `${tests}/edges.test.ts`,
        name: 'a lease counts from when the round was sent, not from when it was answered',
      },
    ],
  },
  {
    id: 'raft-group-echo-without-lease',
    file: `${src}/heartbeat.ts`,
    find: `  const leased = leaseHolds(r) && r.commitIndex >= r.termStart
`,
    replace: `  const leased = r.term > 0
`,
    breaks: 'Freshness is told only by who surely leads.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'read-index-term\\.txt' }],
  },
  {
    id: 'raft-group-proposals-during-transfer',
    file: `${src}/propose.ts`,
    find: `  if (r.transfer !== undefined) {
`,
    replace: `  if (r.term < 0) {
`,
    breaks: 'While leadership is handed over nothing is proposed.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'transfer\\.txt' }],
  },
  {
    id: 'raft-group-transfer-polls',
    file: `${src}/transfer.ts`,
    find: `  campaign(r, true)
`,
    replace: `  campaign(r, false)
`,
    breaks: 'Who is asked to take over does not poll.',
    killedBy: [
      {
        file: `${tests}/scenarios.test.ts`,
        name: 'a leader hands over to a voter that reaches more members',
      },
    ],
  },
  {
    id: 'raft-group-transfer-shielded',
    file: `${src}/election.ts`,
    find: 'if (m.transfer || m.term < r.term) return false',
    replace: 'if (m.term < r.term) return false',
    breaks: 'Who the leader asked to take over is not shielded from.',
    killedBy: [
      { file: `${tests}/edges.test.ts`, name: 'terms and indexes are whole up to 53 bits' },
    ],
  },
  {
    id: 'raft-group-transfer-before-caught-up',
    file: `${src}/transfer.ts`,
    find: 'if (transfer === undefined || transfer.told || p.match < r.log.lastIndex) return',
    replace: 'if (transfer === undefined || transfer.told) return',
    breaks: 'Who takes over has all entries, durably.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'constrained\\.txt' }],
  },
  {
    id: 'raft-group-transfer-never-ends',
    file: `${src}/transfer.ts`,
    find: 'if (transfer === undefined || r.now < transfer.deadline) return',
    replace: 'if (transfer === undefined || r.now >= 0) return',
    breaks: 'A transfer that takes too long is given up.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'transfer-lost\\.txt' }],
  },
]

/** Well-known bugs that have no place in these sources. */
export const notApplicable: readonly NotApplicable[] = [
  {
    bug: 'A snapshot that was brought in makes each later change of members stale (dragonboat #24920).',
    why: 'The version is part of the membership and not an index.',
  },
  {
    bug: 'A transfer lowers the quorum (ra #251).',
    why: 'A transfer changes no membership.',
  },
  {
    bug: 'A read is served before what it needs is applied (d-engine #381).',
    why: 'The core names the index; the host waits for it, and has mutants of its own.',
  },
  {
    bug: 'Sessions are lost with the log (zmq-raft).',
    why: `Sessions are part of the store's state and its snapshots.`,
  },
]
