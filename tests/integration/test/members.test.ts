// What any member of a group can do, under each algorithm: propose through the leader, and have a
// state that went wrong replaced by another member's.
import { afterEach, describe, expect, it } from 'vitest'
import type { ConsensusFactory, Replica } from '@quorate/core'
import { paxos } from '@quorate/paxos'
import { raft } from '@quorate/raft'
import type { Host } from '@quorate/runtime'
import { createHost, jsonCodec, typedStateMachine } from '@quorate/runtime'
import { memoryStorage } from '@quorate/storage-memory'
import { memoryNetwork } from '@quorate/transport-memory'

const IDS = ['a', 'b', 'c']

function list() {
  const items: string[] = []
  const machine = typedStateMachine({
    command: jsonCodec<string>(),
    result: jsonCodec<number>(),
    query: jsonCodec<null>(),
    answer: jsonCodec<string[]>(),
    apply: (item) => items.push(item),
    ask: () => items,
    snapshot: () => [new TextEncoder().encode(JSON.stringify(items))],
    async restore(chunks) {
      let text = ''
      for await (const chunk of chunks) text += new TextDecoder().decode(chunk)
      items.splice(0, items.length, ...(JSON.parse(text) as string[]))
    },
  })
  return { items, machine }
}

interface Member extends ReturnType<typeof list> {
  readonly host: Host
  readonly replica: Replica
}

let members: Member[] = []

afterEach(async () => {
  await Promise.all(members.map(({ host }) => host.close({ signal: AbortSignal.abort() })))
  members = []
})

async function start(consensus: ConsensusFactory): Promise<Member[]> {
  const network = memoryNetwork()
  members = await Promise.all(
    IDS.map(async (id) => {
      const host = await createHost({
        id,
        transport: network.transport(),
        storage: memoryStorage(),
      })
      const { items, machine } = list()
      const replica = await host.createReplica({
        group: 'g',
        consensus,
        stateMachine: machine,
        members: { voters: IDS },
      })
      return { host, replica, items, machine }
    }),
  )
  await Promise.all(members.map(({ replica }) => leaderKnown(replica)))
  return members
}

function leaderKnown(replica: Replica): Promise<void> {
  return new Promise((resolve) => {
    if (replica.consensus().leader !== undefined) resolve()
    replica.on('leadership', ({ leader }) => leader !== undefined && resolve())
  })
}

/** Proposes at a member until it is told a result; elections on a busy machine come at any time. */
async function propose({ replica, machine }: Member, item: string): Promise<number> {
  for (;;) {
    try {
      return await machine.on(replica).propose(item, { forward: true, timeoutMs: 20_000 })
    } catch (error) {
      if (!['NOT_LEADER', 'PROPOSAL_DROPPED'].includes((error as { code: string }).code))
        throw error
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}

const algorithms: readonly (readonly [string, ConsensusFactory])[] = [
  ['raft', raft({ electionTimeoutMs: 1_000, heartbeatIntervalMs: 100 })],
  ['paxos', paxos({ electionTimeoutMs: 1_000 })],
]

describe.each(algorithms)('%s', (_name, consensus) => {
  it('takes proposals from every member', async () => {
    const [a, b, c] = (await start(consensus)) as [Member, Member, Member]
    expect([await propose(a, 'x'), await propose(b, 'y'), await propose(c, 'z')]).toEqual([1, 2, 3])
    expect(await c.machine.on(c.replica).query(null)).toEqual(['x', 'y', 'z'])
  })

  it('refills a member whose state went wrong, and refuses to refill the leader', async () => {
    const all = await start(consensus)
    for (const item of ['x', 'y', 'z']) await propose(all[0] as Member, item)
    const leads = ({ replica }: Member): boolean => replica.consensus().role === 'leader'
    const follower = all.find((member) => !leads(member)) as Member
    await follower.replica.readBarrier('quorum')
    follower.items.splice(0, 3, 'rubbish')
    const index = await follower.replica.refill({ timeoutMs: 30_000 })
    expect(index).toBeGreaterThan(0)
    expect(follower.items).toEqual(['x', 'y', 'z'])
    await propose(follower, 'after')
    expect(await follower.machine.on(follower.replica).query(null)).toEqual([
      'x',
      'y',
      'z',
      'after',
    ])
    const leader = all.find(leads)
    await expect(leader?.replica.refill()).rejects.toMatchObject({ code: 'CONFLICT' })
  })
})
