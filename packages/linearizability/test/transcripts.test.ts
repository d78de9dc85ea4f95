// Anomalies that analyses of real systems have published, in a few lines each, with what the checker
// says about them (testdata/*.txt, rewritten by `vitest -u` and read in review).
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { checkText } from '../src/index.ts'

const verdicts = {
  'aborted-read': 1,
  'double-apply': 1,
  'failed-write-seen': 1,
  'fence-lets-old-holder-in': 1,
  'fractured-read': 1,
  'guarded-transfer': 0,
  'list-any-order': 0,
  'list-reordered': 1,
  'lock-held-twice': 1,
  'lock-token-reused': 1,
  'long-fork': 1,
  'lost-update': 1,
  'queue-duplicate': 1,
  'queue-loss': 1,
  'queue-order': 1,
  'read-during-write': 0,
  'read-goes-back': 1,
  'resurrected-key': 1,
  'retried-append-twice': 1,
  'set-lost-element': 1,
  'set-read-duplicate': 1,
  'set-read-of-nothing-added': 1,
  'stale-read': 1,
  'touching-intervals': 0,
  'unknown-write-seen-late': 0,
  'unknown-write-unseen': 1,
  'write-skew': 1,
  'zero-duration': 0,
  'zero-duration-apart': 1,
}

it.each(Object.entries(verdicts))('%s exits with %i', async (name, exitCode) => {
  const text = readFileSync(new URL(`testdata/${name}.ndjson`, import.meta.url), 'utf8')
  const report = checkText(text)
  expect(report.exitCode).toBe(exitCode)
  await expect(report.summary).toMatchFileSnapshot(`testdata/${name}.txt`)
})
