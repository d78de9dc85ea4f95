import { it } from 'vitest'
import { simulate, registerMap, registerWorkload } from '@quorate/sim'
import { raft } from '@quorate/raft'
it('probe', { timeout: 600000 }, async () => {
  const from = Number(process.env.FROM ?? 1),
    to = Number(process.env.TO ?? 30)
  let sim = 0
  let wall = 0
  let events = 0
  for (let seed = from; seed <= to; seed++) {
    const t = performance.now()
    const r = await simulate({
      consensus: raft({ electionTimeoutMs: 300, heartbeatIntervalMs: 50 }) as never,
      stateMachine: registerMap,
      workload: registerWorkload(),
      seed,
      durationMs: 20_000,
      canonicalSnapshots: true,
      ...(process.env.ALL ? { everything: true } : {}),
    })
    const ms = performance.now() - t
    sim += r.simulatedMs
    wall += ms
    events += r.events
    if (r.failure || process.env.VERBOSE)
      console.log(
        seed,
        r.setup.members.length,
        r.setup.hosts.length,
        r.setup.groups.length,
        'sim',
        Math.round(r.simulatedMs),
        r.events,
        'committed',
        r.committed,
        JSON.stringify(r.operations),
        JSON.stringify(r.faults),
        Math.round(ms),
        'ms',
        r.traceHash,
        r.failure?.phase,
        Math.round(r.failure?.atMs ?? 0),
        String(r.failure?.error).slice(0, 1500),
        (r.failure?.error as any)?.cause ?? '',
      )
  }
  console.log(
    'sim s/s',
    sim / wall,
    'seeds/s',
    ((to - from + 1) / wall) * 1000,
    'events/s',
    (events / wall) * 1000,
  )
})
