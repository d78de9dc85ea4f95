// put, get, del and scan: what a store does, from a shell.
import type { Command } from 'commander'
import type { KvEntry } from '@quorate/kv'
import { CommandEnd } from '../output/exit-codes.ts'
import { bytesAsJson, printResult, shown, writeLine } from '../output/report.ts'
import type { ClientOptions } from './options.ts'
import { integer, withClient, withConnection } from './options.ts'

/** Adds the commands. */
export function addClientCommands(program: Command): void {
  addPut(program)
  addGet(program)
  addDelete(program)
  addScan(program)
}

function addPut(program: Command): void {
  withClient(program.command('put').description('set a value'))
    .argument('<key>')
    .argument('<value>', 'the value; "-" reads it from standard input')
    .option(
      '--if-version <version>',
      'only where the key has this version; 0: where it does not exist',
      integer(0, Number.MAX_SAFE_INTEGER),
    )
    .action(async (key: string, given: string, options: ClientOptions & { ifVersion?: number }) => {
      const value = given === '-' ? await readInput() : given
      await withConnection(options, async (client) => {
        const call = { timeoutMs: options.timeout }
        if (options.ifVersion === undefined) {
          const { version } = await client.put(key, value, call)
          return printResult(options, { key, version }, () => `version ${version}`)
        }
        const result = await client.compareAndSet(key, { version: options.ifVersion }, value, call)
        if (!result.swapped) {
          const current = result.current?.version ?? 0
          throw new CommandEnd(
            'conflict',
            `${key} has version ${current}, not ${options.ifVersion}`,
          )
        }
        printResult(options, { key, version: result.version }, () => `version ${result.version}`)
      })
    })
}

function addGet(program: Command): void {
  withClient(program.command('get').description('print a value; exit code 3 where there is none'))
    .argument('<key>')
    .option('--stale', 'whatever the nearest replica has, without asking a quorum')
    .action(async (key: string, options: ClientOptions & { stale?: true }) => {
      const consistency = options.stale === true ? 'local' : 'linearizable'
      const entry = await withConnection(options, (client) =>
        client.get(key, { timeoutMs: options.timeout, consistency }),
      )
      if (entry === undefined) {
        if (options.json === true) printResult(options, { key, found: false }, () => '')
        throw new CommandEnd('notFound')
      }
      if (options.json === true)
        return printResult(options, { found: true, ...entryAsJson(entry) }, () => '')
      // Bytes as they are: what was put comes out, also through a pipe.
      process.stdout.write(entry.value)
      if (process.stdout.isTTY) process.stdout.write('\n')
    })
}

function addDelete(program: Command): void {
  withClient(program.command('del').description('remove a key; exit code 3 where there was none'))
    .argument('<key>')
    .action(async (key: string, options: ClientOptions) => {
      const existed = await withConnection(options, (client) =>
        client.delete(key, { timeoutMs: options.timeout }),
      )
      printResult(options, { key, existed }, () => (existed ? 'removed' : ''))
      if (!existed) throw new CommandEnd('notFound')
    })
}

function addScan(program: Command): void {
  withClient(program.command('scan').description('print keys and values in the order of keys'))
    .argument('[prefix]', 'only keys that begin with it', '')
    .option('--limit <count>', 'at most so many', integer(1, Number.MAX_SAFE_INTEGER))
    .option('--reverse', 'in descending order')
    .option('--keys', 'keys only')
    .action(
      async (
        prefix: string,
        options: ClientOptions & { limit?: number; reverse?: true; keys?: true },
      ) => {
        await withConnection(options, async (client) => {
          const entries = client.scan({
            ...(prefix === '' ? {} : { prefix }),
            limit: options.limit,
            reverse: options.reverse,
            keysOnly: options.keys,
            timeoutMs: options.timeout,
          })
          for await (const entry of entries) {
            const line =
              options.json === true
                ? JSON.stringify(
                    options.keys === true ? { key: bytesAsJson(entry.key) } : entryAsJson(entry),
                  )
                : options.keys === true
                  ? shown(entry.key)
                  : `${shown(entry.key)}\t${shown(entry.value)}`
            await writeLine(line)
          }
        })
      },
    )
}

function entryAsJson(entry: KvEntry): object {
  return { key: bytesAsJson(entry.key), value: bytesAsJson(entry.value), version: entry.version }
}

/** All of standard input. */
export async function readInput(): Promise<Uint8Array> {
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks)
}
