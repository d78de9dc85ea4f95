// Disks over real sockets: hosts that come back on an older copy of their disk, or on an empty one,
// have forgotten what they promised. Their peers refuse them until an operator says that it is meant.
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import type { LogFields, Logger, Replica } from '@quorate/core'
import { raft } from '@quorate/raft'
import type { Host } from '@quorate/runtime'
import { createHost, jsonCodec, typedStateMachine } from '@quorate/runtime'
import { fsStorage } from '@quorate/storage-fs'
import { webSockets } from '@quorate/transport-ws'
import type { WebSocketTransport } from '@quorate/transport-ws'

const IDS = ['a', 'b', 'c']
const consensus = raft({ electionTimeoutMs: 300, heartbeatIntervalMs: 60 })

/** Adds numbers up, and remembers how many there were. */
function adder() {
  let state = { sum: 0, count: 0 }
  return typedStateMachine({
    command: jsonCodec<number>(),
    result: jsonCodec<number>(),
    query: jsonCodec<null>(),
    answer: jsonCodec<{ sum: number; count: number }>(),
    apply: (by) => (state = { sum: state.sum + by, count: state.count + 1 }).sum,
    ask: () => state,
    snapshot: () => [new TextEncoder().encode(JSON.stringify(state))],
    async restore(chunks) {
      let text = ''
      for await (const chunk of chunks) text += new TextDecoder().decode(chunk)
      state = JSON.parse(text) as typeof state
    },
  })
}

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 10))

async function eventually(condition: () => boolean): Promise<void> {
  while (!condition()) await turn()
}

interface Member {
  readonly host: Host
  readonly transport: WebSocketTransport
  readonly replica: Replica
  readonly machine: ReturnType<typeof adder>
}

/** Lines of a log that can be waited for. */
class Lines {
  readonly lines: string[] = []
  #wake: (() => void)[] = []

  readonly logger: Logger = Object.fromEntries(
    ['debug', 'info', 'warn', 'error'].map((level) => [
      level,
      (fields: LogFields, message: string) => {
        this.lines.push(`${message} ${JSON.stringify(fields)}`)
        for (const wake of this.#wake.splice(0)) wake()
      },
    ]),
  ) as unknown as Logger

  async until(pattern: RegExp): Promise<void> {
    while (!this.lines.some((line) => pattern.test(line))) {
      await new Promise<void>((resolve) => void this.#wake.push(resolve))
    }
  }
}

class Cluster {
  readonly members = new Map<string, Member>()
  readonly logs = new Map(IDS.map((id) => [id, new Lines()]))
  readonly #root: string
  readonly #ports = new Map<string, number>()
  readonly #named = new Set<string>()

  constructor(root: string) {
    this.#root = root
  }

  directory(id: string): string {
    return join(this.#root, id)
  }

  log(id: string): Lines {
    return this.logs.get(id) as Lines
  }

  member(id: string): Member {
    return this.members.get(id) as Member
  }

  async start(id: string, options: { readonly rejoin?: true } = {}): Promise<Member> {
    const transport = webSockets({
      listen: this.#ports.get(id) ?? 0,
      backoff: { baseMs: 10, maxMs: 50 },
    })
    const host = await createHost({
      id,
      transport,
      storage: fsStorage(this.directory(id), { segmentBytes: 65_536 }),
      logger: this.log(id).logger,
      drainTimeoutMs: 0,
      ...options,
    })
    const machine = adder()
    const members = options.rejoin === true ? undefined : { voters: IDS }
    const replica = await host.createReplica({
      group: 'g',
      consensus,
      stateMachine: machine,
      members,
    })
    this.#ports.set(id, transport.port as number)
    const member = { host, transport, replica, machine }
    this.members.set(id, member)
    for (const [other, port] of this.#ports) {
      if (other === id) continue
      const known = this.members.get(other)
      host.setPeer(other, `ws://127.0.0.1:${port}`)
      // Peers learn of a new host once; one that comes back under the same name is not named anew.
      if (known?.host.status === 'open' && !this.#named.has(`${other}/${id}`)) {
        this.#named.add(`${other}/${id}`)
        known.host.setPeer(id, `ws://127.0.0.1:${transport.port}`)
      }
      this.#named.add(`${id}/${other}`)
    }
    return member
  }

  async stop(id: string): Promise<void> {
    await this.member(id).host.close()
  }

  /** Adds a number through whoever leads. */
  async add(value: number): Promise<number> {
    for (;;) {
      for (const { replica, machine, host } of this.members.values()) {
        if (host.status !== 'open' || replica.consensus().role !== 'leader') continue
        try {
          return await machine.on(replica).propose(value, { timeoutMs: 5_000 })
        } catch {
          // Lost its leadership: the sum says at the end what came of it.
        }
      }
      await turn()
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.members.values()].map(({ host }) => host.close()))
    await rm(this.#root, { recursive: true, force: true })
  }
}

let cluster: Cluster | undefined

/** Waits until every two hosts have met: only who has met a disk can tell it from another one. */
function met(hosts: Cluster): Promise<void> {
  const pairs = IDS.flatMap((id) => IDS.filter((other) => other !== id).map((other) => [id, other]))
  return eventually(() =>
    pairs.every(([id, other]) => hosts.member(id as string).host.reachable(other as string)),
  )
}

async function running(): Promise<Cluster> {
  cluster = new Cluster(await mkdtemp(join(tmpdir(), 'quorate-identity-')))
  for (const id of IDS) await cluster.start(id)
  expect(await cluster.add(1)).toBe(1)
  await met(cluster)
  return cluster
}

afterEach(async () => {
  await cluster?.close()
  cluster = undefined
})

describe('a host that comes back', () => {
  it('on its own disk takes part again', async () => {
    const hosts = await running()
    await hosts.stop('c')
    expect(await hosts.add(2)).toBe(3)
    const { replica, machine } = await hosts.start('c')
    await eventually(() => replica.consensus().appliedIndex > 0)
    expect(await machine.on(replica).query(null)).toEqual({ sum: 3, count: 2 })
  })

  it('on an older copy of its disk is refused, until an operator names it anew', async () => {
    const hosts = await running()
    await hosts.stop('c')
    const copy = `${hosts.directory('c')}-copy`
    await cp(hosts.directory('c'), copy, { recursive: true })
    await hosts.start('c')
    expect(await hosts.add(2)).toBe(3)
    // Only who has met this start of it can tell that the next one is older.
    await met(hosts)
    await hosts.stop('c')
    await rm(hosts.directory('c'), { recursive: true })
    await cp(copy, hosts.directory('c'), { recursive: true })
    const { host } = await hosts.start('c')
    await hosts.log('c').until(/copy of an older disk/)
    expect([host.reachable('a'), host.reachable('b')]).toEqual([false, false])
    for (const id of ['a', 'b']) {
      const { transport } = hosts.member('c')
      hosts.member(id).host.setPeer('c', `ws://127.0.0.1:${transport.port}`)
    }
    await eventually(() => host.reachable('a') && host.reachable('b'))
  })

  it('on an empty disk is refused, until it says that it rejoins', async () => {
    const hosts = await running()
    await hosts.stop('c')
    await rm(hosts.directory('c'), { recursive: true })
    const { host } = await hosts.start('c')
    await hosts.log('c').until(/another storage than before/)
    expect([host.reachable('a'), host.reachable('b')]).toEqual([false, false])
    expect(await hosts.add(2)).toBe(3)
    await hosts.stop('c')
    await rm(hosts.directory('c'), { recursive: true })
    const { replica, machine } = await hosts.start('c', { rejoin: true })
    await eventually(() => replica.consensus().appliedIndex > 0)
    expect(await machine.on(replica).query(null)).toEqual({ sum: 3, count: 2 })
  })
})
