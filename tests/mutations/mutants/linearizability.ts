// Bugs of the checker for histories: each would call something right that is wrong, or the reverse.
import type { Mutant } from '../src/mutant.ts'

const brute = 'packages/linearizability/test/brute-force.test.ts'
const search = 'packages/linearizability/src/search/search.ts'

export const mutants: readonly Mutant[] = [
  {
    id: 'linearizability-real-time-ignored',
    file: search,
    find: '      if ((callAt[i] as number) > deadline) {\n        i = -1\n',
    replace: '      if ((callAt[i] as number) > Number.POSITIVE_INFINITY) {\n        i = -1\n',
    breaks: 'An operation may come before another that had returned before it was called.',
    killedBy: [brute],
  },
  {
    id: 'linearizability-real-time-ignored-for-reads',
    file: search,
    find: 'if ((timeline.callAt[i] as number) > deadline) return -1',
    replace: 'if ((timeline.callAt[i] as number) > deadline + 1e9) return -1',
    breaks: 'A read may come before an operation that had returned before it was called.',
    killedBy: [brute],
  },
  {
    id: 'linearizability-state-not-remembered',
    file: search,
    find: '    record[0] = this.#state\n',
    replace: '    record[0] = 0\n',
    breaks: 'A configuration counts as seen when only its operations were, in another state.',
    killedBy: [brute],
  },
  {
    id: 'linearizability-pending-sets-not-remembered',
    file: search,
    find: '    record[1] = this.#pendingSet\n',
    replace: '    record[1] = emptySet\n',
    breaks: 'A configuration counts as seen when other operations of unknown outcome were used.',
    killedBy: [brute],
  },
  {
    id: 'linearizability-unknown-never-happened',
    file: search,
    find: 'for (let i = from; i < operations.length && (callAt[i] as number) <= deadline; i++) {',
    replace: 'for (let i = operations.length; i < operations.length && from <= deadline; i++) {',
    breaks: 'An operation of unknown outcome is taken never to have had an effect.',
    killedBy: [brute],
  },
  {
    id: 'linearizability-alternatives-skipped',
    file: search,
    find: 'operation < timeline.completed ? trail.after(operation) : operation + 1',
    replace: 'operation < timeline.completed ? timeline.completed : operation + 1',
    breaks: 'After a dead end the search does not try the operations that were next.',
    killedBy: [brute],
  },
  {
    id: 'linearizability-hash-is-believed',
    file: 'packages/linearizability/src/search/visited.ts',
    find: 'if (arena[at + 2 + i] !== words[i]) return false',
    replace: 'if (arena[at + 2 + i] !== words[i] && hash < 0) return false',
    breaks: 'Two configurations with one hash count as the same.',
    killedBy: ['packages/linearizability/test/search.test.ts'],
  },
  {
    id: 'linearizability-lock-token-twice',
    file: 'packages/linearizability/src/models/lock.ts',
    find: 'return obtainable && token > last ?',
    replace: 'return obtainable && token >= last ?',
    breaks: 'A lock may hand out the same fencing token twice.',
    killedBy: ['packages/linearizability/test/models.test.ts'],
  },
  {
    id: 'linearizability-fence-open',
    file: 'packages/linearizability/src/models/lock.ts',
    find: 'const admitted = input.token >= state.fence',
    replace: 'const admitted = input.token >= 0',
    breaks: 'A guarded resource may let an old token in after a newer one.',
    killedBy: ['packages/linearizability/test/models.test.ts'],
  },
  {
    id: 'linearizability-queue-from-the-back',
    file: 'packages/linearizability/src/models/queue.ts',
    find: 'const first = state[0]',
    replace: 'const first = state.at(-1)',
    breaks: 'A queue hands out what came last.',
    killedBy: ['packages/linearizability/test/models.test.ts'],
  },
  {
    id: 'linearizability-session-writes-repeat',
    file: 'packages/linearizability/src/sessions.ts',
    find: ': version <= mark.version)',
    replace: ': version < mark.version)',
    breaks: 'A write of a session that makes no newer version is not noticed.',
    killedBy: ['packages/linearizability/test/sessions.test.ts'],
  },
]
