// The commands that Paxos's transcripts add to those of the simulator, and the options in their heads.
import type { ConsensusFactory } from '@quorate/core'
import type { TranscriptCommand } from '@quorate/sim'
import { explorablePaxos } from '../src/explorable.ts'
import type { PaxosMessage, PaxosOptions } from '../src/index.ts'

/** `stall a 5000`: the replica's process stands still for so many milliseconds. */
const stall: TranscriptCommand<PaxosMessage> = (command, cluster) => {
  const [id, ms] = command.words as [string, string]
  const replica = cluster.replica(id)
  replica.now += Number(ms)
  cluster.step(id, { type: 'tick' })
}

/** `refill a`: the replica asks to be refilled from a snapshot. */
const refill: TranscriptCommand<PaxosMessage> = (command, cluster) => {
  for (const id of command.words) cluster.refill(id)
}

export const commands: Readonly<Record<string, TranscriptCommand<PaxosMessage>>> = {
  stall,
  refill,
}

/** The options in a transcript's first lines: `# paxos: {...}`, `# limits: {...}`. */
export function optionsIn(text: string, name: string): object {
  const line = text.split('\n').find((each) => each.startsWith(`# ${name}: `))
  return line === undefined ? {} : (JSON.parse(line.slice(name.length + 4)) as object)
}

/** The algorithm as a transcript wants it; `# does not ask` leaves out the asking before a ballot. */
export function consensusIn(text: string): ConsensusFactory<PaxosMessage> {
  const options = optionsIn(text, 'paxos') as PaxosOptions
  return explorablePaxos(options, !text.includes('# does not ask\n'))
}
