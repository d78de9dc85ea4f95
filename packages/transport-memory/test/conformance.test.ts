// The in-process network keeps the contract of transports.
import { clientConformance, transportConformance } from '@quorate/conformance/transport'
import { defaultLimits } from '@quorate/core'
import { describe, it } from 'vitest'
import { memoryNetwork } from '../src/index.ts'

transportConformance({
  name: 'memoryNetwork',
  test: { describe, it },
  async create() {
    const network = memoryNetwork()
    return {
      transport: () => network.transport(),
      address: (host) => host,
      async close() {},
    }
  },
})

clientConformance({
  name: 'clients of memoryNetwork',
  test: { describe, it },
  async create() {
    const network = memoryNetwork({ limits: defaultLimits })
    return {
      listener: network.listener('here'),
      dialer: network.dialer(),
      address: () => 'here',
      nowhere: () => 'nowhere',
      async close() {},
    }
  },
})
