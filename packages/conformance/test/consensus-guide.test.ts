// The core in the guide for authors passes what the guide says that it passes, in the suite and in the
// simulator, and with one line of it changed the suite says what the guide says that it says.
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { ConsensusFactory } from '@quorate/core'
import { registerMap, registerWorkload, sweep } from '@quorate/sim'
import { describe, expect, it } from 'vitest'
import {
  brokenCores,
  consensusChecks,
  consensusConformance,
  runConsensusCheck,
} from '../src/consensus/index.ts'

interface Guide {
  primary(): ConsensusFactory
  survives(seeds: number): Promise<void>
}

const guide = readFileSync(
  new URL('../../../docs/guides/write-a-consensus-core.md', import.meta.url),
  'utf8',
)
const code = [...guide.matchAll(/^```ts\b.*\n([\s\S]*?)^```$/gm)]
  .map(([, block = '']) => block)
  .filter((block) => !block.includes("from 'node:test'"))
  .join('\n')

let modules = 0

async function load(text: string): Promise<Guide> {
  const file = fileURLToPath(new URL(`./.consensus-guide-${++modules}.ts`, import.meta.url))
  writeFileSync(file, text)
  try {
    return (await import(/* @vite-ignore */ file)) as Guide
  } finally {
    rmSync(file)
  }
}

const [, declared = ''] = /supports: (\{[^}]*false[^}]*\})/.exec(guide) ?? []
const supports = JSON.parse(declared.replace(/(\w+):/g, '"$1":').replace(', }', '}')) as Record<
  string,
  boolean
>
const { primary, survives } = await load(code)

consensusConformance({
  name: 'the core of the guide',
  consensus: primary(),
  test: { describe, it },
  supports,
})

describe('the guide', () => {
  it('names every capability', () => {
    const needed = new Set(consensusChecks.flatMap(({ needs }) => needs ?? []))
    const named = new Set([...guide.matchAll(/^\| `(\w+)` +\|/gm)].map(([, name]) => name))
    expect(named).toEqual(needed)
  })

  it('has a core that survives the simulator', { timeout: 60_000 }, async () => {
    await expect(survives(10)).resolves.toBeUndefined()
  })

  it('tells of reads that are not fresh', { timeout: 60_000 }, async () => {
    const stale = await load(code.replace('Math.max(r.commit, r.lastAtStart)', 'r.commit'))
    const consensus = stale.primary()
    const workload = registerWorkload()
    const setup = { consensus, stateMachine: registerMap, workload, members: 2 }
    const { failures } = await sweep({ ...setup, firstSeed: 1, seeds: 10, failuresMax: 1 })
    expect(String(failures[0])).toContain('read-freshness')
  })

  const rows = [...guide.matchAll(/^\| `(.+?)` +\|(?: `(.+?)`)? +\| (.+?) +\| `(.+?)` +\|$/gm)]

  it('has lines to change', () => expect(rows.length).toBeGreaterThan(3))

  it.each(
    rows.map(([, line = '', instead = '', name = '', says = '']) => [line, instead, name, says]),
  )('says what happens without %s', async (line, instead, name, says) => {
    expect(code.split(line as string)).toHaveLength(2)
    const { primary: wrong } = await load(code.replace(line as string, instead as string))
    const check = consensusChecks.find((each) => each.name === name)
    if (check === undefined) throw new Error(`no check ${name}`)
    expect(() => runConsensusCheck(check, { consensus: wrong(), supports })).toThrow(says as string)
  })
})

it('is found out by every check that it can fail', () => {
  const harmless = brokenCores.filter(({ fails, breaks }) => {
    const check = consensusChecks.find(({ name }) => name === fails)
    if (check === undefined) throw new Error(`no check ${fails}`)
    try {
      return runConsensusCheck(check, { consensus: breaks(primary()), supports })
    } catch {
      return false
    }
  })
  // It has no votes and no epochs: nothing that its followers forget can be used against it.
  expect(harmless.map(({ name }) => name)).toEqual([
    'forgets its epoch',
    'forgets what it acknowledged, and counts',
    'forgets the second time that it forgot',
  ])
})
