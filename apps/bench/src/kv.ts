// The store as programs use it: operations per second by number of shards and of clients, how long
// writes wait while a shard is moved or split, and what shards cost that nobody uses. Three hosts
// and a client in one process, over memory, so that the store itself is what is measured.
//
//   bench kv [--seconds 1] [--shards 1,4,16,64] [--clients 1,64] [--keys 20000] [--idle 256]
//            [--moves 10] [--consensus raft] [--only ops|stalls|idle]
import { parseArgs } from 'node:util'
import { record } from './record.ts'
import { measureIdle } from './kv/idle.ts'
import { measureOperations } from './kv/operations.ts'
import { measureStalls } from './kv/stalls.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '1' },
    shards: { type: 'string', default: '1,4,16,64' },
    clients: { type: 'string', default: '1,64' },
    keys: { type: 'string', default: '20000' },
    idle: { type: 'string', default: '256' },
    moves: { type: 'string', default: '10' },
    consensus: { type: 'string', default: 'raft' },
    only: { type: 'string' },
  },
})
const numbers = (text: string): number[] => text.split(',').map(Number)
const consensus = values.consensus === 'paxos' ? 'paxos' : 'raft'
const wants = (part: string): boolean => values.only === undefined || values.only === part
const results: Record<string, unknown> = { consensus }

if (wants('ops')) {
  const seconds = Number(values.seconds)
  const keys = Number(values.keys)
  const rows: object[] = []
  for (const shards of numbers(values.shards)) {
    for (const clients of numbers(values.clients)) {
      rows.push(...(await measureOperations({ consensus, shards, clients, seconds, keys })))
    }
  }
  console.table(rows)
  results['operations'] = rows
}
if (wants('stalls')) {
  const keys = Number(values.keys)
  const rows = await measureStalls({ consensus, keys, rounds: Number(values.moves) })
  console.table(rows)
  results['stalls'] = rows
}
if (wants('idle')) {
  const shards = Number(values.idle)
  const rows: object[] = []
  // By default shards fall asleep after ten seconds.
  for (const [hibernateAfterMs, settleMs] of [
    [undefined, 20_000],
    [1_000, 10_000],
    [0, 10_000],
  ] as const) {
    rows.push(await measureIdle({ consensus, hibernateAfterMs, settleMs, shards, seconds: 10 }))
  }
  console.table(rows)
  results['idle'] = rows
}
if (values.only === undefined) record('kv', results)
