// What can be wrong with a core that is told of no members, because its replica has an empty disk or need
// not be told: it knows no better than its driver who it was, and each of these makes another wrong guess.
import type { ConsensusInit, NodeId } from '@quorate/core'
import type { Defect, Patient } from './defects.ts'

/** Whether nothing was ever stored where a core starts. */
function isEmpty({ recovered }: ConsensusInit): boolean {
  return recovered.hardState === undefined && recovered.lastIndex === 0
}

/** Remembers the cores of one group, to know which one was there before a disk was lost. */
export class Formers {
  readonly #patients = new Map<NodeId, Patient>()

  /** The core of the replica whose disk was lost where `init` starts anew, if that is so. */
  before(init: ConsensusInit): Patient | undefined {
    // The first member of a new group: whoever was remembered belongs to another.
    if (init.bootstrap?.voters[0] === init.id && isEmpty(init)) this.#patients.clear()
    return init.bootstrap === undefined && isEmpty(init) ? this.#patients.get(init.id) : undefined
  }

  /** Remembers a core. */
  add(patient: Patient): void {
    this.#patients.set(patient.init.id, patient)
  }
}

/** Starts as a founder of the group that it lost the data of, where `applies` says so. */
const founds = (applies: (former: Patient) => boolean): Defect => ({
  init(init, former) {
    const membership = former?.core.status().membership
    return former !== undefined && membership?.voters.includes(init.id) === true && applies(former)
      ? { ...init, bootstrap: membership }
      : init
  },
  effects(effects, _input, { notes }) {
    const holds = effects.persist?.append.some(({ kind }) => kind === 'command') === true
    if (holds) notes.set('held commands', true)
    return effects
  },
})

/** The defects by name. */
export const lostDiskDefects: Readonly<Record<string, Defect>> = {
  'forgets what it acknowledged, and counts': founds(
    ({ notes }) => notes.get('held commands') === true,
  ),
  'forgets that it voted, and counts': founds(({ notes }) => notes.get('held commands') !== true),
  'never comes back from a lost disk': {
    input: (input, { former }) => (former === undefined ? input : undefined),
  },
  'has to be told the members at each start': {
    input: (input, { init }) =>
      init.bootstrap === undefined && !isEmpty(init) ? undefined : input,
  },
  'forgets the second time that it forgot': founds(({ former }) => former !== undefined),
}
