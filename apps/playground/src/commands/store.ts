// store: looks into the data of a host that does not run, and cuts it where somebody has decided to.
import type { Command } from 'commander'
import { dumpStore, repairStore, verifyStore } from '@quorate/storage-fs'
import { CommandEnd } from '../output/exit-codes.ts'
import type { OutputOptions } from '../output/report.ts'
import { printResult } from '../output/report.ts'
import { integer, withOutput } from './options.ts'

/** Adds the commands. */
export function addStore(program: Command): void {
  const store = program
    .command('store')
    .description('look into the data of a host that does not run')
  withOutput(
    store.command('verify').description('check every byte; exit code 9 where something is damaged'),
  )
    .argument('<directory>', "the host's data, such as data/a")
    .action(verify)
  withOutput(store.command('dump').description('print every record, one JSON document a line'))
    .argument('<directory>', "the host's data")
    .action((directory: string) =>
      dumpStore(directory, (record) => void process.stdout.write(`${JSON.stringify(record)}\n`)),
    )
  withOutput(
    store.command('repair').description('cut the log at a position; the files stay, renamed'),
  )
    .argument('<directory>', "the host's data")
    .requiredOption(
      '--truncate-at <position>',
      'a position that verify has named',
      integer(0, Number.MAX_SAFE_INTEGER),
    )
    .option('--yes', 'do it; without it only what is there is shown')
    .addHelpText(
      'after',
      `
What stood at the position and after is lost to this host, a vote or an acknowledged write among it. Start
it with "node --rejoin" afterwards, on an emptied directory, unless its group has no other copy.`,
    )
    .action(repair)
}

async function verify(directory: string, options: OutputOptions): Promise<void> {
  const report = await verifyStore(directory)
  printResult(options, report, () =>
    [
      `cluster ${report.cluster ?? 'unknown'}, host ${report.host ?? 'unknown'}: ${report.segments} segments, ${report.bytes} bytes, ${report.groups.length} groups`,
      ...report.findings.map(
        ({ kind, message, position }) =>
          `${kind}${position === undefined ? '' : ` at ${position}`}: ${message}`,
      ),
    ].join('\n'),
  )
  if (report.findings.some(({ kind }) => kind === 'damage'))
    throw new CommandEnd('corrupt', 'the store is damaged')
}

async function repair(
  directory: string,
  options: OutputOptions & { truncateAt: number; yes?: true },
): Promise<void> {
  if (options.yes !== true) {
    await verify(directory, options)
    throw new CommandEnd(
      'usage',
      `nothing was changed; --yes cuts the log at ${options.truncateAt}`,
    )
  }
  const report = await repairStore(directory, { truncateAt: options.truncateAt })
  printResult(
    options,
    report,
    () =>
      `the log ends at ${report.position}; ${report.removedBytes} bytes are no longer in force; kept as ${report.kept.join(', ')}`,
  )
}
