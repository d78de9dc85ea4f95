// The command's tools that need no cluster: judging histories, and simulating clusters from a seed.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { writeNdjson } from '@quorate/linearizability'
import { runCommand } from './processes.ts'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'quorate-test-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

/** A write of 1, then a read that starts later and sees `seen`. */
async function historyFile(name: string, seen: number): Promise<string> {
  const file = join(directory, name)
  const text = writeNdjson(
    [
      { client: 'a', input: { op: 'write', value: 1 }, call: 0, return: 1 },
      { client: 'b', input: { op: 'read' }, output: seen, call: 2, return: 3 },
    ],
    { model: 'register' },
  )
  await writeFile(file, text)
  return file
}

describe('quorate check', () => {
  it('ends with 0, 1 or 2, and draws what is impossible', async () => {
    const good = await historyFile('good.ndjson', 1)
    expect(await runCommand('check', good)).toMatchObject({ code: 0, err: '' })
    const bad = await historyFile('bad.ndjson', 7)
    const picture = join(directory, 'bad.html')
    const result = await runCommand(
      'check',
      bad,
      '--model',
      'register',
      '--picture',
      picture,
      '--json',
    )
    expect(result.code).toBe(1)
    expect(JSON.parse(result.out)).toMatchObject({ verdict: 'Illegal', exitCode: 1 })
    expect(await readFile(picture, 'utf8')).toContain('<svg')
    const broken = join(directory, 'broken.ndjson')
    await writeFile(broken, 'no history\n')
    expect((await runCommand('check', broken, '--model', 'kv')).code).toBe(2)
    expect((await runCommand('check', bad, '--model', 'zab')).code).toBe(2)
  })
})

describe('quorate sim', () => {
  it('gives the same trace for the same seed, and draws it', async () => {
    const replay = () => runCommand('sim', 'replay', '--seed', '7', '--json')
    const [one, two] = await Promise.all([replay(), replay()])
    expect(one).toEqual(two)
    const run = JSON.parse(one.out) as {
      seed: number
      failed: boolean
      traceHash: string
      committed: number
    }
    expect(run).toMatchObject({ seed: 7, failed: false })
    expect(run.traceHash).toMatch(/^[0-9a-f]+$/)
    const picture = join(directory, 'run.svg')
    expect((await runCommand('sim', 'replay', '--seed', '7', '--picture', picture)).code).toBe(0)
    expect(await readFile(picture, 'utf8')).toContain('<svg')
  })

  it('runs many seeds and counts what went wrong on the way', async () => {
    const { code, out } = await runCommand('sim', 'run', '--seeds', '5', '--seed', '1', '--json')
    expect(code).toBe(0)
    const result = JSON.parse(out) as {
      seeds: number
      failures: string[]
      faults: Record<string, number>
    }
    expect(result).toMatchObject({ seeds: 5, failures: [] })
    expect(Object.values(result.faults).reduce((a, b) => a + b, 0)).toBeGreaterThan(0)
  })

  it('refuses an algorithm that there is not', async () => {
    expect(await runCommand('sim', 'run', '--consensus', 'zab')).toMatchObject({ code: 8 })
  })
})
