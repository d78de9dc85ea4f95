// The suite passes what is right, and each broken storage fails exactly the check that names it.
import { describe, expect, it } from 'vitest'
import {
  brokenStorages,
  referenceHarness,
  runStorageCheck,
  storageChecks,
  storageConformance,
} from '@quorate/conformance/storage'
import type { StorageHarness } from '@quorate/conformance/storage'

storageConformance({
  name: 'the reference storage',
  test: { describe, it },
  create: () => referenceHarness.create(),
})

async function failures(harness: StorageHarness): Promise<string[]> {
  const failed: string[] = []
  for (const check of storageChecks) {
    await runStorageCheck(check, harness).catch(() => failed.push(check.name))
  }
  return failed
}

describe('broken storages', () => {
  it.each(brokenStorages)('$name fails its check and no other', async ({ fails, harness }) => {
    expect(await failures(harness)).toEqual([fails])
  })

  it('every check has a name of its own', () => {
    const names = storageChecks.map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
  })
})
