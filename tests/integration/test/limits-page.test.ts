// The page of limits against the limits: none left out, none made up, every figure right.
import { readFileSync } from 'node:fs'
import { defaultLimits } from '@quorate/core'
import { kvLimits } from '@quorate/kv'
import { expect, it } from 'vitest'

const page = readFileSync(new URL('../../../docs/reference/limits.md', import.meta.url), 'utf8')
const UNITS: Readonly<Record<string, number>> = { '': 1, KiB: 2 ** 10, MiB: 2 ** 20, min: 60_000 }

/** The figures of the table under a heading, by name. */
function tableUnder(heading: string): Record<string, number> {
  const section = page.split(`## ${heading}\n`)[1]?.split('\n## ')[0] ?? ''
  const rows = section.matchAll(/^\| `(\w+)` +\| ([\d,]+) ?(\w*) +\|/gm)
  return Object.fromEntries(
    [...rows].map(([, name, digits, unit]) => [
      name,
      Number(digits?.replaceAll(',', '')) * (UNITS[unit ?? ''] ?? Number.NaN),
    ]),
  )
}

it('has every limit of a store', () => {
  expect(tableUnder('Of a store')).toEqual(kvLimits)
})

it('has every limit of a host', () => {
  expect(tableUnder('Of a host')).toEqual(defaultLimits)
})
