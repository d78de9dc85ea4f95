// What a broken promise looks like to whoever runs the simulation: one error with the name of the
// invariant, so that a test can ask for exactly that one.

/**
 * The promises that are watched. `election-safety`: two leaders in one epoch. `log-matching`: entries
 * of one index and epoch differ. `state-machine-safety`: two replicas applied different entries at one
 * index. `apply-order`: entries were handed out with a gap or twice. `commit-monotone`: the commit
 * index fell, or trails what was handed out. `epoch-monotone`: the epoch fell while a core lived.
 * `commit-durable`: an entry was applied that no quorum holds durably. `commit-kept`: a replica removed
 * an entry from its disk in the epoch in which it was committed, or in a later one. `leader-completeness`: a leader lacks an entry committed earlier.
 * `ordering-law`: effects that the contract of `Effects` forbids. `read-freshness`: a read barrier
 * passed before something applied earlier. `snapshot-content`: a snapshot differs from its log.
 * `call-outcome`: a call was answered twice, or with what did not happen. `recovery`: a group does not
 * serve again after every fault has ended. `founded-once`: a host begins a group as if it were new that
 * it had before. `storm`: more happens in a simulated
 * second than any load explains. `storage-durable`: a disk does not hold what its
 * host was told it does. `history`: the judge of a simulation refused what clients saw.
 */
export type Invariant =
  | 'election-safety'
  | 'log-matching'
  | 'state-machine-safety'
  | 'apply-order'
  | 'commit-monotone'
  | 'epoch-monotone'
  | 'commit-durable'
  | 'commit-kept'
  | 'leader-completeness'
  | 'ordering-law'
  | 'read-freshness'
  | 'snapshot-content'
  | 'call-outcome'
  | 'recovery'
  | 'founded-once'
  | 'storm'
  | 'storage-durable'
  | 'history'

/** Thrown when a simulated cluster breaks a promise. It says which one and how. */
export class InvariantViolation extends Error {
  /** Always `'InvariantViolation'`. */
  override readonly name = 'InvariantViolation'
  /** The promise that was broken. */
  readonly invariant: Invariant

  /** Makes the error; its message starts with the name of the invariant. */
  constructor(invariant: Invariant, what: string) {
    super(`${invariant}: ${what}`)
    this.invariant = invariant
  }
}

/** Throws {@link InvariantViolation} unless `condition` holds. */
export function hold(condition: boolean, invariant: Invariant, what: () => string): void {
  if (!condition) throw new InvariantViolation(invariant, what())
}
