// Every step of a move, crossed with every host that can be crashed there, just before the step is
// durable, just after, and once others know: the plan ends, once, and nothing is lost. SIM_KV_POINTS=1
// visits every point, n every n-th; a failure prints the point.
import { describe, expect, it } from 'vitest'
import type { AlgorithmName } from './sim-kv-plan.ts'
import { pointsOf, runPlan, scenarios } from './sim-kv-points.ts'
import type { CrashPoint } from './sim-kv-points.ts'

const STRIDE = Number(process.env.SIM_KV_POINTS ?? 12)
const HOSTS = ['h1', 'h2', 'h3', 'h4']
/** One point to visit again: `event/moment/host`. */
const ONLY = process.env.SIM_KV_POINT

const nameOf = ({ event, moment, host }: CrashPoint): string => `${event}/${moment}/${host}`

describe.each<AlgorithmName>(['raft', 'paxos'])('over %s', (algorithm) => {
  it.each(scenarios.map((scenario) => [scenario.name, scenario] as const))(
    '%s, whatever crashes at whichever step',
    { timeout: 3_600_000 },
    async (name, scenario) => {
      const clean = await runPlan(algorithm, scenario, undefined)
      expect(clean.wrong).toBeUndefined()
      // The plan, its steps in the group and its end are durable on several hosts each.
      const steps = clean.events.join('\n')
      const moves = ['kv-map command', 'membership', 'drop'].slice(0, scenario.loses ? 2 : 3)
      const hands = ['kv-map command', 'kv-0 command', 'kv-1 command']
      for (const step of scenario.ends === undefined ? moves : hands) expect(steps).toContain(step)
      const all = pointsOf(clean.events.length, HOSTS)
      const visited = all.filter((point, at) =>
        ONLY === undefined ? at % STRIDE === all.length % STRIDE : nameOf(point) === ONLY,
      )
      let crashed = 0
      const failures: string[] = []
      for (const point of visited) {
        const result = await runPlan(algorithm, scenario, point)
        if (result.crashed) crashed++
        if (result.wrong === undefined) continue
        const replay = `SIM_KV_POINT=${nameOf(point)} npx vitest run tests/integration/test/sim-kv-moves.test.ts -t '${algorithm} ${name}'`
        failures.push(`at "${clean.events[point.event] ?? ''}": ${result.wrong}\nreplay: ${replay}`)
        if (failures.length >= 3) break
      }
      console.log(
        `${algorithm}, ${name}: ${visited.length} of ${all.length} crash points, ${crashed} crashes`,
      )
      expect(failures).toEqual([])
      expect(crashed).toBe(visited.length)
    },
  )
})
