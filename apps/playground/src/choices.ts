// The one file to change for another algorithm, storage or placement: everything else in the app
// takes what is chosen here by its contract.
import type { ConsensusFactory, HostStorage, NodeId, Partitioner, Random } from '@quorate/core'
import { QuorateError } from '@quorate/core'
import { paxos } from '@quorate/paxos'
import type { SimulateOptions } from '@quorate/sim'
import { raft } from '@quorate/raft'
import { hashRing } from '@quorate/ring'
import { fsStorage } from '@quorate/storage-fs'
import { fsStorageOn } from '@quorate/storage-fs/platform'
import { memoryStorage } from '@quorate/storage-memory'

/** What an algorithm is made from. */
export interface ConsensusChoice {
  /** Milliseconds without work after which a shard sleeps; 0: never. The same at every host. */
  readonly hibernateAfterMs: number
}

/** The algorithms that `--consensus` knows. */
export const consensusChoices: Readonly<
  Record<string, (choice: ConsensusChoice) => ConsensusFactory>
> = {
  raft: ({ hibernateAfterMs }) => raft({ hibernateAfterMs }),
  paxos: ({ hibernateAfterMs }) => paxos({ hibernateAfterMs }),
}

/** What a simulation takes of an algorithm: settings drawn from the seed, and what it promises. */
export type Simulated = Pick<SimulateOptions, 'consensus' | 'promises'>

function simulatedRaft(random: Random): ConsensusFactory {
  const electionTimeoutMs = 150 + random.below(850)
  const heartbeatIntervalMs = Math.max(10, Math.floor(electionTimeoutMs / (3 + random.below(8))))
  const preVote = random.fraction() < 0.7
  return raft({
    electionTimeoutMs,
    heartbeatIntervalMs,
    preVote,
    checkQuorum: true,
    clockDriftMax: 0.1,
  })
}

function simulatedPaxos(random: Random): ConsensusFactory {
  const electionTimeoutMs = 150 + random.below(850)
  const heartbeatIntervalMs = Math.max(10, Math.floor(electionTimeoutMs / (3 + random.below(8))))
  const quorumReads = random.fraction() < 0.3
  return paxos({ electionTimeoutMs, heartbeatIntervalMs, quorumReads, clockDriftMax: 0.1 })
}

/** The algorithms that `sim` knows. */
export const simulatedConsensus: Readonly<Record<string, Simulated>> = {
  raft: { consensus: simulatedRaft },
  // A ballot names its leader, a round does not, and an entry is decided again in later rounds.
  paxos: { consensus: simulatedPaxos, promises: { leaderPerEpoch: false, epochsAgree: false } },
}

/** What a storage is made from. */
export interface StorageChoice {
  /** The host's directory. */
  readonly directory: string
  /** What becomes of entries that the disk has lost: refuse to start, or get them from other hosts. */
  readonly onDamage: 'halt' | 'repair'
}

/** The storages that `--storage` knows. */
export const storageChoices: Readonly<Record<string, (choice: StorageChoice) => HostStorage>> = {
  fs: ({ directory, onDamage }) => fsStorage(directory, { onDamage }),
  memory: () => memoryStorage(),
}

/** The log on disk in a simulation: small segments, and settings drawn anew at each start. */
const simulatedFiles: SimulateOptions['storage'] = ({ fs, pace, random }) => {
  const newStore = (): Uint8Array => Uint8Array.from({ length: 16 }, () => random.below(256))
  const options = {
    segmentBytes: 16_384 + 4_096 * random.below(13),
    ringBytes: 1_048_576,
    lowWaterBytes: 0,
    ballastBytes: random.below(2) * 16_384,
    scrubBytesPerSecond: random.below(2) * 65_536,
    markerIdleMs: random.below(100),
  }
  return fsStorageOn({ fs, pace, newStore }, '/data', options)
}

/** The storages that `sim` knows: a log of the simulator's own, or the one on disk on simulated files. */
export const simulatedStorage: Readonly<Record<string, Pick<SimulateOptions, 'storage'>>> = {
  memory: {},
  fs: { storage: simulatedFiles },
}

/** How keys are placed on hosts. */
export function placement(
  members: readonly NodeId[],
  shards: number,
  replicas: number,
): Partitioner {
  return hashRing({ members: [...members], shards, replicas })
}

/**
 * Picks by name.
 *
 * @throws QuorateError `INVALID_OPTIONS` where there is none of that name
 */
export function choose<T>(choices: Readonly<Record<string, T>>, name: string, option: string): T {
  const choice = Object.hasOwn(choices, name) ? choices[name] : undefined
  if (choice !== undefined) return choice
  throw new QuorateError(
    'INVALID_OPTIONS',
    `${option} ${JSON.stringify(name)} is unknown; there is ${Object.keys(choices).join(', ')}`,
  )
}
