// One host of a cluster whose groups fall asleep soon, as a process of its own: asked over its parent's
// channel, it says how many frames it has sent to other hosts so far.
import { createKv, serveKv } from '@quorate/kv'
import { paxos } from '@quorate/paxos'
import { raft } from '@quorate/raft'
import { hashRing } from '@quorate/ring'
import { createHost, prometheusMetrics } from '@quorate/runtime'
import { fsStorage } from '@quorate/storage-fs'
import { webSocketListener, webSockets } from '@quorate/transport-ws'

const { id, algorithm, shards, hibernateAfterMs, directory, ports } = JSON.parse(process.argv[2])
const members = Object.keys(ports)
const others = members.filter((other) => other !== id)
const metrics = prometheusMetrics()
const host = await createHost({
  id,
  metrics,
  storage: fsStorage(directory),
  transport: webSockets({
    listen: { port: ports[id].peers, host: '127.0.0.1' },
    peers: Object.fromEntries(
      others.map((other) => [other, `ws://127.0.0.1:${ports[other].peers}`]),
    ),
  }),
})
const kv = await createKv({
  host,
  consensus: (algorithm === 'raft' ? raft : paxos)({ hibernateAfterMs }),
  partitioner: hashRing({ members, shards, replicas: 3 }),
})
const listener = webSocketListener({ port: ports[id].clients, host: '127.0.0.1' })
await serveKv({ kv, listener })

const framesSent = () =>
  metrics
    .text()
    .split('\n')
    .filter((line) => line.startsWith('quorate_frames_sent_total{'))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)

process.on('message', () => process.send({ frames: framesSent() }))
process.send({ ready: true })
