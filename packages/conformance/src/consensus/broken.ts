// Cores that are each wrong in one way, made from a right one, with the check that notices. A suite that
// cannot fail proves nothing; these prove that each of these checks can.
import type { ConsensusFactory } from '@quorate/core'
import { DefectiveCore, defects } from './defects.ts'
import type { Defect, Patient } from './defects.ts'
import { Formers, lostDiskDefects } from './lost-disk-defects.ts'

/** A core that is wrong on purpose. */
export interface BrokenCore {
  /** What is wrong with it. */
  readonly name: string
  /** The check that it fails. */
  readonly fails: string
  /** Whether it fails no other check. */
  readonly only: boolean
  /** Breaks an algorithm that is right. */
  readonly breaks: (consensus: ConsensusFactory) => ConsensusFactory
}

/** Each defect, the check that notices, and whether no other does. */
const FAILS: readonly (readonly [string, string, 'only'?])[] = [
  [
    'depends on more than its inputs',
    'the same inputs, times and seed give the same effects',
    'only',
  ],
  ['uses its arrays again', 'effects are not modified after they were returned', 'only'],
  [
    'reads messages that were cut short',
    'every message is the same after its codec, and cut short it is malformed',
    'only',
  ],
  ['throws at messages of strangers', 'nothing that a peer may send makes a step throw', 'only'],
  [
    'throws at news of strangers',
    'a tick before its time, and news of peers, are harmless',
    'only',
  ],
  [
    'speaks before it is addressed',
    'a replica that joins stays silent until it is addressed',
    'only',
  ],
  ['tells an old status', 'its status is told anew each time, and true', 'only'],
  [
    'skips the number of a batch',
    'batches are numbered from 1, one by one, across everything that happens',
  ],
  [
    'hands entries out twice',
    'entries are handed out in order, each once, and never beyond the commit index',
  ],
  ['votes before its vote is durable', 'nobody leads before a quorum has its votes on disk'],
  ['acknowledges before it is durable', 'nothing commits before a quorum has it on disk'],
  ['counts its own write too early', 'a leader counts its own disk only once the write is done'],
  [
    'counts its own write too early when alone',
    'a group of one commits once its disk has the entry, and not before',
  ],
  ['forgets its last entry', 'what was committed survives a crash of everybody'],
  [
    'has to be told the members at each start',
    'a replica that has stored anything need not be told the members again',
    'only',
  ],
  ['forgets its epoch', 'an epoch is not forgotten by a restart'],
  [
    'cannot count to seven',
    'groups of one, two, three, five and seven elect a leader and apply commands',
    'only',
  ],
  ['never doubts a leader', 'a leader that dies is replaced, and what it committed stays'],
  ['commits alone', 'a minority neither elects nor commits'],
  ['reverses batches', 'a batch of commands is one stretch of the log, as it was given', 'only'],
  ['keeps the leader to itself', 'a follower refuses proposals and names the leader', 'only'],
  [
    'has no limit of what is uncommitted',
    'proposals beyond what may be uncommitted are refused, and taken again later',
    'only',
  ],
  ['has no limit of a message', 'messages stay within their limit', 'only'],
  [
    'leaves quorum reads open',
    'a quorum read at the leader passes, at or after everything applied before it',
    'only',
  ],
  ['reads without asking', 'a leader that was replaced without knowing passes no quorum read'],
  ['leaves local reads open', 'a local read passes at once', 'only'],
  ['keeps leadership', 'leadership goes to whom it is handed, and the call is told', 'only'],
  ['never compacts', 'a snapshot that was taken becomes the group’s, and the log before it goes'],
  ['starts from nothing', 'a replica starts from its snapshot and the log behind it'],
  ['installs nothing', 'a replica too far behind fetches a snapshot and goes on from there'],
  ['asks once for a snapshot', 'a snapshot that could not be fetched is asked for again'],
  [
    'is refilled without a snapshot',
    'a replica that asks for it is refilled from a snapshot, and keeps what it acknowledged',
    'only',
  ],
  ['is refilled while it leads', 'a leader is not refilled', 'only'],
  [
    'never uses what it read back',
    'entries that have left memory are read back for those who lack them',
    'only',
  ],
  ['adds nobody', 'a voter is added, catches up, and counts', 'only'],
  ['removes nobody', 'a voter is removed, also the leader, and the rest goes on', 'only'],
  ['replaces no lone voter', 'a lone voter is replaced by others, and stays as a learner', 'only'],
  ['replaces nobody', 'all voters are replaced at once', 'only'],
  [
    'changes any version',
    'a change against another version than the one in force is refused',
    'only',
  ],
  ['counts learners', 'a learner receives everything and counts for nothing', 'only'],
  [
    'forgets what it acknowledged, and counts',
    'an acknowledged entry is not lost with the disk of a voter that held it',
  ],
  [
    'forgets that it voted, and counts',
    'a voter that lost its disk does not vote again where it may have voted before',
    'only',
  ],
  [
    'never comes back from a lost disk',
    'a voter that lost its disk is filled again, and counts',
    'only',
  ],
  [
    'forgets the second time that it forgot',
    'every promise holds though a voter loses its disk, again and again',
    'only',
  ],
  [
    'forgets its last entry once its log is long',
    'every promise holds whatever happens, and the group recovers when it ends',
    'only',
  ],
]

/** Cores that are each wrong in one way. */
export const brokenCores: readonly BrokenCore[] = FAILS.map(([name, fails, only]) => ({
  name,
  fails,
  only: only === 'only',
  breaks: (consensus) => withDefect(consensus, { ...defects, ...lostDiskDefects }[name] as Defect),
}))

function withDefect(consensus: ConsensusFactory, defect: Defect): ConsensusFactory {
  const { name, wireVersion, format, codec } = consensus
  const formers = new Formers()
  return {
    name,
    wireVersion,
    format,
    codec: defect.codec?.(codec) ?? codec,
    create(given) {
      const former = formers.before(given)
      const init = defect.init?.(given, former) ?? given
      const patient: Patient = { init, former, core: consensus.create(init), notes: new Map() }
      formers.add(patient)
      return new DefectiveCore(patient, defect)
    },
  }
}
