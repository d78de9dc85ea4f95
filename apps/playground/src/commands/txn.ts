// txn: a transaction from a file or standard input.
import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import type { TransactionResult } from '@quorate/kv'
import { CommandEnd } from '../output/exit-codes.ts'
import { printResult, shown } from '../output/report.ts'
import { readInput } from './client.ts'
import type { ClientOptions } from './options.ts'
import { withClient, withConnection } from './options.ts'
import { TRANSACTION_HELP, parseTransaction, resultAsJson } from './transaction-json.ts'

/** Adds the command. */
export function addTransaction(program: Command): void {
  withClient(program.command('txn').description('run a transaction: if, do, else, as JSON'))
    .argument('[file]', 'the file; "-" is standard input', '-')
    .addHelpText('after', TRANSACTION_HELP)
    .action(async (file: string, options: ClientOptions) => {
      const transaction = parseTransaction(await textOfFile(file))
      const result = await withConnection(options, (client) =>
        client.transact(transaction, { timeoutMs: options.timeout }),
      )
      printResult(options, resultAsJson(result), () => textOfResult(result))
      if (!result.succeeded) throw new CommandEnd('conflict')
    })
}

async function textOfFile(file: string): Promise<string> {
  if (file === '-') return new TextDecoder().decode(await readInput())
  return readFile(file, 'utf8').catch((cause: unknown) => {
    const { code } = cause as NodeJS.ErrnoException
    throw new CommandEnd('usage', `${file} cannot be read: ${code}`)
  })
}

function textOfResult({ succeeded, version, results }: TransactionResult): string {
  const lines = results.map((result) => {
    switch (result.type) {
      case 'put':
        return 'put'
      case 'delete':
        return result.existed ? 'delete' : 'delete\t(there was none)'
      case 'increment':
        return `increment\t${result.value}`
      case 'get':
        return result.entry === undefined ? 'get\t(none)' : `get\t${shown(result.entry.value)}`
    }
  })
  const branch = succeeded ? 'the conditions held' : 'a condition did not hold'
  return [...lines, `${branch}; version ${version}`].join('\n')
}
