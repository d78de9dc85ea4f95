// What a host is made of: what it tells its transport of its storage, and options that there are not.
import { describe, expect, it } from 'vitest'
import type { StorageIdentity, TransportContext } from '@quorate/core'
import { createHost } from '@quorate/runtime'
import { listMachine } from './fixtures/list-machine.ts'
import { manualClock } from './fixtures/manual-clock.ts'
import { scriptedConsensus } from './fixtures/scripted-core.ts'
import { scriptedStorage } from './fixtures/scripted-storage.ts'
import { createWires } from './fixtures/wires.ts'

/** What the transport of a host is told, where its storage says this of itself once it is open. */
async function told(identity: StorageIdentity | undefined, rejoin?: boolean) {
  const clock = manualClock()
  const transport = createWires(clock).transport('a')
  const storage = scriptedStorage()
  let open = false
  const contexts: TransportContext[] = []
  const host = await createHost({
    id: 'a',
    clock,
    rejoin,
    storage: Object.assign(storage, {
      open: async () => void (open = true),
      identity: () => (open ? identity : undefined),
    }),
    transport: Object.assign(transport, {
      start: async (context: TransportContext) => void contexts.push(context),
    }),
  })
  await host.close()
  return contexts[0]
}

describe('a host tells its transport', () => {
  it('which storage it has and how often it started', async () => {
    const context = await told({ store: 'disk', epoch: 7 })
    expect(context).toMatchObject({ store: 'disk', epoch: 7 })
    expect(context?.rejoin).not.toBe(true)
  })

  it('nothing of a storage that has no identity', async () => {
    const context = await told(undefined)
    expect([context?.store, context?.epoch]).toEqual([undefined, undefined])
  })

  it('that an earlier storage is lost, where its owner says so', async () => {
    expect((await told({ store: 'new', epoch: 1 }, true))?.rejoin).toBe(true)
  })
})

describe('options that there are not', () => {
  const parts = () => {
    const clock = manualClock()
    const transport = createWires(clock).transport('a')
    return { id: 'a', clock, transport, storage: scriptedStorage() }
  }

  it('of a host are refused, with the name that was probably meant', async () => {
    const options = { ...parts(), drainTimeout: 5 }
    await expect(createHost(options)).rejects.toMatchObject({
      code: 'INVALID_OPTIONS',
      message: 'unknown option "drainTimeout" of createHost; is "drainTimeoutMs" meant?',
    })
  })

  it('and parts that are none are refused before anything is opened', async () => {
    const { storage, ...rest } = parts()
    const path = { ...rest, storage: './data' as unknown as typeof storage }
    await expect(createHost(path)).rejects.toThrow(
      `the storage of createHost is an object such as fsStorage('./data'), got "./data"`,
    )
    const lone = { ...parts(), transport: undefined as unknown as typeof rest.transport }
    await expect(createHost(lone)).rejects.toThrow('the transport of createHost is an object')
    const host = await createHost(parts())
    const uncalled = {
      group: 'g',
      consensus: scriptedConsensus as unknown as ReturnType<typeof scriptedConsensus>,
      stateMachine: listMachine(),
    }
    await expect(host.createReplica(uncalled)).rejects.toThrow(
      'got the function scriptedConsensus, which has to be called',
    )
    await host.close()
  })

  it('and members of a group whose votes are forgotten are refused, and nothing is stored', async () => {
    const own = parts()
    const host = await createHost({ ...own, rejoin: true })
    const consensus = scriptedConsensus()
    const options = { group: 'g', consensus, stateMachine: listMachine() }
    await expect(
      host.createReplica({ ...options, members: { voters: ['a'] } }),
    ).rejects.toMatchObject({
      code: 'INVALID_OPTIONS',
      message:
        'a host that rejoins has forgotten its votes: make group "g" without members (createKv: with rejoin)',
    })
    expect([host.stores('g'), host.replica('g'), consensus.cores.size]).toEqual([
      false,
      undefined,
      0,
    ])
    const replica = await host.createReplica(options)
    expect(consensus.cores.get('a')?.init.bootstrap).toBeUndefined()
    expect(replica.status).toBe('open')
    await host.close()
  })

  it('of a replica are refused, with the name that was probably meant', async () => {
    const host = await createHost(parts())
    const options = {
      group: 'g',
      consensus: scriptedConsensus(),
      stateMachine: listMachine(),
      member: { voters: ['a'] },
    }
    await expect(host.createReplica(options)).rejects.toMatchObject({
      code: 'INVALID_OPTIONS',
      message: 'unknown option "member" of createReplica; is "members" meant?',
    })
    await host.close()
  })
})
