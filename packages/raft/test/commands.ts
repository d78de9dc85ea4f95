// Commands that Raft's transcripts add to those of the simulator, and the options in their heads.
import { encode } from '@quorate/core'
import type { TranscriptCommand } from '@quorate/sim'
import { hardStateCodec, noHardState } from '../src/hard-state.ts'
import type { RaftMessage } from '../src/index.ts'

/** `disk a 1 1 2 vote=b term=3 commit=1`: what a crashed replica's disk holds, as the terms of its entries. */
const disk: TranscriptCommand<RaftMessage> = (command, cluster) => {
  const [id, ...terms] = command.words as [string, ...string[]]
  const replica = cluster.replica(id)
  const entries = terms.map((epoch, at) => ({
    index: at + 1,
    epoch: Number(epoch),
    kind: 'command' as const,
    payload: new TextEncoder().encode(`${at + 1}/${epoch}`),
  }))
  const hardState = encode(hardStateCodec, {
    ...noHardState,
    initial: replica.bootstrap,
    term: Number(command.options.get('term') ?? terms.at(-1) ?? 0),
    vote: command.options.get('vote'),
    commit: Number(command.options.get('commit') ?? 0),
  })
  replica.durable = { hardState, snapshot: undefined, firstIndex: 1, baseEpoch: 0, entries }
}

/** `stall a 5000`: the replica's process stands still for so many milliseconds. */
const stall: TranscriptCommand<RaftMessage> = (command, cluster) => {
  const [id, ms] = command.words as [string, string]
  const replica = cluster.replica(id)
  replica.now += Number(ms)
  cluster.step(id, { type: 'tick' })
}

/** `refill a`: the replica asks to be refilled from a snapshot. */
const refill: TranscriptCommand<RaftMessage> = (command, cluster) => {
  cluster.refill(command.words[0] as string)
}

/** The commands by name. */
export const commands: Readonly<Record<string, TranscriptCommand<RaftMessage>>> = {
  disk,
  stall,
  refill,
}

/** The options in a transcript's first lines: `# raft: {...}` and `# limits: {...}`. */
export function optionsIn(text: string, name: string): object {
  const line = text.split('\n').find((each) => each.startsWith(`# ${name}: `))
  return line === undefined ? {} : (JSON.parse(line.slice(name.length + 4)) as object)
}
