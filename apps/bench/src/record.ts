// Where results go: one file for each suite, with the machine that they were measured on.
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Writes `results` to results/<suite>.json. */
export function record(suite: string, results: Readonly<Record<string, unknown>>): void {
  const folder = join(dirname(dirname(fileURLToPath(import.meta.url))), 'results')
  mkdirSync(folder, { recursive: true })
  const machine = {
    node: process.version,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
  }
  const date = new Date().toISOString().slice(0, 10)
  const text = JSON.stringify({ suite, date, machine, ...results }, null, 2)
  writeFileSync(join(folder, `${suite}.json`), `${text}\n`)
}

/** The middle of some numbers. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** A number to three significant digits. */
export function round(value: number): number {
  return Number(value.toPrecision(3))
}
