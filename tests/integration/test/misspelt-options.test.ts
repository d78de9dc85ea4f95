// Every factory refuses an option that it does not know, and says which was probably meant.
import { paxos } from '@quorate/paxos'
import { raft } from '@quorate/raft'
import { fsStorage } from '@quorate/storage-fs'
import { webSocketDialer, webSocketListener, webSockets } from '@quorate/transport-ws'
import { expect, it } from 'vitest'

it.each<[string, string, (options: object) => unknown]>([
  ['raft', 'electionTimeoutMs', (options) => raft(options)],
  ['paxos', 'electionTimeoutMs', (options) => paxos(options)],
  ['fsStorage', 'segmentBytes', (options) => fsStorage('/nowhere', options)],
  ['webSockets', 'checkIntervalMs', (options) => webSockets(options)],
  ['webSocketListener', 'checkIntervalMs', (options) => webSocketListener(options)],
  ['webSocketDialer', 'checkIntervalMs', (options) => webSocketDialer(options)],
])('%s knows what was meant by a misspelt %s', (name, option, factory) => {
  const misspelt = option.replace(/Ms$|s$/, '')
  expect(() => factory({ [misspelt]: 1 })).toThrow(
    expect.objectContaining({
      code: 'INVALID_OPTIONS',
      message: `unknown option "${misspelt}" of ${name}; is "${option}" meant?`,
    }),
  )
})
