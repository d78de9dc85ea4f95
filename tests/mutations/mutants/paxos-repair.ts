// Bugs of Paxos's repairs: what a leader does until an acceptor's log is in step with its own, whatever is
// lost on the way or overtaken.
import type { Mutant } from '../src/mutant.ts'

const src = 'packages/paxos/src'
const test = 'packages/paxos/test'
const edges = `${test}/edges.test.ts`

export const mutants: readonly Mutant[] = [
  {
    id: 'paxos-repair-cut-short',
    file: `${src}/accept.ts`,
    find: '  const reached = Math.max(repairEnd(whole), r.decided, ownEnd(r))\n',
    replace: '  const reached = Math.max(repairEnd(whole), ownEnd(r))\n',
    breaks: 'A repair is whole where all that the leader adopted is known to be decided.',
    killedBy: [edges],
  },
  {
    id: 'paxos-repair-cuts-its-own',
    file: `${src}/accept.ts`,
    find: '  return r.log.lastEpoch === r.promised ? r.log.lastIndex : 0\n',
    replace: '  return r.log.lastEpoch > r.promised ? r.log.lastIndex : 0\n',
    breaks: 'A repair never removes what its own ballot brought, decided or not.',
    killedBy: [edges],
  },
  {
    id: 'paxos-repair-keeps-any',
    file: `${src}/accept.ts`,
    find: '  return r.log.lastEpoch === r.promised ? r.log.lastIndex : 0\n',
    replace: '  return r.log.lastEpoch <= r.promised ? r.log.lastIndex : 0\n',
    breaks: 'A repair keeps of another ballot’s entries only those that the leader has.',
    killedBy: [edges],
  },
  {
    id: 'paxos-repair-without-meeting',
    file: `${src}/accept.ts`,
    find: 'return m.prev <= r.decided || r.log.matches(m.prev, m.prevEpoch)',
    replace: 'return m.prev <= r.log.lastIndex || r.log.matches(m.prev, m.prevEpoch)',
    breaks: 'A repair begins only where both logs hold the same entry.',
    killedBy: [edges],
  },
  {
    id: 'paxos-repair-drops-what-came',
    file: `${src}/accept.ts`,
    find: '  const { repair } = r\n  // Entries that only',
    replace: '  const { repair } = r\n  r.repair = undefined\n  // Entries that only',
    breaks: 'A repair comes to an end though its messages overtake each other.',
    killedBy: [edges],
  },
  {
    id: 'paxos-repair-begins-again',
    file: `${src}/accept.ts`,
    find: '  if (repair === undefined || r.blank || missing(r) !== undefined) {\n',
    replace: '  if (repair === undefined || r.promised > 0) {\n',
    breaks: 'What a repair lacks is sent, and not all of it again.',
    killedBy: [edges],
  },
  {
    id: 'paxos-repair-hides-a-loss',
    file: `${src}/accept.ts`,
    find: '  if (repair === undefined || r.blank || missing(r) !== undefined) {\n',
    replace: '  if (repair === undefined || r.blank) {\n',
    breaks: 'Who lost what it had acknowledged tells its leader so, even while it is repaired.',
    killedBy: [edges],
  },
  {
    id: 'paxos-repair-taken-back',
    file: `${src}/accept.ts`,
    find: '  const extend = repair !== undefined && m.prev <= held\n',
    replace:
      '  const extend = repair !== undefined && m.prev + 1 >= repair.first && m.prev <= held\n',
    breaks: 'The beginning of a repair that comes again takes back nothing of it.',
    killedBy: [edges],
  },
  {
    id: 'paxos-repair-sent-twice',
    file: `${src}/replicate.ts`,
    find: '      p.next = Math.max(p.next, m.index + 1)\n      p.movedAt',
    replace: '      p.movedAt',
    breaks: 'A leader does not send again what has come of a repair.',
    killedBy: [edges],
  },
]
