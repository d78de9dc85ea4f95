// Bugs of elections: votes, terms, polls, shields, and members that reach only some of the others.
// Each stands for one that an implementation of Raft has had, or for the first thing to try when
// changing the line that it changes.
import type { Mutant, NotApplicable } from '../src/mutant.ts'

const src = 'packages/raft/src'
const tests = 'packages/raft/test'

export const mutants: readonly Mutant[] = [
  {
    id: 'raft-commit-earlier-term',
    file: `${src}/commit.ts`,
    find: 'if (r.log.epoch(index) !== r.term) {',
    replace: 'if (r.log.epoch(index) === undefined) {',
    breaks: 'An entry of an earlier term commits only with one of this term behind it (figure 8).',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'figure-8\\.txt' }],
  },
  {
    id: 'raft-vote-forgotten-on-disk',
    file: `${src}/hard-state.ts`,
    find: `writer.text(state.vote ?? '')`,
    replace: `writer.text('')`,
    breaks: 'A vote outlives a restart.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'election\\.txt' }],
  },
  {
    id: 'raft-even-half-commits',
    file: `${src}/quorums.ts`,
    find: 'return Math.max(1, majority(voters) - options.commitSlack)',
    replace: 'return Math.max(1, Math.ceil(voters / 2) - options.commitSlack)',
    breaks: 'Half of an even number of voters is no quorum.',
    killedBy: [
      {
        file: `${tests}/edges.test.ts`,
        name: 'one change of membership runs at a time, from appended to committed',
      },
    ],
  },
  {
    id: 'raft-election-quorum-too-small',
    file: `${src}/quorums.ts`,
    find: 'return Math.max(majority(voters), voters + 1 - commitQuorum(voters, options))',
    replace: 'return Math.max(1, voters + 1 - commitQuorum(voters, options) - 1)',
    breaks: 'Every quorum that elects meets every quorum that commits.',
    killedBy: [{ file: `${tests}/edges.test.ts`, name: 'one voter counts once' }],
  },
  {
    id: 'raft-election-slack-unpaid',
    file: `${src}/quorums.ts`,
    find: 'return Math.max(majority(voters), voters + 1 - commitQuorum(voters, options))',
    replace: 'return majority(voters)',
    breaks: 'What fewer commit, more elect.',
    killedBy: [
      {
        file: `${tests}/scenarios.test.ts`,
        name: 'flexible quorums commit with fewer and elect with more',
      },
    ],
  },
  {
    id: 'raft-log-compared-in-both',
    file: `${src}/election.ts`,
    find: 'return lastTerm > thanTerm || (lastTerm === thanTerm && lastIndex >= thanIndex)',
    replace: 'return lastTerm >= thanTerm && lastIndex >= thanIndex',
    breaks: 'A log with a later last term is up to date whatever its length.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'votes\\.txt' }],
  },
  {
    id: 'raft-log-compared-by-length',
    file: `${src}/election.ts`,
    find: 'return lastTerm > thanTerm || (lastTerm === thanTerm && lastIndex >= thanIndex)',
    replace: 'return lastIndex >= thanIndex',
    breaks: 'The term of the last entry decides before the length does.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'votes\\.txt' }],
  },
  {
    id: 'raft-log-refused-if-both-worse',
    file: `${src}/election.ts`,
    find: 'return lastTerm > thanTerm || (lastTerm === thanTerm && lastIndex >= thanIndex)',
    replace: 'return lastTerm >= thanTerm || lastIndex >= thanIndex',
    breaks: 'One of term and length being worse is enough to be refused.',
    killedBy: [
      {
        file: `${tests}/edges.test.ts`,
        name: 'where the last entry itself is damaged, its term is taken to be the latest seen',
      },
    ],
  },
  {
    id: 'raft-log-must-be-longer',
    file: `${src}/election.ts`,
    find: 'return lastTerm > thanTerm || (lastTerm === thanTerm && lastIndex >= thanIndex)',
    replace: 'return lastTerm > thanTerm || (lastTerm === thanTerm && lastIndex > thanIndex)',
    breaks: 'Equal logs may elect each other.',
    killedBy: [{ file: `${tests}/edges.test.ts`, name: 'one voter counts once' }],
  },
  {
    id: 'raft-log-not-compared',
    file: `${src}/election.ts`,
    find: 'if (may && !r.blank && acceptable(r, m)) {',
    replace: 'if (may && !r.blank) {',
    breaks: 'Nobody votes for a log that lacks what it holds.',
    killedBy: [
      {
        file: `${tests}/edges.test.ts`,
        name: 'where the last entry itself is damaged, its term is taken to be the latest seen',
      },
    ],
  },
  {
    id: 'raft-vote-twice',
    file: `${src}/election.ts`,
    find: 'const free = r.vote === candidate || (r.vote === undefined && r.leader === undefined)',
    replace: 'const free = true',
    breaks: 'A replica votes once in a term.',
    killedBy: [
      {
        file: `${tests}/returning.test.ts`,
        name: 'who was vouched for does not vote in the term in which it may have voted before',
      },
    ],
  },
  {
    id: 'raft-vote-kept-across-terms',
    file: `${src}/election.ts`,
    find: `    r.term = term
    r.vote = undefined
`,
    replace: `    r.term = term
`,
    breaks: 'A new term begins without a vote.',
    killedBy: [
      {
        file: `${tests}/edges.test.ts`,
        name: 'a damaged log is filled from peers, and no vote helps a log that lacks what was acknowledged',
      },
    ],
  },
  {
    id: 'raft-vote-cleared-in-term',
    file: `${src}/election.ts`,
    find: `  const wasLeader = r.role === 'leader'
`,
    replace: `  r.vote = undefined
  const wasLeader = r.role === 'leader'
`,
    breaks: 'Stepping back does not give a vote back.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'refill\\.txt' }],
  },
  {
    id: 'raft-vote-sent-before-durable',
    file: `${src}/election.ts`,
    find: 'r.out.sendAfterPersist(to, reply)',
    replace: 'r.out.send(to, reply)',
    breaks: 'A vote leaves once it is durable.',
    killedBy: [
      { file: `${tests}/damage.test.ts`, name: 'damage before the snapshot costs nothing' },
    ],
  },
  {
    id: 'raft-term-not-persisted',
    file: `${src}/election.ts`,
    find: `    r.vote = undefined
    r.out.hardStateChanged = true
`,
    replace: `    r.vote = undefined
`,
    breaks: 'A term that was entered outlives a restart.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'snapshot-conflict\\.txt' }],
  },
  {
    id: 'raft-own-vote-before-durable',
    file: `${src}/election.ts`,
    find: `if (r.role !== 'candidate' || r.durableSeq < r.voteSeq || r.votes.has(r.id)) return`,
    replace: `if (r.role !== 'candidate' || r.votes.has(r.id)) return`,
    also: [
      {
        file: `${src}/election.ts`,
        find: '    else if (r.votes.get(r.id) === true) becomeLeader(r)',
        replace: '    else if (r.term >= 0) becomeLeader(r)',
      },
    ],
    breaks: 'A candidate counts its own vote once it is durable.',
    killedBy: [
      {
        file: `${tests}/edges.test.ts`,
        name: 'elected by others before its own vote is durable, it waits for its disk',
      },
    ],
  },
  {
    id: 'raft-vote-answer-replaced',
    file: `${src}/election.ts`,
    find: 'if (!r.votes.has(m.voter)) r.votes.set(m.voter, m.granted)',
    replace: 'r.votes.set(m.voter, m.granted)',
    breaks: 'A voter counts once, as it answered first.',
    killedBy: [{ file: `${tests}/edges.test.ts`, name: 'one voter counts once' }],
  },
  {
    id: 'raft-vote-counted-for-relay',
    file: `${src}/election.ts`,
    find: 'if (!r.votes.has(m.voter)) r.votes.set(m.voter, m.granted)',
    replace: 'if (!r.votes.has(from)) r.votes.set(from, m.granted)',
    breaks: 'A vote that was passed on counts for who gave it.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'constrained\\.txt' }],
  },
  {
    id: 'raft-poll-refusal-term-ignored',
    file: `${src}/receive.ts`,
    find: `if (m.type === 'voteReply' && m.pre && m.granted) return handleVoteReply(r, from, m)`,
    replace: `if (m.type === 'voteReply' && m.pre) return handleVoteReply(r, from, m)`,
    breaks: 'A refused poll brings the later term along.',
    killedBy: [
      { file: `${tests}/known-bugs.test.ts`, name: 'a refused poll brings the later term along' },
    ],
  },
  {
    id: 'raft-old-poll-unanswered',
    file: `${src}/receive.ts`,
    find: 'if (m.term < r.term) rejectVote(r, from, m)',
    replace: 'if (m.term < r.term) return',
    breaks: 'A request of an earlier term is answered with this one.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'votes\\.txt' }],
  },
  {
    id: 'raft-poll-keeps-old-answers',
    file: `${src}/election.ts`,
    find: `  r.role = 'pre-candidate'
  r.leader = undefined
  r.votes.clear()
`,
    replace: `  r.role = 'pre-candidate'
  r.leader = undefined
`,
    breaks: 'A poll begins without answers.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'check-quorum\\.txt' }],
  },
  {
    id: 'raft-candidate-keeps-poll-answers',
    file: `${src}/election.ts`,
    find: `  r.role = 'candidate'
  r.leader = undefined
  r.votes.clear()
`,
    replace: `  r.role = 'candidate'
  r.leader = undefined
`,
    breaks: 'What a poll answered is no vote.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'check-quorum\\.txt' }],
  },
  {
    id: 'raft-shield-against-own-leader',
    file: `${src}/election.ts`,
    find: 'return r.heardFrom !== m.candidate && r.now',
    replace: 'return r.now',
    breaks: 'A leader that is heard may campaign again.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'joint\\.txt' }],
  },
  {
    id: 'raft-late-poll-answers-count',
    file: `${src}/election.ts`,
    find: `? r.role === 'pre-candidate' && (!m.granted || m.term === r.term + 1)`,
    replace: `? r.role !== 'leader' || m.granted`,
    breaks: 'Answers to a poll that is over mean nothing.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'election\\.txt' }],
  },
  {
    id: 'raft-learner-campaigns',
    file: `${src}/election.ts`,
    find: `    (r.isVoter || leaving(r)) &&
`,
    replace: '',
    breaks: 'Who has no vote does not campaign.',
    killedBy: [
      {
        file: `${tests}/edges.test.ts`,
        name: 'asked to campaign while it may not, a replica stays where it is',
      },
    ],
  },
  {
    id: 'raft-learner-refuses-votes',
    file: `${src}/election.ts`,
    find: 'if (may && !r.blank && acceptable(r, m)) {',
    replace: 'if (may && r.isVoter && !r.blank && acceptable(r, m)) {',
    breaks: 'Who does not know yet that it is a voter votes when asked.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'joint-elections\\.txt' }],
  },
  {
    id: 'raft-no-shield',
    file: `${src}/election.ts`,
    find: `if (!r.options.checkQuorum) return false
  if (r.role === 'leader') return true
`,
    replace: `if (r.term >= 0) return false
  if (r.role === 'leader') return true
`,
    breaks: 'Who hears a leader shields it from others.',
    killedBy: [
      {
        file: `${tests}/scenarios.test.ts`,
        name: 'a leader hands over to a voter that reaches more members',
      },
    ],
  },
  {
    id: 'raft-no-silence-after-start',
    file: `${src}/recover.ts`,
    find: 'r.silentUntil = r.now + timeout',
    replace: 'r.silentUntil = r.now',
    breaks: 'Who has just started may have promised a leader to wait.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'two-to-one\\.txt' }],
  },
  {
    id: 'raft-promise-before-first-write',
    file: `${src}/heartbeat.ts`,
    find: 'if (r.durableSeq === 0 && r.neverStored) r.out.sendAfterPersist(from, reply)',
    replace: 'if (r.durableSeq < 0) r.out.sendAfterPersist(from, reply)',
    breaks: 'A promise that no disk could remember does not leave.',
    killedBy: [
      {
        file: `${tests}/known-bugs.test.ts`,
        name: 'a promise that the disk does not remember yet does not leave',
      },
    ],
  },
  {
    id: 'raft-lone-election-uncommitted',
    file: `${src}/recover.ts`,
    find: 'if (electsAlone(r) && r.configs.lastIndex <= r.commitIndex) {',
    replace: 'if (electsAlone(r)) {',
    breaks: 'A membership of one elects alone only once it is committed.',
    killedBy: [
      {
        file: `${tests}/known-bugs.test.ts`,
        name: 'who is the only voter elects itself at once only where that is committed',
      },
    ],
  },
  {
    id: 'raft-timer-not-random',
    file: `${src}/election.ts`,
    find: 'r.electionTimeout = timeout * (1 + r.random.fraction())',
    replace: 'r.electionTimeout = timeout * 1.5',
    breaks: 'Election timeouts are drawn anew.',
    killedBy: [
      {
        file: `${tests}/edges.test.ts`,
        name: 'a damaged log is filled from peers, and no vote helps a log that lacks what was acknowledged',
      },
    ],
  },
  {
    id: 'raft-timer-pushed-by-terms',
    file: `${src}/election.ts`,
    find: 'if (waits || r.electionDeadline === Number.POSITIVE_INFINITY) resetElectionDeadline(r)',
    replace: 'resetElectionDeadline(r)',
    breaks: 'A candidate that cannot win does not put off one that can.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'election\\.txt' }],
  },
  {
    id: 'raft-poll-raises-term',
    file: `${src}/election.ts`,
    find: `  r.role = 'pre-candidate'
`,
    replace: `  r.role = 'pre-candidate'
  r.term += 1
  r.out.hardStateChanged = true
`,
    breaks: 'A poll raises no term.',
    killedBy: [
      {
        file: `${tests}/edges.test.ts`,
        name: 'an acknowledgement of more than there is, or of a message never sent, is ignored',
      },
    ],
  },
  {
    id: 'raft-check-quorum-never',
    file: `${src}/heartbeat.ts`,
    find: 'if (r.options.checkQuorum && !hearsQuorum(r)) {',
    replace: 'if (r.options.checkQuorum && r.peers.length < 0) {',
    breaks: 'A leader without a quorum steps down.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'check-quorum\\.txt' }],
  },
  {
    id: 'raft-stall-excused-for-ever',
    file: `${src}/core.ts`,
    find: 'if (p.heardAt >= r.stalledAt) p.heardAt',
    replace: 'p.heardAt',
    breaks: 'A leader whose every tick is late steps down too.',
    killedBy: [
      {
        file: `${tests}/sleeping.test.ts`,
        name: 'a leader whose every tick is late steps down once it hears nobody',
      },
    ],
  },
  {
    id: 'raft-stall-keeps-lease',
    file: `${src}/core.ts`,
    find: `    surrenderLease(r)
`,
    replace: '',
    breaks: 'Who stood still has no lease.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'lease-stall\\.txt' }],
  },
  {
    id: 'raft-stale-leader-not-told',
    file: `${src}/receive.ts`,
    find: `    r.out.send(from, heartbeatReply(r, 0))
`,
    replace: '',
    breaks: 'A leader of an earlier term learns that there is a later one.',
    killedBy: [
      {
        file: `${tests}/known-bugs.test.ts`,
        name: 'an older term is older, however large terms are',
      },
    ],
  },
  {
    id: 'raft-later-term-in-answer-ignored',
    file: `${src}/receive.ts`,
    find: `    becomeFollower(r, m.term, undefined)
  } else`,
    replace: `    if (m.type !== 'heartbeatReply' && m.type !== 'appendReply') becomeFollower(r, m.term, undefined)
  } else`,
    breaks: 'A later term in an answer ends a leadership.',
    killedBy: [
      {
        file: `${tests}/edges.test.ts`,
        name: `old entries that arrive after the leadership they were read for are nobody's`,
      },
    ],
  },
  {
    id: 'raft-older-term-answer-counts',
    file: `${src}/receive.ts`,
    find: `} else if (m.term < r.term && m.type !== 'read') {`,
    replace: `} else if (m.term < r.term && m.type !== 'read' && m.type !== 'appendReply') {`,
    breaks: 'An acknowledgement of an earlier term proves nothing.',
    killedBy: [
      {
        file: `${tests}/edges.test.ts`,
        name: 'an acknowledgement that comes late, or of an earlier term, takes nothing back and adds nothing',
      },
    ],
  },
  {
    id: 'raft-older-vote-counts',
    file: `${src}/receive.ts`,
    find: `} else if (m.term < r.term && m.type !== 'read') {`,
    replace: `} else if (m.term < r.term && m.type !== 'read' && m.type !== 'voteReply') {`,
    also: [
      {
        file: `${src}/election.ts`,
        find: `: r.role === 'candidate' && m.term === r.term`,
        replace: `: r.role === 'candidate'`,
      },
    ],
    breaks: 'A vote of an earlier term elects nobody.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'two-to-one\\.txt' }],
  },
  {
    id: 'raft-term-32-bits',
    file: `${src}/receive.ts`,
    find: `} else if (m.term < r.term && m.type !== 'read') {`,
    replace: `} else if ((m.term | 0) < (r.term | 0) && m.type !== 'read') {`,
    breaks: 'Terms are compared as whole numbers up to 2^53.',
    killedBy: [
      {
        file: `${tests}/known-bugs.test.ts`,
        name: 'an older term is older, however large terms are',
      },
    ],
  },
  {
    id: 'raft-two-leaders-believed',
    file: `${src}/receive.ts`,
    find: `if (r.role === 'leader' || (r.leader !== undefined && r.leader !== from)) return false`,
    replace: `if (r.role === 'leader') return false`,
    breaks: 'Whoever claims to lead a term that another leads is not believed.',
    killedBy: [
      {
        file: `${tests}/edges.test.ts`,
        name: 'a second leader of one term is not believed, nor a message from itself',
      },
    ],
  },
  {
    id: 'raft-no-heir',
    file: `${src}/heartbeat.ts`,
    find: `    passOn(r)
`,
    replace: '',
    breaks: 'A leader that loses its quorum names an heir.',
    killedBy: [
      {
        file: `${tests}/connectivity.test.ts`,
        name: 'a leader that loses its quorum names as its heir whom it hears',
      },
    ],
  },
  {
    id: 'raft-nothing-passed-on',
    file: `${src}/election.ts`,
    find: `  if (m.relay) relay(r, m)
`,
    replace: '',
    breaks: 'Requests of candidates that reach no quorum are passed on.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'constrained\\.txt' }],
  },
  {
    id: 'raft-answers-not-passed-on',
    file: `${src}/receive.ts`,
    find: 'if (isMember(r.membership, m.candidate)) r.out.send(m.candidate, m)',
    replace: 'if (r.term < 0) r.out.send(m.candidate, m)',
    breaks: 'Answers to what was passed on are passed back.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'figure-8-e\\.txt' }],
  },
  {
    id: 'raft-relay-not-led',
    file: `${src}/transfer.ts`,
    find: 'if (p !== undefined && eligible(r, p)) startTransfer(r, undefined, p)',
    replace: 'if (p === undefined) return',
    breaks: 'Who was elected over another hands over to it.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'constrained\\.txt' }],
  },
  {
    id: 'raft-relayed-from-the-start',
    file: `${src}/election.ts`,
    find: `r.relaying = !transfer && r.role !== 'follower'`,
    replace: 'r.relaying = !transfer',
    breaks: 'Requests are passed on only after a campaign that came to no end.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'durability\\.txt' }],
  },
  {
    id: 'raft-starved-over-relay',
    file: `${src}/election.ts`,
    find: 'if (from === candidate && isMember(r.membership, from)) r.starvedAt.set(from, r.now)',
    replace: 'r.starvedAt.set(candidate, r.now)',
    breaks: 'Only who is heard itself is told to lack a leader.',
    killedBy: [
      {
        file: `${tests}/known-bugs.test.ts`,
        name: 'only who asks by itself is reported to lack a leader',
      },
    ],
  },
  {
    id: 'raft-better-connected-ignored',
    file: `${src}/transfer.ts`,
    find: 'const target = preferred(r) ?? betterConnected(r)',
    replace: 'const target = preferred(r)',
    breaks: 'Leadership goes to who reaches more.',
    killedBy: [
      {
        file: `${tests}/scenarios.test.ts`,
        name: 'a leader hands over to a voter that reaches more members',
      },
    ],
  },
  {
    id: 'raft-priority-ignored',
    file: `${src}/transfer.ts`,
    find: 'const target = preferred(r) ?? betterConnected(r)',
    replace: 'const target = betterConnected(r)',
    breaks: 'Leadership goes to the highest priority.',
    killedBy: [
      {
        file: `${tests}/scenarios.test.ts`,
        name: 'leadership moves to the voter of highest priority, and stays',
      },
    ],
  },
]

/** Well-known bugs that have no place in these sources. */
export const notApplicable: readonly NotApplicable[] = [
  {
    bug: 'A term read again after an await is another (hashicorp/raft #695, nebula #568, braft in sofa-jraft #882).',
    why: 'A step is synchronous: nothing happens between a check and what follows from it.',
  },
  {
    bug: 'Term and vote written apart are torn apart by a crash (hashicorp/raft #661).',
    why: 'They are one record in one atomic batch; a mutant forgets the vote instead.',
  },
  {
    bug: 'A message of another group or cluster is counted (hashicorp/raft #67).',
    why: 'Groups and clusters are told apart by the host, before a core sees the message.',
  },
  {
    bug: 'Votes are refused with a committed membership that is not applied (etcd #7280, #11284, #12359).',
    why: 'A membership is in force when it is appended: nothing waits to be applied.',
  },
]
