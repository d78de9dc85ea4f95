// What can be wrong with a core, as changes to what goes into a right one and to what comes out of it.
import type {
  Codec,
  ConsensusCore,
  ConsensusInit,
  ConsensusStatus,
  DurableState,
  Effects,
  Entry,
  Input,
  LogIndex,
  Membership,
  NodeId,
} from '@quorate/core'
import { defaultLimits, noEffects } from '@quorate/core'

/** One core as a defect sees it. */
export interface Patient {
  /** What it was made from. */
  readonly init: ConsensusInit
  /** The core before it under its id, where a disk was lost between them. */
  readonly former: Patient | undefined
  /** The right core inside. */
  readonly core: ConsensusCore
  /** Notes of the defect, for this core alone. */
  readonly notes: Map<string, unknown>
}

/** One thing that is wrong. Whatever is absent is right. */
export interface Defect {
  /** Changes what a core is made from; `former` as in {@link Patient}. */
  readonly init?: (init: ConsensusInit, former: Patient | undefined) => ConsensusInit
  /** Changes an input; `undefined` swallows it. */
  readonly input?: (input: Input, patient: Patient) => Input | undefined
  /** Changes the effects of a step. */
  readonly effects?: (effects: Effects, input: Input, patient: Patient) => Effects
  /** Changes what the status says. */
  readonly status?: (status: ConsensusStatus, patient: Patient) => ConsensusStatus
  /** Changes when it wants to be woken. */
  readonly wakeAt?: (wakeAt: number, patient: Patient) => number
  /** Changes how messages are read and written. */
  readonly codec?: (codec: Codec<unknown>) => Codec<unknown>
}

const swallows = (type: Input['type']): Defect => ({
  input: (input) => (input.type === type ? undefined : input),
})

const sizeOf = ({ init }: Patient): number => init.bootstrap?.voters.length ?? 0

const early = (when: (effects: Effects) => boolean): Defect => ({
  effects: (effects) =>
    when(effects)
      ? { ...effects, send: [...effects.send, ...effects.sendAfterPersist], sendAfterPersist: [] }
      : effects,
})

/** Tells the core that what a step wrote is durable before it is. */
const hasty = (applies: (patient: Patient, effects: Effects, input: Input) => boolean): Defect => ({
  effects(effects, input, patient) {
    const { core, notes } = patient
    if (effects.persist === undefined || !applies(patient, effects, input)) return effects
    const { seq } = effects.persist
    const more = core.step({ type: 'persisted', seq }, notes.get('now') as number)
    // What this leads to cannot be written before what it follows from.
    if (more.persist !== undefined) throw new TypeError('two batches in one step')
    notes.set('told', seq)
    return {
      ...effects,
      send: [...effects.send, ...effects.sendAfterPersist, ...more.send, ...more.sendAfterPersist],
      sendAfterPersist: [],
      apply: [...effects.apply, ...more.apply],
      statusChanged: effects.statusChanged || more.statusChanged,
    }
  },
  input: (input, { notes }) =>
    input.type === 'persisted' && input.seq <= ((notes.get('told') as number | undefined) ?? 0)
      ? undefined
      : input,
})

/** What is recovered, without its last entry. */
function withoutLast(recovered: DurableState): DurableState {
  if (recovered.lastIndex < recovered.firstIndex) return recovered
  const lastIndex = recovered.lastIndex - 1
  const keep = ({ index }: Entry): boolean => index <= lastIndex
  return {
    ...recovered,
    lastIndex,
    epochs: recovered.epochs.filter(({ from }) => from <= lastIndex),
    tail: recovered.tail.filter(keep),
    membershipEntries: recovered.membershipEntries.filter(keep),
  }
}

function completesRefill(effects: Effects, _input: Input, { notes }: Patient): Effects {
  const id = notes.get('refill') as number | undefined
  notes.delete('refill')
  return id === undefined ? effects : { ...effects, completed: [...effects.completed, { id }] }
}

/** The defects by name. */
export const defects: Readonly<Record<string, Defect>> = {
  'depends on more than its inputs': {
    effects(effects) {
      chance = (Math.imul(chance, 1_103_515_245) + 12_345) >>> 0
      if (chance < 2 ** 31) return effects
      const send = effects.send.toReversed()
      return { ...effects, send, sendAfterPersist: effects.sendAfterPersist.toReversed() }
    },
  },
  'uses its arrays again': {
    effects(effects, _input, { notes }) {
      const before = notes.get('sent') as readonly unknown[][] | undefined
      for (const list of before ?? []) list.length = 0
      const [send, sendAfterPersist] = [[...effects.send], [...effects.sendAfterPersist]]
      notes.set('sent', [send, sendAfterPersist])
      return { ...effects, send, sendAfterPersist }
    },
  },
  'reads messages that were cut short': {
    codec: (codec) => ({
      write: (writer, message) => codec.write(writer, message),
      read(reader) {
        try {
          return codec.read(reader)
        } catch (cause) {
          throw new RangeError('past the end', { cause })
        }
      },
    }),
  },
  'throws at messages of strangers': {
    input(input) {
      if (input.type === 'receive' && input.from === 'stranger') throw new TypeError('who is that?')
      return input
    },
  },
  'throws at news of strangers': {
    input(input) {
      if (input.type === 'peerReachable' && input.peer === 'stranger') throw new TypeError('who?')
      return input
    },
  },
  'speaks before it is addressed': {
    wakeAt: (wakeAt, patient) =>
      unaddressed(patient) ? ((patient.notes.get('now') as number | undefined) ?? 0) + 100 : wakeAt,
    input(input, { notes }) {
      if (input.type === 'receive') notes.set('addressed', true)
      return input
    },
    effects(effects, input, patient) {
      const said = effects.send[0]?.message ?? effects.sendAfterPersist[0]?.message
      heard = said ?? heard
      if (input.type !== 'tick' || !unaddressed(patient) || heard === undefined) return effects
      return { ...effects, send: [{ to: 'a', message: heard }] }
    },
  },
  'tells an old status': {
    effects(effects, _input, { notes }) {
      notes.delete('status')
      return effects
    },
    status(status, { notes }) {
      const before = notes.get('status') as ConsensusStatus | undefined
      notes.set('status', before ?? status)
      return before ?? status
    },
  },
  'skips the number of a batch': {
    effects: (effects) =>
      effects.persist !== undefined && effects.persist.seq > 3
        ? { ...effects, persist: { ...effects.persist, seq: effects.persist.seq + 1 } }
        : effects,
    input: (input) =>
      input.type === 'persisted' && input.seq > 3 ? { ...input, seq: input.seq - 1 } : input,
  },
  'hands entries out twice': {
    effects: (effects) =>
      effects.apply.length === 0
        ? effects
        : { ...effects, apply: [...effects.apply, effects.apply[0] as Entry] },
  },
  'votes before its vote is durable': hasty(
    (_patient, { persist }, { type }) => type === 'receive' && persist?.append.length === 0,
  ),
  'acknowledges before it is durable': early(
    ({ persist }) => persist !== undefined && persist.append.length > 0,
  ),
  'counts its own write too early': hasty(
    (patient, _effects, { type }) => type === 'propose' && sizeOf(patient) > 1,
  ),
  'counts its own write too early when alone': hasty(
    (patient, _effects, { type }) => type === 'propose' && sizeOf(patient) === 1,
  ),
  'forgets its last entry': {
    init: (init) => ({ ...init, recovered: withoutLast(init.recovered) }),
  },
  'forgets its epoch': {
    init: (init) => ({ ...init, recovered: { ...init.recovered, hardState: undefined } }),
  },
  'cannot count to seven': {
    wakeAt: (wakeAt, patient) => (sizeOf(patient) === 7 ? Number.POSITIVE_INFINITY : wakeAt),
    input: (input, patient) => (input.type === 'tick' && sizeOf(patient) === 7 ? undefined : input),
  },
  'never doubts a leader': {
    input: (input, { core }) => {
      const { role, leader } = core.status()
      return input.type === 'tick' && role === 'follower' && leader !== undefined
        ? undefined
        : input
    },
  },
  'commits alone': {
    effects(effects, input, { core, notes }) {
      const handed = (notes.get('handed') as LogIndex | undefined) ?? 0
      const fresh = effects.apply.filter(({ index }) => index > handed)
      const reached = fresh.at(-1)?.index ?? handed
      const own = input.type === 'propose' ? (effects.persist?.append ?? []) : []
      const alone = own[0]?.index === reached + 1 && core.status().role === 'leader'
      const apply = alone ? [...fresh, ...own] : fresh
      notes.set('handed', apply.at(-1)?.index ?? handed)
      return { ...effects, apply }
    },
    status: (status, { notes }) => {
      const handed = (notes.get('handed') as LogIndex | undefined) ?? 0
      return { ...status, commitIndex: Math.max(status.commitIndex, handed) }
    },
  },
  'reverses batches': {
    input: (input) =>
      input.type === 'propose' ? { ...input, commands: input.commands.toReversed() } : input,
  },
  'keeps the leader to itself': {
    effects: (effects) => ({
      ...effects,
      rejected: effects.rejected.map((each) => ({ ...each, leader: undefined })),
    }),
  },
  'has no limit of what is uncommitted': {
    init: (init) => ({
      ...init,
      limits: { ...init.limits, uncommittedBytesMax: defaultLimits.uncommittedBytesMax },
    }),
  },
  'has no limit of a message': {
    init: (init) => ({
      ...init,
      limits: { ...init.limits, messageBytesMax: defaultLimits.messageBytesMax },
    }),
  },
  'leaves quorum reads open': {
    input: (input) => (input.type === 'read' && input.mode === 'quorum' ? undefined : input),
  },
  'reads without asking': {
    input: (input, patient) => {
      const { core, notes } = patient
      if (input.type !== 'read' || input.mode !== 'quorum') return input
      const { role, commitIndex } = core.status()
      if (role !== 'leader') return input
      notes.set('read', { id: input.id, index: commitIndex })
      return { type: 'tick' }
    },
    effects(effects, _input, { notes }) {
      const read = notes.get('read') as { readonly id: number; readonly index: number } | undefined
      notes.delete('read')
      return read === undefined ? effects : { ...effects, reads: [...effects.reads, read] }
    },
  },
  'leaves local reads open': {
    input: (input) => (input.type === 'read' && input.mode === 'local' ? undefined : input),
  },
  'keeps leadership': swallows('transferLeadership'),
  'never compacts': swallows('snapshotTaken'),
  'starts from nothing': {
    init: (init) => ({
      ...init,
      recovered: { ...init.recovered, snapshot: undefined },
      appliedIndex: 0,
    }),
  },
  'installs nothing': swallows('snapshotFetched'),
  'asks once for a snapshot': {
    effects(effects, _input, { notes }) {
      if (effects.fetchSnapshot === undefined) return effects
      const asked = notes.get('asked') === true
      notes.set('asked', true)
      return asked ? { ...effects, fetchSnapshot: undefined } : effects
    },
  },
  'is refilled without a snapshot': {
    input(input, { core, notes }) {
      if (input.type !== 'requestSnapshot' || core.status().role === 'leader') return input
      notes.set('refill', input.id)
      return { type: 'tick' }
    },
    effects: completesRefill,
  },
  'is refilled while it leads': {
    input(input, { core, notes }) {
      if (input.type !== 'requestSnapshot' || core.status().role !== 'leader') return input
      notes.set('refill', input.id)
      return { type: 'tick' }
    },
    effects: completesRefill,
  },
  'never uses what it read back': swallows('entriesRead'),
  'adds nobody': {
    input: (input, { core }) =>
      input.type === 'changeMembership' &&
      input.expectedVersion === undefined &&
      input.target.voters.length > core.status().membership.voters.length &&
      replacesAll(input, core) === 0
        ? undefined
        : input,
  },
  'removes nobody': {
    input: (input, { core }) =>
      input.type === 'changeMembership' &&
      input.target.voters.length < core.status().membership.voters.length
        ? undefined
        : input,
  },
  'replaces no lone voter': {
    input: (input, { core }) => (replacesAll(input, core) === 1 ? undefined : input),
  },
  'replaces nobody': {
    input: (input, { core }) => (replacesAll(input, core) > 1 ? undefined : input),
  },
  'changes any version': {
    input: (input) =>
      input.type === 'changeMembership' ? { ...input, expectedVersion: undefined } : input,
  },
  'counts learners': {
    init: (init) => ({ ...init, bootstrap: init.bootstrap && allVote(init.bootstrap) }),
  },
  'forgets its last entry once its log is long': {
    init: (init) =>
      init.recovered.lastIndex > 25 ? { ...init, recovered: withoutLast(init.recovered) } : init,
  },
}

/** Shared by all cores on purpose: what a core must never have. */
let chance = 0
let heard: unknown

function unaddressed({ init, former, notes }: Patient): boolean {
  const joins = init.bootstrap === undefined && former === undefined
  return joins && notes.get('addressed') !== true
}

/** How many voters a change replaces, all of them; 0 for any other input. */
function replacesAll(input: Input, core: ConsensusCore): number {
  if (input.type !== 'changeMembership') return 0
  const { voters } = core.status().membership
  return input.target.voters.some((id) => voters.includes(id)) ? 0 : voters.length
}

function allVote(membership: Membership): Membership {
  const voters = [...membership.voters, ...membership.learners].sort()
  return { ...membership, voters, learners: [] }
}

/** A core with a defect. */
export class DefectiveCore implements ConsensusCore {
  readonly id: NodeId
  readonly #defect: Defect
  readonly #patient: Patient

  /** Wraps the right core. */
  constructor(patient: Patient, defect: Defect) {
    this.id = patient.core.id
    this.#defect = defect
    this.#patient = patient
  }

  get wakeAt(): number {
    const { wakeAt } = this.#patient.core
    return this.#defect.wakeAt?.(wakeAt, this.#patient) ?? wakeAt
  }

  step(given: Input, now: number): Effects {
    const { core, notes } = this.#patient
    notes.set('now', now)
    const input =
      this.#defect.input === undefined ? given : this.#defect.input(given, this.#patient)
    if (input === undefined) return noEffects
    const effects = core.step(input, now)
    return this.#defect.effects?.(effects, input, this.#patient) ?? effects
  }

  status(): ConsensusStatus {
    const status = this.#patient.core.status()
    return this.#defect.status?.(status, this.#patient) ?? status
  }

  appliedPosition(): ReturnType<ConsensusCore['appliedPosition']> {
    return this.#patient.core.appliedPosition()
  }
}
