// Bugs of state as a whole: snapshots, refills, damaged disks, and groups that sleep.
// Each stands for one that an implementation of Raft has had, or for the first thing to try when
// changing the line that it changes.
import type { Mutant, NotApplicable } from '../src/mutant.ts'

const src = 'packages/raft/src'
const tests = 'packages/raft/test'

export const mutants: readonly Mutant[] = [
  {
    id: 'raft-state-install-goes-back',
    file: `${src}/snapshot.ts`,
    find: `  if (index > r.applying) {
    r.out.install`,
    replace: `  if (index >= 0) {
    r.out.install`,
    breaks: 'What is applied never goes back.',
    killedBy: [
      {
        file: `${tests}/damage.test.ts`,
        name: 'a state that is ahead of a damaged log is not set back by a snapshot of less',
      },
    ],
  },
  {
    id: 'raft-state-contradiction-left-behind',
    file: `${src}/snapshot.ts`,
    find: `    if (r.commitIndex < r.log.lastIndex) r.out.truncateFrom = r.commitIndex + 1
    else r.out`,
    replace: `    if (r.commitIndex < 0) r.out.truncateFrom = r.commitIndex + 1
    else r.out`,
    breaks: 'What contradicts a snapshot is removed with it.',
    killedBy: [
      {
        file: `${tests}/damage.test.ts`,
        name: 'a snapshot that contradicts what is left takes that and the damage behind it away',
      },
    ],
  },
  {
    id: 'raft-state-damage-hides-contradiction',
    file: `${src}/snapshot.ts`,
    find: `    else r.out.truncateFrom = r.leftoverFrom
`,
    replace: `    if (r.leftoverFrom !== undefined) r.out.truncateFrom = r.leftoverFrom
`,
    breaks: 'What contradicts a snapshot is removed, also before what is damaged.',
    killedBy: [
      {
        file: `${tests}/damage.test.ts`,
        name: 'a snapshot that contradicts what is left takes that and the damage behind it away',
      },
    ],
  },
  {
    id: 'raft-state-suffix-always-kept',
    file: `${src}/snapshot.ts`,
    find: `const keep = r.log.matches(index, epoch)
`,
    replace: `const keep = index <= r.log.lastIndex
`,
    breaks: 'Entries after a snapshot stay only where they follow its last entry.',
    killedBy: [
      {
        file: `${tests}/damage.test.ts`,
        name: 'a snapshot that contradicts what is left takes that and the damage behind it away',
      },
    ],
  },
  {
    id: 'raft-state-other-snapshot-accepted',
    file: `${src}/refill.ts`,
    find: 'return index > r.commitIndex || r.log.matches(index, epoch)',
    replace: 'return index > 0',
    breaks: 'A snapshot that contradicts what is committed is refused.',
    killedBy: [
      {
        file: `${tests}/refills.test.ts`,
        name: 'while it waits nothing is applied, and no snapshot of the old state is taken',
      },
    ],
  },
  {
    id: 'raft-state-offer-not-repeated',
    file: `${src}/snapshot.ts`,
    find: 'if (r.now - p.offeredAt >= r.options.electionTimeoutMs) offerSnapshot(r, p)',
    replace: 'if (r.now < 0) offerSnapshot(r, p)',
    breaks: 'A snapshot that could not be fetched is offered again.',
    killedBy: [{ file: `${tests}/transcripts.test.ts`, name: 'snapshot\\.txt' }],
  },
  {
    id: 'raft-state-offer-acknowledged-unfetched',
    file: `${src}/snapshot.ts`,
    find: 'if (r.log.matches(index, epoch) && !refills) {',
    replace: 'if (index <= r.log.lastIndex && !refills) {',
    breaks: 'A snapshot is acknowledged once it is there.',
    killedBy: [
      {
        file: `${tests}/damage.test.ts`,
        name: 'a snapshot that contradicts what is left takes that and the damage behind it away',
      },
    ],
  },
  {
    id: 'raft-state-old-snapshot-installed',
    file: `${src}/snapshot.ts`,
    find: 'const overtaken = snapshot.index <= r.commitIndex && !refillsFrom(r, snapshot)',
    replace: 'const overtaken = snapshot.index < 0',
    breaks: 'A snapshot of less than is committed is left alone.',
    killedBy: [
      {
        file: `${tests}/edges.test.ts`,
        name: 'a fetched snapshot that entries have overtaken is left alone',
      },
    ],
  },
  {
    id: 'raft-state-snapshot-beyond-applied',
    file: `${src}/snapshot.ts`,
    find: 'if (epoch === undefined || index > r.applied || index <= newest || refilling(r)) {',
    replace: 'if (epoch === undefined || index <= newest || refilling(r)) {',
    breaks: 'A snapshot stands for what is applied.',
    killedBy: [
      {
        file: `${tests}/edges.test.ts`,
        name: `a snapshot older than the newest, or of what is not applied, is not made the group's`,
      },
    ],
  },
  {
    id: 'raft-state-fetch-given-up',
    file: `${src}/snapshot.ts`,
    find: 'if (!same && fetch?.term === r.term) {',
    replace: 'if (!same && fetch === null) {',
    breaks: 'A leader that takes snapshots faster than they travel still brings one over.',
    killedBy: [
      {
        file: `${tests}/edges.test.ts`,
        name: 'a snapshot being fetched is not given up for a newer one of the same leader',
      },
    ],
  },
  {
    id: 'raft-state-fetch-for-ever',
    file: `${src}/snapshot.ts`,
    find: 'if (r.fetch?.snapshot.id === snapshot.id) r.fetch = undefined',
    replace: 'if (snapshot.index < 0) r.fetch = undefined',
    breaks: 'What could not be fetched is given up for what is offered next.',
    killedBy: [
      {
        file: `${tests}/edges.test.ts`,
        name: 'a snapshot being fetched is not given up for a newer one of the same leader',
      },
    ],
  },
  {
    id: 'raft-state-founder-not-told',
    file: `${src}/vouching.ts`,
    find: 'if (r.transfer !== undefined || !r.peers.some((p) => p.blank)) return',
    replace:
      'if (r.transfer !== undefined || !r.peers.some((p) => p.blank && p.vouchIndex > r.log.lastIndex)) return',
    breaks: 'A founder that lost its disk is told who the members are.',
    killedBy: [
      {
        file: `${tests}/returning.test.ts`,
        name: 'a founder with nothing is told who the members are, however much is written meanwhile',
      },
    ],
  },
  {
    id: 'raft-state-older-snapshot-replaces',
    file: `${src}/snapshot.ts`,
    find: 'if (epoch === undefined || index > r.applied || index <= newest || refilling(r)) {',
    replace: 'if (epoch === undefined || index > r.applied || refilling(r)) {',
    breaks: 'A snapshot never replaces a newer one.',
    killedBy: [
      { file: `${tests}/known-bugs.test.ts`, name: 'a snapshot never replaces a newer one' },
    ],
  },
  {
    id: 'raft-state-refill-applies-on',
    file: `${src}/commit.ts`,
    find: 'if (!refilling(r)) handOutUpTo',
    replace: 'handOutUpTo',
    breaks: 'Nothing is applied while a replica waits to be refilled.',
    killedBy: [
      {
        file: `${tests}/refills.test.ts`,
        name: 'leaders, witnesses and those that wait already are refused',
      },
    ],
  },
  {
    id: 'raft-state-refill-drops-acknowledged',
    file: `${src}/snapshot.ts`,
    find: `const keep = r.log.matches(index, epoch)
`,
    replace: `const keep = r.log.matches(index, epoch) && r.refill === undefined
`,
    breaks: 'A refill keeps what the replica acknowledged.',
    killedBy: [
      {
        file: `${tests}/refills.test.ts`,
        name: 'while it waits nothing is applied, and no snapshot of the old state is taken',
      },
    ],
  },
  {
    id: 'raft-state-refill-stops-entries',
    file: `${src}/refill.ts`,
    find: 'sendOffer(r, p, snapshot)',
    replace: 'offerSnapshot(r, p)',
    also: [
      {
        file: `${src}/refill.ts`,
        find: `import { sendOffer } from './snapshot.ts'`,
        replace: `import { offerSnapshot } from './snapshot.ts'`,
      },
    ],
    breaks: 'Entries go on to a replica that is being refilled.',
    killedBy: [
      {
        file: `${tests}/refills.test.ts`,
        name: 'a leader offers what it has, has a snapshot taken, or appends what one can stand behind',
      },
    ],
  },
  {
    id: 'raft-state-refill-asked-once',
    file: `${src}/refill.ts`,
    find: 'refill.askAt = r.now + retryMs(r)',
    replace: 'refill.askAt = Number.POSITIVE_INFINITY',
    breaks: 'A refill is asked for until it is answered.',
    killedBy: [
      {
        file: `${tests}/refills.test.ts`,
        name: 'leaders, witnesses and those that wait already are refused',
      },
    ],
  },
  {
    id: 'raft-state-refill-leads',
    file: `${src}/election.ts`,
    find: `    !refilling(r) &&
`,
    replace: '',
    breaks: 'Nobody is led from a state that is to be replaced.',
    killedBy: [
      {
        file: `${tests}/refills.test.ts`,
        name: 'a replica that waits to be refilled does not come to lead, and gives up without a leader',
      },
    ],
  },
  {
    id: 'raft-state-refill-never-gives-up',
    file: `${src}/refill.ts`,
    find: 'if (r.now >= heardAt + PATIENCE * r.options.electionTimeoutMs) {',
    replace: 'if (r.now < 0) {',
    breaks: 'A refill without a leader to ask fails.',
    killedBy: [
      {
        file: `${tests}/refills.test.ts`,
        name: 'a replica that waits to be refilled does not come to lead, and gives up without a leader',
      },
    ],
  },
  {
    id: 'raft-state-refill-idle-for-ever',
    file: `${src}/refill.ts`,
    find: 'else if (r.log.lastIndex === m.index && r.transfer === undefined) {',
    replace: 'else if (r.log.lastIndex < 0) {',
    breaks: 'An idle group makes a snapshot that helps.',
    killedBy: [
      {
        file: `${tests}/refills.test.ts`,
        name: 'leaders, witnesses and those that wait already are refused',
      },
    ],
  },
  {
    id: 'raft-state-refill-own-snapshot',
    file: `${src}/snapshot.ts`,
    find: 'index <= newest || refilling(r)) {',
    replace: 'index <= newest) {',
    breaks: 'A state that is to be replaced makes no snapshot.',
    killedBy: [
      {
        file: `${tests}/refills.test.ts`,
        name: 'while it waits nothing is applied, and no snapshot of the old state is taken',
      },
    ],
  },
  {
    id: 'raft-state-damage-read-on',
    file: `${src}/recover.ts`,
    find: 'const lastIndex = faultyFrom === undefined ? recovered.lastIndex : faultyFrom - 1',
    replace: 'const lastIndex = recovered.lastIndex',
    breaks: 'A log ends where it is damaged.',
    killedBy: [
      {
        file: `${tests}/edges.test.ts`,
        name: 'a damaged log is filled from peers, and no vote helps a log that lacks what was acknowledged',
      },
    ],
  },
  {
    id: 'raft-state-damage-vouched-for',
    file: `${src}/recover.ts`,
    find: 'if (faultyFrom !== undefined) raiseFloor(r, recovered, faultyFrom)',
    replace: 'if (faultyFrom !== undefined && r.term < 0) raiseFloor(r, recovered, faultyFrom)',
    breaks: 'No vote helps a log that lacks what was acknowledged.',
    killedBy: [
      {
        file: `${tests}/edges.test.ts`,
        name: 'a damaged log is filled from peers, and no vote helps a log that lacks what was acknowledged',
      },
    ],
  },
  {
    id: 'raft-state-damage-before-snapshot-cuts',
    file: `${src}/recover.ts`,
    find: 'const damage = recovered.faulty.find(({ last }) => last > base)',
    replace: 'const damage = recovered.faulty[0]',
    breaks: 'What is damaged before the snapshot costs nothing.',
    killedBy: [
      { file: `${tests}/damage.test.ts`, name: 'damage before the snapshot costs nothing' },
    ],
  },
  {
    id: 'raft-state-damage-left-on-disk',
    file: `${src}/append.ts`,
    find: `    r.out.truncateFrom = Math.min(r.out.truncateFrom ?? r.leftoverFrom, r.leftoverFrom)
`,
    replace: '',
    breaks: 'What is damaged is cut off before anything is written behind it.',
    killedBy: [
      {
        file: `${tests}/damage.test.ts`,
        name: 'damage after it, or across its end, is refilled, and what was there is vouched for after',
      },
    ],
  },
  {
    id: 'raft-state-damage-hides-conflict',
    file: `${src}/append.ts`,
    find: 'r.out.truncateFrom = Math.min(r.out.truncateFrom ?? r.leftoverFrom, r.leftoverFrom)',
    replace: 'r.out.truncateFrom = r.leftoverFrom',
    breaks: 'A conflict before what is damaged is cut back too.',
    killedBy: [
      {
        file: `${tests}/damage.test.ts`,
        name: 'a conflict before the damage is cut back, and the damage with it',
      },
    ],
  },
  {
    id: 'raft-state-floor-elects',
    file: `${src}/election.ts`,
    find: `  if (upToDate(m.lastIndex, m.lastTerm, r.floorIndex, r.floorTerm)) return true
`,
    replace: `  if (r.floorIndex >= 0) return true
`,
    breaks: 'No vote helps a log that lacks what was acknowledged.',
    killedBy: [
      {
        file: `${tests}/edges.test.ts`,
        name: 'where the last entry itself is damaged, its term is taken to be the latest seen',
      },
    ],
  },
  {
    id: 'raft-state-sleeps-too-early',
    file: `${src}/hibernation.ts`,
    find: 'return r.peers.every((p) => p.match === r.log.lastIndex && !p.blank && p.heardAt > since)',
    replace: 'return r.peers.every((p) => p.heardAt > since || p.heardAt <= since)',
    also: [
      {
        file: `${src}/heartbeat.ts`,
        find: 'if (m.hibernate && r.commitIndex === r.log.lastIndex && m.leaderCommit === r.commitIndex) {',
        replace: 'if (m.hibernate) {',
      },
    ],
    breaks: 'A group sleeps once everybody holds everything and knows it.',
    killedBy: [
      {
        file: `${tests}/known-bugs.test.ts`,
        name: 'a follower that does not know all that is committed does not sleep',
      },
    ],
  },
  {
    id: 'raft-state-learner-never-looks',
    file: `${src}/hibernation.ts`,
    find: 'return options.hibernateAfterMs > 0 && r.leader === undefined && membership.voters.length > 0',
    replace:
      'return options.hibernateAfterMs < 0 && r.leader === undefined && membership.voters.length > 0',
    breaks: 'Who cannot campaign finds its leader in a group that sleeps.',
    killedBy: [
      {
        file: `${tests}/sleeping.test.ts`,
        name: 'a learner that starts again in a group that sleeps finds its leader',
      },
    ],
  },
  {
    id: 'raft-state-question-not-passed-on',
    file: `${src}/hibernation.ts`,
    find: `  else wakeFollower(r)
}`,
    replace: '}',
    breaks: 'A follower that is woken asks its leader.',
    killedBy: [
      {
        file: `${tests}/sleeping.test.ts`,
        name: 'a learner that starts again when the leader of a sleeping group has died has one elected',
      },
    ],
  },
  {
    id: 'raft-state-zones-ignored',
    file: `${src}/quorums.ts`,
    find: 'if (options.commitZones === 1) return index',
    replace: 'if (options.commitZones > 0) return index',
    breaks: 'An entry commits once enough zones hold it.',
    killedBy: [
      { file: `${tests}/scenarios.test.ts`, name: 'an entry commits only once two zones hold it' },
    ],
  },
  {
    id: 'raft-state-blank-believes-all',
    file: `${src}/vouching.ts`,
    find: 'return r.blank ? r.verified : r.log.lastIndex',
    replace: 'return r.log.lastIndex',
    breaks: 'Who lacks its past takes for committed only what this leader has shown it.',
    killedBy: [
      {
        file: `${tests}/returning.test.ts`,
        name: 'who has nothing and was fed by a leader of before does not take it for committed',
      },
    ],
  },
  {
    id: 'raft-state-vouched-for-another',
    file: `${src}/heartbeat.ts`,
    find: 'if (r.blank && m.vouch === r.memory) vouchedFor(r, from)',
    replace: 'if (r.blank && m.vouch !== 0) vouchedFor(r, from)',
    breaks: 'Who lost its disk once more is not who was vouched for.',
    killedBy: [
      {
        file: `${tests}/returning.test.ts`,
        name: 'who loses its disk twice is not vouched for as who it was in between',
      },
    ],
  },
  {
    id: 'raft-state-lost-again-unseen',
    file: `${src}/vouching.ts`,
    find: 'if (memory === p.memory) return',
    replace: 'if ((memory !== 0) === p.blank) return',
    breaks: 'What was acknowledged before a disk was lost once more proves nothing.',
    killedBy: [
      {
        file: `${tests}/returning.test.ts`,
        name: 'who loses its disk twice counts again, under the same leader',
      },
    ],
  },
  {
    id: 'raft-state-counts-again-unused',
    file: `${src}/vouching.ts`,
    find: `  p.memory = 0
  maybeCommit(r)`,
    replace: `  p.memory = 0`,
    breaks: 'What waits only for a peer that counts again commits as soon as it does.',
    killedBy: [
      {
        file: `${tests}/returning.test.ts`,
        name: 'what was acknowledged before it was vouched for commits as soon as that counts',
      },
    ],
  },
  {
    id: 'raft-state-last-term-taken',
    file: `${src}/receive.ts`,
    find: '(m.term > TERM_MAX && m.term > r.term + TERM_STEP_MAX)',
    replace: 'm.term > TERM_MAX',
    breaks: 'However far somebody has driven the terms, there is room to campaign in.',
    killedBy: [
      {
        file: `${tests}/known-bugs.test.ts`,
        name: 'a message of the last term there is leaves room to campaign in',
      },
    ],
  },
  {
    id: 'raft-state-strangers-votes-kept',
    file: `${src}/election.ts`,
    find: `  if (!isVoter(r.membership, m.voter)) return
`,
    replace: '',
    breaks: 'Nothing is kept of those who are no voters.',
    killedBy: [
      { file: `${tests}/known-bugs.test.ts`, name: 'who is no voter is not counted, nor kept' },
    ],
  },
]

/** Well-known bugs that have no place in these sources. */
export const notApplicable: readonly NotApplicable[] = [
  {
    bug: 'A chunk of a snapshot that comes twice opens a new session (openraft 2eccb9e1).',
    why: 'The bytes of a snapshot do not pass through the core.',
  },
  {
    bug: `A snapshot's trigger is lost and compaction stalls (openraft #1829).`,
    why: `The policy of snapshots is the host's.`,
  },
]
