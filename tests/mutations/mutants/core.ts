// Bugs in what Raft and Paxos share. Its own tests have to find them, and those of an algorithm where
// they come so far.
import type { Mutant } from '../src/mutant.ts'

const src = 'packages/core/src/algorithm'
const test = 'packages/core/test'
const raft = 'packages/raft/test'
const paxos = 'packages/paxos/test'

export const mutants: readonly Mutant[] = [
  {
    id: 'core-cut-keeps-the-membership',
    file: `${src}/config-history.ts`,
    find: 'this.#last.index >= from) this.#configs.pop()',
    replace: 'this.#last.index > from) this.#configs.pop()',
    breaks: 'An entry that is cut off takes the membership that it brought with it.',
    killedBy: [
      `${test}/config-history.test.ts`,
      { file: `${raft}/transcripts.test.ts`, name: 'undone\\.txt' },
    ],
  },
  {
    id: 'core-compaction-keeps-the-latest-members',
    file: `${src}/config-history.ts`,
    find: 'membership: this.at(index).membership }',
    replace: 'membership: this.last }',
    breaks:
      'Where a log begins after compaction, the members are those of its entries up to there.',
    killedBy: [`${test}/config-history.test.ts`],
  },
  {
    id: 'core-recovers-cut-memberships',
    file: `${src}/config-history.ts`,
    find: 'if (entry.index > index && entry.index <= lastIndex) history',
    replace: 'if (entry.index > index) history',
    breaks: 'A membership past the end of a log that was recovered is not in force.',
    killedBy: [`${test}/config-history.test.ts`],
  },
  {
    id: 'core-read-released-a-round-early',
    file: `${src}/pending-reads.ts`,
    find: 'if (read.round < 0 || read.round > round) break',
    replace: 'if (read.round < 0 || read.round > round + 1) break',
    breaks: 'A read is confirmed by a round that began after it.',
    killedBy: [
      `${test}/pending-reads.test.ts`,
      { file: `${raft}/transcripts.test.ts`, name: 'read-index-term\\.txt' },
      `${paxos}/transcripts.test.ts`,
    ],
  },
  {
    id: 'core-read-joins-round-under-way',
    file: `${src}/pending-reads.ts`,
    find: '      if (read.index >= 0) read.round = round\n',
    replace: '      if (read.index >= 0) read.round = Math.max(0, round - 1)\n',
    breaks: 'A read is confirmed by a round that began after it.',
    killedBy: [
      `${test}/pending-reads.test.ts`,
      { file: `${raft}/transcripts.test.ts`, name: 'read-index\\.txt' },
      `${paxos}/transcripts.test.ts`,
    ],
  },
  {
    id: 'core-applied-before-durable',
    file: `${src}/hand-out.ts`,
    find: 'const last = Math.min(committed, r.log.stableIndex)',
    replace: 'const last = committed',
    breaks: 'What is applied is in the own log durably.',
    killedBy: [
      `${test}/hand-out.test.ts`,
      {
        file: `${raft}/edges.test.ts`,
        name: 'entries read to be applied are not applied after a snapshot has replaced them',
      },
      `${paxos}/transcripts.test.ts`,
    ],
  },
  {
    id: 'core-handed-out-twice',
    file: `${src}/hand-out.ts`,
    find: 'const first = r.applying + 1\n',
    replace: 'const first = r.applied + 1\n',
    breaks: 'Entries are handed out once, whatever is still being applied.',
    killedBy: [
      `${test}/hand-out.test.ts`,
      {
        file: `${raft}/edges.test.ts`,
        name: 'one change of membership runs at a time, from appended to committed',
      },
      `${paxos}/edges.test.ts`,
    ],
  },
  {
    id: 'core-applies-a-read-of-before',
    file: `${src}/hand-out.ts`,
    find: 'if (entries === undefined || entries[0]?.index !== r.applying + 1) return false',
    replace: 'if (entries === undefined) return false',
    breaks: 'Entries that were read back are not applied after a snapshot has replaced them.',
    killedBy: [`${test}/hand-out.test.ts`],
  },
  {
    id: 'core-empty-commands-wait',
    file: `${src}/proposals.ts`,
    find: 'return bytes === 0 || waitingBytes === 0',
    replace: 'return waitingBytes === 0',
    breaks: 'What has no bytes is always let in.',
    killedBy: [
      `${test}/proposals.test.ts`,
      {
        file: `${raft}/scenarios.test.ts`,
        name: 'proposals beyond what may wait are refused, and what has no bytes is let in',
      },
    ],
  },
  {
    id: 'core-large-command-taken',
    file: `${src}/proposals.ts`,
    find: 'if (size > limits.commandBytesMax) {',
    replace: 'if (size > limits.commandBytesMax + bytes) {',
    breaks: 'Each command of a batch keeps the limit by itself.',
    killedBy: [`${test}/proposals.test.ts`],
  },
]
