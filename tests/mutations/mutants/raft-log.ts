// Bugs of the log: what is appended, sent, acknowledged, committed and handed out.
// Each stands for one that an implementation of Raft has had, or for the first thing to try when
// changing the line that it changes.
import type { Mutant, NotApplicable } from '../src/mutant.ts'

const src = 'packages/raft/src'
const tests = 'packages/raft/test'

export const mutants: readonly Mutant[] = [
  {
    id: 'raft-log-truncates-always',
    file: `${src}/append.ts`,
    find: `  const fresh = firstNew(r, prevIndex, entries)
`,
    replace: `  const fresh = 0
`,
    breaks: `A log is cut only where it contradicts the leader's.`,
    killedBy: [
      {
        file: `${tests}/edges.test.ts`,
        name: 'only what a message has verified is committed, whatever else the log holds',
      },
    ],
  },
  {
    id: 'raft-log-never-truncates',
    file: `${src}/append.ts`,
    find: `    if (at <= r.log.lastIndex) cutBack(r, at)
`,
    replace: '',
    breaks: 'What contradicts the leader is cut off.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'figure-8\\.txt' }],
  },
  {
    id: 'raft-log-unverified-committed',
    file: `${src}/append.ts`,
    find: 'advanceCommit(r, Math.min(m.commit, last))',
    replace: 'advanceCommit(r, Math.min(m.commit, r.log.lastIndex))',
    breaks: 'Only what a message verified is committed.',
    killedBy: [
      {
        file: `${tests}/edges.test.ts`,
        name: 'only what a message has verified is committed, whatever else the log holds',
      },
    ],
  },
  {
    id: 'raft-log-heartbeat-commits-all',
    file: `${src}/heartbeat.ts`,
    find: '    commit: Math.min(p.match, r.commitIndex),',
    replace: '    commit: r.commitIndex,',
    breaks: 'A heartbeat commits no more than what is known to be equal.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'snapshot-conflict\\.txt' }],
  },
  {
    id: 'raft-log-notice-commits-all',
    file: `${src}/commit.ts`,
    find: `  const commit = Math.min(p.match, r.commitIndex)
`,
    replace: `  const commit = r.commitIndex
`,
    breaks: 'News of a commit tells no more than what is known to be equal.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'durability\\.txt' }],
  },
  {
    id: 'raft-log-compacted-is-conflict',
    file: `${src}/append.ts`,
    find: `  if (m.prevIndex < r.commitIndex) {
`,
    replace: `  if (m.prevIndex < 0) {
`,
    breaks: 'What is committed is equal in both logs, compacted or not.',
    killedBy: [
      {
        file: `${tests}/edges.test.ts`,
        name: 'committed entries are never cut back, whatever a leader claims',
      },
    ],
  },
  {
    id: 'raft-log-stale-ack-counts',
    file: `${src}/replication.ts`,
    find: 'if (m.id <= p.staleUpTo) {',
    replace: 'if (m.id < 0) {',
    breaks: 'An acknowledgement from before a log was lost proves nothing.',
    killedBy: [
      {
        file: `${tests}/edges.test.ts`,
        name: 'a follower that no longer has what it acknowledged is believed, and what it said before is not',
      },
    ],
  },
  {
    id: 'raft-log-stale-refusal-rewinds',
    file: `${src}/replication.ts`,
    find: 'if (m.id <= p.answered) {',
    replace: 'if (m.id < 0) {',
    breaks: 'A refusal that comes late takes nothing back.',
    killedBy: [
      {
        file: `${tests}/edges.test.ts`,
        name: 'a follower that no longer has what it acknowledged is believed, and what it said before is not',
      },
    ],
  },
  {
    id: 'raft-log-reversion-disbelieved',
    file: `${src}/replication.ts`,
    find: `  if (m.hint < p.match) {
`,
    replace: `  if (m.hint < 0) {
`,
    breaks: 'A follower that lost entries is believed.',
    killedBy: [
      {
        file: `${tests}/edges.test.ts`,
        name: 'a follower that no longer has what it acknowledged is believed, and what it said before is not',
      },
    ],
  },
  {
    id: 'raft-log-own-entries-before-durable',
    file: `${src}/state.ts`,
    find: 'if (id === r.id) return r.log.stableIndex',
    replace: 'if (id === r.id) return r.log.lastIndex',
    breaks: 'A leader counts its own entries once they are durable.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'replication\\.txt' }],
  },
  {
    id: 'raft-log-ack-before-durable',
    file: `${src}/append.ts`,
    find: 'r.out.sendAfterPersist(to, appendReply(r, id, true, index, 0, 0))',
    replace: 'r.out.send(to, appendReply(r, id, true, index, 0, 0))',
    breaks: 'A follower acknowledges what is durable.',
    killedBy: [
      {
        file: `${tests}/edges.test.ts`,
        name: 'a snapshot being fetched is not given up for a newer one of the same leader',
      },
    ],
  },
  {
    id: 'raft-log-flush-counts-after-cut',
    file: 'packages/core/src/algorithm/replica-log.ts',
    find: `    this.#clampStable(from - 1)
`,
    replace: '',
    breaks: 'A write that was replaced before it was durable makes nothing durable.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'figure-8\\.txt' }],
  },
  {
    id: 'raft-log-read-back-for-another-term',
    file: `${src}/core.ts`,
    find: 'const p = r.peers.find((peer) => peer.reading === id)',
    replace: 'const p = r.peers[0]',
    breaks: 'Entries read back belong to who they were read for.',
    killedBy: [
      {
        file: `${tests}/edges.test.ts`,
        name: 'old entries that have been compacted meanwhile are offered as a snapshot',
      },
    ],
  },
  {
    id: 'raft-log-unknown-term-sent',
    file: `${src}/replication.ts`,
    find: `  const prevTerm = r.log.epoch(prevIndex)
  if (prevTerm === undefined) {
    // A term`,
    replace: `  const prevTerm = r.log.epoch(prevIndex) ?? 0
  if (prevIndex < 0) {
    // A term`,
    breaks: 'A term that is not known is never sent.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'snapshot-conflict\\.txt' }],
  },
  {
    id: 'raft-log-inflight-bytes-leak',
    file: 'packages/core/src/algorithm/inflight.ts',
    find: `    this.#start = 0
    this.#count = 0
    this.#bytes = 0
`,
    replace: `    this.#start = 0
    this.#count = 0
`,
    breaks: 'What is on its way is forgotten with its bytes.',
    killedBy: [
      {
        file: 'packages/core/test/inflight.test.ts',
        name: 'the window of messages under way counts what is in it',
      },
    ],
  },
  {
    id: 'raft-log-uncommitted-drifts',
    file: `${src}/commit.ts`,
    find: `  r.uncommitted.acknowledge(index)
`,
    replace: '',
    breaks: 'What is committed no longer counts as uncommitted.',
    killedBy: [
      {
        file: `${tests}/scenarios.test.ts`,
        name: 'proposals beyond what may wait are refused, and what has no bytes is let in',
      },
    ],
  },
  {
    id: 'raft-log-hint-is-the-end',
    file: `${src}/append.ts`,
    find: 'const hint = Math.max(found, r.commitIndex)',
    replace: 'const hint = Math.max(r.log.lastIndex, found, r.commitIndex)',
    breaks: 'A refusal names where the logs may meet, one for each term.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'aba\\.txt' }],
  },
  {
    id: 'raft-log-hint-not-joined',
    file: `${src}/replication.ts`,
    find: 'const meet = Math.min(r.log.lastOfEpochUpTo(m.hint, m.hintTerm), m.index - 1)',
    replace: 'const meet = m.index - 1',
    breaks: 'One probe for each term, not for each entry.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'two-to-one\\.txt' }],
  },
  {
    id: 'raft-log-next-below-match',
    file: `${src}/replication.ts`,
    find: 'p.becomeProbe(Math.max(p.match + 1, meet + 1))',
    replace: 'p.becomeProbe(meet + 1)',
    breaks: 'What matches is not sent again.',
    killedBy: [
      {
        file: `${tests}/known-bugs.test.ts`,
        name: 'a refusal that cannot be true sends nothing again that matches',
      },
    ],
  },
  {
    id: 'raft-log-no-snapshot-for-purged',
    file: `${src}/replication.ts`,
    find: `    // the two would seem equal, and the commit index would run past the follower's log.
    offerSnapshot(r, p)
`,
    replace: `    // the two would seem equal, and the commit index would run past the follower's log.
`,
    breaks: 'Who needs what was compacted is offered a snapshot.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'snapshot\\.txt' }],
  },
  {
    id: 'raft-log-lost-append-not-resent',
    file: `${src}/heartbeat.ts`,
    find: `} else if (p.state === 'replicate' && p.match < r.log.lastIndex) {`,
    replace: `} else if (p.state === 'replicate' && p.match < 0) {`,
    breaks: 'What was lost is sent again, if only heartbeats tell.',
    killedBy: [
      { file: `${tests}/scenarios.test.ts`, name: 'an entry commits only once two zones hold it' },
    ],
  },
  {
    id: 'raft-log-probe-not-repeated',
    file: `${src}/heartbeat.ts`,
    find: `    p.probing = false
    sendAppend(r, p)
`,
    replace: '',
    breaks: 'A probe that was lost is sent again.',
    killedBy: [
      {
        file: `${tests}/edges.test.ts`,
        name: 'a peer without its past confirms no leader and commits no entry',
      },
    ],
  },
  {
    id: 'raft-log-full-window-waits',
    file: `${src}/heartbeat.ts`,
    find: 'if (p.next > p.match + 1 && r.now - p.movedAt >= r.options.heartbeatIntervalMs) {',
    replace: 'if (p.next < 0) {',
    breaks: 'A full window of which all was lost is found out.',
    killedBy: [
      {
        file: `${tests}/scenarios.test.ts`,
        name: 'a group does not sleep before everybody knows what is committed',
      },
    ],
  },
  {
    id: 'raft-log-match-regresses',
    file: `${src}/replication.ts`,
    find: `const moved = m.index > p.match
`,
    replace: `const moved = m.index !== p.match
`,
    breaks: 'An acknowledgement that comes late takes nothing back.',
    killedBy: [
      {
        file: `${tests}/edges.test.ts`,
        name: 'an acknowledgement that comes late, or of an earlier term, takes nothing back and adds nothing',
      },
    ],
  },
  {
    id: 'raft-log-match-on-refusal',
    file: `${src}/replication.ts`,
    find: `  p.answered = r.appendId
  if (p.state === 'snapshot') return
`,
    replace: `  p.answered = r.appendId
  p.match = Math.max(p.match, m.index - 1)
  if (p.state === 'snapshot') return
`,
    breaks: 'A refusal proves nothing to be equal.',
    killedBy: [
      {
        file: `${tests}/chaos.test.ts`,
        name: 'every promise holds, and the group works again afterwards five voters',
      },
    ],
  },
  {
    id: 'raft-log-previous-term-unchecked',
    file: `${src}/append.ts`,
    find: 'if (!r.log.matches(m.prevIndex, m.prevTerm)) {',
    replace: 'if (m.prevIndex > r.log.lastIndex) {',
    breaks: 'Entries are taken where index and term of the one before are equal.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'figure-8\\.txt' }],
  },
  {
    id: 'raft-log-peers-survive-term',
    file: `${src}/election.ts`,
    find: `  r.peers = []
  r.progress.clear()
  trackMembers(r)
`,
    replace: `  trackMembers(r)
`,
    also: [
      {
        file: `${src}/election.ts`,
        find: `function stopLeading(r: RaftState): void {
  r.peers = []
  r.progress.clear()
`,
        replace: `function stopLeading(r: RaftState): void {
  r.peers = []
`,
      },
    ],
    breaks: 'What a leader knows of its peers begins anew with its term.',
    killedBy: [
      {
        file: `${tests}/returning.test.ts`,
        name: 'a vote from before a disk was lost elects nobody who lacks what was committed since',
      },
    ],
  },
  {
    id: 'raft-log-commit-index-falls',
    file: `${src}/commit.ts`,
    find: `  if (index <= r.commitIndex) return
  assert`,
    replace: '  assert',
    breaks: 'The commit index never falls.',
    killedBy: [
      {
        file: `${tests}/edges.test.ts`,
        name: 'committed entries are never cut back, whatever a leader claims',
      },
    ],
  },
]

/** Well-known bugs that have no place in these sources. */
export const notApplicable: readonly NotApplicable[] = [
  {
    bug: 'Votes for each entry are counted apart (willemt/raft #15).',
    why: 'There is one index for each peer, and a sort.',
  },
  {
    bug: 'The log is cut when a leader steps down (CCF #5674).',
    why: 'One function cuts a log, and only an append of a leader reaches it.',
  },
  {
    bug: 'The hard state is written before the entries it speaks of (etcd #8455).',
    why: 'Both are in one atomic batch.',
  },
  {
    bug: 'Completions of writes that come out of order lose the newer one (openraft #1960).',
    why: 'The driver reports them in order, which is asserted.',
  },
]
