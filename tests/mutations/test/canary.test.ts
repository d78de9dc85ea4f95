// What the canaries are tried against: as small as a test of a package's source can be.
import { expect, it } from 'vitest'
import { majority } from '@quorate/core'

it('knows a majority', () => {
  expect([1, 2, 3, 4, 5].map(majority)).toEqual([1, 2, 2, 3, 3])
})
