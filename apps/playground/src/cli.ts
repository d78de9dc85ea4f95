// The `quorate` command: parses, runs one command, and ends with the exit code of what happened.
import { Command, CommanderError } from 'commander'
import { addCheck } from './commands/check.ts'
import { addClientCommands } from './commands/client.ts'
import { addDemo } from './commands/demo.ts'
import { addLoad } from './commands/load.ts'
import { addNode } from './commands/node.ts'
import { addSim } from './commands/sim.ts'
import { addStatus } from './commands/status.ts'
import { addStore } from './commands/store.ts'
import { exitCodes, exitOf } from './output/exit-codes.ts'
import { printError } from './output/report.ts'

function createProgram(): Command {
  const program = new Command('quorate')
    .description('A sharded, replicated key-value store: run a cluster, use it, look at it.')
    .version('0.0.0')
    .showHelpAfterError('(--help shows what there is)')
    .showSuggestionAfterError()
    .configureHelp({ sortSubcommands: true })
    .exitOverride()
    .addHelpText(
      'after',
      `
Exit codes:
${Object.values(exitCodes)
  .map(([code, meaning]) => `  ${String(code).padEnd(4)} ${meaning}`)
  .join('\n')}

A cluster is found by its file in the data directory (./data), or by --connect.`,
    )
  addDemo(program)
  addNode(program)
  addClientCommands(program)
  addLoad(program)
  addStatus(program)
  addCheck(program)
  addSim(program)
  addStore(program)
  for (const command of program.commands.flatMap((one) => [one, ...one.commands])) {
    command.exitOverride().showHelpAfterError('(--help shows what there is)')
  }
  return program
}

async function main(): Promise<void> {
  const program = createProgram()
  try {
    await program.parseAsync()
  } catch (error) {
    if (error instanceof CommanderError) {
      // Help and version end a command too, with nothing wrong.
      process.exitCode = error.exitCode === 0 ? 0 : exitCodes.usage[0]
      return
    }
    const json = process.argv.includes('--json')
    printError({ json, debug: process.argv.includes('--debug') }, error)
    process.exitCode = exitCodes[exitOf(error)][0]
  } finally {
    // A parent's channel would keep a process alive that has nothing left to do.
    if (process.connected) process.disconnect()
  }
}

await main()
