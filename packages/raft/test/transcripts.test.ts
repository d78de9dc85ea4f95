// Transcripts: commands and the whole exchange that follows, to be read in review. With
// QUORATE_REWRITE=1 they are written anew from what really happens.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import type { Limits } from '@quorate/core'
import { encode } from '@quorate/core'
import type { TranscriptCommand } from '@quorate/sim'
import { runTranscript } from '@quorate/sim'
import { expect, test } from 'vitest'
import { hardStateCodec, noHardState } from '../src/hard-state.ts'
import type { RaftMessage, RaftOptions } from '../src/index.ts'
import { raft } from '../src/index.ts'
import { format } from './format.ts'

const folder = new URL('testdata/', import.meta.url)

/** `disk a 1 1 2 vote=b term=3 commit=1`: what a crashed replica's disk holds, as the terms of its entries. */
const disk: TranscriptCommand<RaftMessage> = (command, cluster) => {
  const [id, ...terms] = command.words as [string, ...string[]]
  const replica = cluster.replica(id)
  const entries = terms.map((epoch, at) => ({
    index: at + 1, epoch: Number(epoch), kind: 'command' as const,
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

/** The options in a transcript's first lines: `# raft: {...}` and `# limits: {...}`. */
function optionsIn(text: string, name: string): object {
  const line = text.split('\n').find((each) => each.startsWith(`# ${name}: `))
  return line === undefined ? {} : (JSON.parse(line.slice(name.length + 4)) as object)
}

for (const file of readdirSync(folder).filter((name) => name.endsWith('.txt')).sort()) {
  test(file, () => {
    const url = new URL(file, folder)
    const text = readFileSync(url, 'utf8')
    const happened = runTranscript(text, {
      consensus: raft(optionsIn(text, 'raft') as RaftOptions),
      limits: optionsIn(text, 'limits') as Partial<Limits>,
      commands: { disk, stall },
      ...format,
    })
    if (process.env['QUORATE_REWRITE'] === '1') writeFileSync(url, happened)
    else expect(happened).toBe(text)
  })
}
