// The same answers in other processes, for members in any order, and in the vectors that we
// publish for other languages.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildSync } from 'esbuild'
import { describe, expect, it } from 'vitest'
import { vectors } from './answers.ts'

const here = fileURLToPath(new URL('.', import.meta.url))
const given = <T>(list: readonly T[]): readonly T[] => list

describe('answers', () => {
  it('are the same in three other processes, whatever the order of members', () => {
    const folder = mkdtempSync(join(tmpdir(), 'quorate-ring-'))
    try {
      const outfile = join(folder, 'answers.mjs')
      buildSync({
        entryPoints: [join(here, 'answers-main.ts')],
        outfile,
        bundle: true,
        format: 'esm',
        platform: 'node',
        conditions: ['@quorate/source'],
      })
      const own = JSON.stringify(vectors(given))
      // The last one also hashes its maps by another seed and compiles everything at once.
      for (const [order, flags] of [
        ['given', []],
        ['reversed', ['--hash-seed=7']],
        ['rotated', ['--hash-seed=11', '--always-turbofan']],
      ] as const) {
        const text = execFileSync(process.execPath, [...flags, outfile, order], {
          encoding: 'utf8',
        })
        expect(text).toBe(own)
      }
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  // RING_VECTORS=write writes the file anew; a change of it is a change of everybody's data.
  it('are those of vectors.json', () => {
    const file = join(here, '..', 'vectors.json')
    const text = `${JSON.stringify(vectors(given), null, 1)}\n`
    if (process.env['RING_VECTORS'] === 'write') writeFileSync(file, text)
    expect(JSON.parse(text)).toEqual(JSON.parse(readFileSync(file, 'utf8')))
  })
})
