// The code of the guide "When a majority is lost for good", run as a reader would run it: two of three
// disks are gone, and the third is made the group again.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, it, vi } from 'vitest'
import type { HostStorage, Replica, StateMachine } from '@quorate/core'
import { encodeUtf8 } from '@quorate/core'
import { raft } from '@quorate/raft'
import type { Host } from '@quorate/runtime'
import { createHost } from '@quorate/runtime'
import { fsStorage } from '@quorate/storage-fs'
import { memoryNetwork } from '@quorate/transport-memory'

interface Guide {
  opened(storage: HostStorage, cluster: string, host: string): Promise<HostStorage>
  recover(left: ReadonlyMap<string, HostStorage>, group: string, dryRun: boolean): Promise<string>
}

const guide = new URL('../../../docs/guides/lost-majority.md', import.meta.url)
const module = fileURLToPath(new URL('./.lost-majority.ts', import.meta.url))
const voters = ['a', 'b', 'c']

afterAll(() => rm(module, { force: true }))

/** Remembers the last command. */
function last(): StateMachine {
  let bytes = new Uint8Array(0)
  return {
    apply: (commands) => commands.map(({ payload }) => (bytes = payload.slice())),
    query: () => bytes,
    snapshot: () => [bytes],
    async restore(chunks) {
      for await (const chunk of chunks) bytes = chunk.slice()
    },
  }
}

async function load(): Promise<Guide> {
  const [, code = ''] = /^```ts\n([\s\S]*?)^```$/m.exec(await readFile(guide, 'utf8')) ?? []
  await writeFile(module, code)
  return (await import(/* @vite-ignore */ module)) as Guide
}

it('makes what is left of a group the group again', { timeout: 60_000 }, async () => {
  const { opened, recover } = await load()
  const root = await mkdtemp(join(tmpdir(), 'quorate-lost-'))
  const network = memoryNetwork()
  const start = async (id: string): Promise<{ readonly host: Host; readonly replica: Replica }> => {
    const storage = fsStorage(join(root, id))
    const host = await createHost({ id, cluster: 'test', transport: network.transport(), storage })
    const stateMachine = last()
    const consensus = raft({ electionTimeoutMs: 200, heartbeatIntervalMs: 20 })
    const options = { group: 'g', consensus, stateMachine, members: { voters } }
    return { host, replica: await host.createReplica(options) }
  }
  const proposed = (replica: Replica, text: string): Promise<void> =>
    vi.waitFor(async () => void (await replica.propose(encodeUtf8(text))), { timeout: 20_000 })
  const logged = vi.spyOn(console, 'log').mockImplementation(() => {})
  try {
    const members = await Promise.all(voters.map(start))
    await vi.waitFor(
      () => {
        const leaders = members.filter(({ replica }) => replica.consensus().role === 'leader')
        expect(leaders).toHaveLength(1)
      },
      { timeout: 20_000 },
    )
    const leader = members.find(({ replica }) => replica.consensus().role === 'leader')
    await proposed(leader?.replica as Replica, 'x')
    const lastIndex = leader?.replica.consensus().commitIndex as number
    await Promise.all(members.map(({ host }) => host.close()))
    for (const id of ['b', 'c']) await rm(join(root, id), { recursive: true })

    for (const dryRun of [true, false]) {
      const storage = await opened(fsStorage(join(root, 'a')), 'test', 'a')
      expect(await recover(new Map([['a', storage]]), 'g', dryRun)).toBe('a')
      await storage.close()
      expect(logged.mock.lastCall?.[0]).toMatchObject({ survivor: 'a' })
    }
    const { host, replica } = await start('a')
    await vi.waitFor(() => expect(replica.consensus().role).toBe('leader'), { timeout: 20_000 })
    await proposed(replica, 'y')
    expect(replica.consensus().membership.voters).toEqual(['a'])
    expect(replica.consensus().commitIndex).toBeGreaterThan(lastIndex)
    await host.close()
  } finally {
    logged.mockRestore()
    await rm(root, { recursive: true, force: true })
  }
})
