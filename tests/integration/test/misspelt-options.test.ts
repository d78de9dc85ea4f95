// Every factory refuses an option that it does not know, and says which was probably meant.
import { paxos } from '@quorate/paxos'
import { raft } from '@quorate/raft'
import { fsStorage } from '@quorate/storage-fs'
import { webSocketDialer, webSocketListener, webSockets } from '@quorate/transport-ws'
import { webSocketDialer as browserDialer } from '@quorate/transport-ws/browser'
import { expect, it } from 'vitest'

it.each<[string, string, (options: object) => unknown]>([
  ['raft', 'electionTimeoutMs', (options) => raft(options)],
  ['paxos', 'electionTimeoutMs', (options) => paxos(options)],
  ['fsStorage', 'segmentBytes', (options) => fsStorage('/nowhere', options)],
  ['webSockets', 'checkIntervalMs', (options) => webSockets(options)],
  ['webSocketListener', 'checkIntervalMs', (options) => webSocketListener(options)],
  ['webSocketDialer', 'checkIntervalMs', (options) => webSocketDialer(options)],
  ['webSocketDialer', 'timeoutMs', (options) => browserDialer(options)],
])('%s knows what was meant by a misspelt %s', (name, option, factory) => {
  const misspelt = option.replace(/Ms$|s$/, '')
  expect(() => factory({ [misspelt]: 1 })).toThrow(
    expect.objectContaining({
      code: 'INVALID_OPTIONS',
      message: `unknown option "${misspelt}" of ${name}; is "${option}" meant?`,
    }),
  )
})

it.each(['tls', 'checkIntervalMs'])('a page is told that its dialer has no %s', (option) => {
  const options: object = { [option]: 1 }
  expect(() => browserDialer(options)).toThrow(
    expect.objectContaining({
      code: 'INVALID_OPTIONS',
      message: `unknown option "${option}" of webSocketDialer; known are frameBytesMax, queueBytesMax, timeoutMs, clock`,
    }),
  )
})

it.each(['frameBytesMax', 'queueBytesMax', 'timeoutMs'])('a page has a %s above zero', (option) => {
  for (const value of [0, -1, Number.NaN]) {
    expect(() => browserDialer({ [option]: value })).toThrow(
      expect.objectContaining({
        code: 'INVALID_OPTIONS',
        message: `${option} must be a positive number`,
      }),
    )
  }
})
