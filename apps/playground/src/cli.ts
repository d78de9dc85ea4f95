// The `quorate` command: parses, runs one command, and ends with the exit code of what happened.
import { Command, CommanderError } from 'commander'
import { addCheck } from './commands/check.ts'
import { addClientCommands } from './commands/client.ts'
import { addDemo } from './commands/demo.ts'
import { addLeaders } from './commands/leaders.ts'
import { addLoad } from './commands/load.ts'
import { addMembers } from './commands/members.ts'
import { addMoves } from './commands/moves.ts'
import { addNode } from './commands/node.ts'
import { addSim } from './commands/sim.ts'
import { addStatus } from './commands/status.ts'
import { addStore } from './commands/store.ts'
import { addTransaction } from './commands/txn.ts'
import { addWatch } from './commands/watch.ts'
import { CommandEnd, exitCodes, exitOf } from './output/exit-codes.ts'
import { printError } from './output/report.ts'

/** What is wrong with the arguments, for a program that reads standard error. */
function errorAsJson(text: string): void {
  const message = plainly(text)
    .trim()
    .replace(/^error: /, '')
  printError({ json: true }, new CommandEnd('usage', message))
}

/** The parser's words for a bad argument are about itself. */
function plainly(text: string): string {
  return text.replace(
    /^error: command-argument value '(.*)' is invalid for argument '(.*?)'\./s,
    "error: argument '$2' cannot be '$1'.",
  )
}

function createProgram(json: boolean): Command {
  const program = new Command('quorate')
    .description('A sharded, replicated key-value store: run a cluster, use it, look at it.')
    .version('0.0.0')
    .showSuggestionAfterError()
    .enablePositionalOptions()
    .configureHelp({ sortSubcommands: true })
    .addHelpText(
      'after',
      `
Exit codes:
${Object.values(exitCodes)
  .map(([code, meaning]) => `  ${String(code).padEnd(4)} ${meaning}`)
  .join('\n')}

A cluster is found by its file in the data directory (./data), or by --connect.`,
    )
  program.commandsGroup('Run a cluster:')
  addDemo(program)
  addNode(program)
  program.commandsGroup('Use it:')
  addClientCommands(program)
  addTransaction(program)
  addWatch(program)
  addLoad(program)
  program.commandsGroup('Look after it:')
  addStatus(program)
  addMembers(program)
  addLeaders(program)
  addMoves(program)
  program.commandsGroup('Look into things:')
  addCheck(program)
  addSim(program)
  addStore(program)
  for (const command of [program, ...program.commands.flatMap((one) => [one, ...one.commands])]) {
    command.exitOverride()
    if (json) command.showHelpAfterError(false).configureOutput({ outputError: errorAsJson })
    else
      command.showHelpAfterError('(--help shows what there is)').configureOutput({
        outputError: (text, write) => write(plainly(text)),
      })
  }
  return program
}

async function main(): Promise<void> {
  const json = process.argv.includes('--json')
  const program = createProgram(json)
  // Whoever reads the output has seen enough, as `head` has: no failure, and nothing left to do.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(0)
  })
  try {
    await program.parseAsync()
  } catch (error) {
    if (error instanceof CommanderError) {
      // Help and version end a command too, with nothing wrong.
      process.exitCode = error.exitCode === 0 ? 0 : exitCodes.usage[0]
      return
    }
    printError({ json, debug: process.argv.includes('--debug') }, error)
    process.exitCode = exitCodes[exitOf(error)][0]
  } finally {
    // A parent's channel would keep a process alive that has nothing left to do.
    if (process.connected) process.disconnect()
  }
}

await main()
