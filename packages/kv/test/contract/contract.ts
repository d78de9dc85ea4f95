// What every store promises, whatever it is composed of: one suite, run against any consensus,
// storage and transport, embedded and through a client.
import { afterAll, beforeAll, describe } from 'vitest'
import type { KvOperations } from '../../src/index.ts'
import { basics } from './basics.ts'
import { conditions } from './conditions.ts'
import type { ContractContext } from './context.ts'
import { scans } from './scans.ts'
import { transactions } from './transactions.ts'
import { watches } from './watches.ts'

/** A store to test. */
export interface ContractStore {
  /** The store, as it is tested. */
  readonly store: KvOperations
  /** The same store, by another way: another host, or a client. */
  readonly other: KvOperations
  /** Ends everything. */
  close(): Promise<void>
}

/**
 * Registers the suite.
 *
 * @param open - starts a store with at least two shards; called once
 */
export function kvContract(name: string, open: () => Promise<ContractStore>): void {
  describe(`the contract of a store: ${name}`, () => {
    let opened: ContractStore | undefined
    let prefixes = 0
    beforeAll(async () => {
      opened = await open()
    })
    afterAll(async () => {
      await opened?.close()
    })
    const context: ContractContext = {
      store: () => (opened as ContractStore).store,
      other: () => (opened as ContractStore).other,
      prefix: () => `case-${++prefixes}/`,
    }
    basics(context)
    conditions(context)
    transactions(context)
    scans(context)
    watches(context)
  })
}
