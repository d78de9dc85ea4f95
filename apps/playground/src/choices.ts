// The one file to change for another algorithm, storage or placement: everything else in the app
// takes what is chosen here by its contract.
import type { ConsensusFactory, HostStorage, NodeId, Partitioner, Random } from '@quorate/core'
import { QuorateError } from '@quorate/core'
import { paxos } from '@quorate/paxos'
import type { SimulateOptions } from '@quorate/sim'
import { raft } from '@quorate/raft'
import { hashRing } from '@quorate/ring'
import { fsStorage } from '@quorate/storage-fs'
import { memoryStorage } from '@quorate/storage-memory'

/** The algorithms that `--consensus` knows. */
export const consensusChoices: Readonly<Record<string, () => ConsensusFactory>> = {
  raft: () => raft(),
  paxos: () => paxos(),
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

/** The storages that `--storage` knows; each is given the host's directory. */
export const storageChoices: Readonly<Record<string, (directory: string) => HostStorage>> = {
  fs: (directory) => fsStorage(directory),
  memory: () => memoryStorage(),
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
