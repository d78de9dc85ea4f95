// Which storages a peer may come back with.
import { expect, test } from 'vitest'
import { storageFault } from '@quorate/core'

const before = { store: 's1', epoch: 5, run: 'a' }
const another = /another storage than before/
const older = /copy of an older disk/

test.each([
  ['the first time', undefined, { store: 's1', epoch: 1, run: 'a' }, undefined],
  ['the same run again', before, { ...before }, undefined],
  ['the next start', before, { store: 's1', epoch: 6, run: 'b' }, undefined],
  ['another storage', before, { store: 's2', epoch: 9, run: 'b' }, another],
  ['no storage where there was one', before, { run: 'b' }, another],
  ['a storage where there was none', { run: 'a' }, { store: 's1', epoch: 1, run: 'b' }, another],
  [
    'another storage, said to be new',
    before,
    { store: 's2', epoch: 1, run: 'b', rejoin: true },
    undefined,
  ],
  ['an older state', before, { store: 's1', epoch: 4, run: 'b' }, older],
  [
    'an older state, said to be new',
    before,
    { store: 's1', epoch: 4, run: 'b', rejoin: true },
    older,
  ],
  ['the same count in another run', before, { store: 's1', epoch: 5, run: 'b' }, older],
  ['neither storage nor count', { run: 'a' }, { run: 'b' }, undefined],
])('%s', (_name, known, now, fault) => {
  expect(storageFault(known, now) ?? '').toMatch(fault ?? /^$/)
})
