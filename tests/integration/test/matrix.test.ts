// The claim that parts are swapped by one import: the whole contract of a store, run over every
// consensus, every storage and every transport.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Kv } from '@quorate/kv'
import { connect, createKv, serveKv } from '@quorate/kv'
import { hashRing } from '@quorate/ring'
import { createHost } from '@quorate/runtime'
import { kvContract } from '../../../packages/kv/test/contract/contract.ts'
import { eachComposition } from './store-parts.ts'

const IDS = ['a', 'b', 'c']

eachComposition((name, parts) => {
  kvContract(name, async () => {
    const directory = await mkdtemp(join(tmpdir(), 'quorate-test-'))
    const network = await parts.network(IDS)
    const storage = parts.storages()
    const partitioner = hashRing({ members: IDS, shards: 4, replicas: 3 })
    const open: { close(): Promise<void> }[] = []
    const start = async (id: string): Promise<Kv> => {
      const host = await createHost({
        id,
        transport: network.transport(id),
        storage: storage(join(directory, id)),
      })
      open.push(host)
      const kv = await createKv({ host, consensus: parts.consensus(), partitioner })
      open.push(kv)
      open.push(await serveKv({ kv, listener: network.listener(id) }))
      return kv
    }
    const [store] = await Promise.all(IDS.map(start))
    const other = await connect({
      addresses: IDS.map((id) => network.address(id)),
      dialer: network.dialer(),
    })
    return {
      store: store as Kv,
      other,
      async close() {
        await other.close()
        for (const resource of open.toReversed()) await resource.close()
        await rm(directory, { recursive: true, force: true })
      },
    }
  })
})
