// The in-process network keeps the contract of transports.
import { transportConformance } from '@quorate/conformance/transport'
import { test } from 'vitest'
import { memoryNetwork } from '../src/index.ts'

transportConformance(test, {
  async create() {
    const network = memoryNetwork()
    return {
      transport: () => network.transport(),
      address: (host) => host,
      async close() {},
    }
  },
})
