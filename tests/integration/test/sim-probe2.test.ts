import { it } from 'vitest'
import { writeFileSync } from 'node:fs'
import {
  simulate,
  registerMap,
  registerWorkload,
  minimise,
  failureReport,
  diagram,
} from '@quorate/sim'
import { raft } from '@quorate/raft'
it('probe', { timeout: 600000 }, async () => {
  const seed = Number(process.env.SEED)
  const options = {
    consensus: raft({ electionTimeoutMs: 300, heartbeatIntervalMs: 50 }),
    stateMachine: registerMap,
    workload: registerWorkload(),
    seed,
    durationMs: 20_000,
    canonicalSnapshots: true,
    record: true,
  }
  const r = await simulate(options)
  const m = await minimise({ ...options, record: false }, r)
  console.log(failureReport(r, { minimised: m }))
  console.log((r.failure?.error as Error).stack, (r.failure?.error as Error).cause)
  const last = await simulate({ ...m.options, record: true })
  writeFileSync('/tmp/diagram.html', diagram(last.recording!))
  console.log(
    last
      .recording!.events.slice(-60)
      .map((e) => `${e.atMs.toFixed(3)} ${e.host} ${e.text}`)
      .join('\n'),
  )
})
