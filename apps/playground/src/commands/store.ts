// store: looks into the data of a host that does not run, and cuts it where somebody has decided to.
import type { Command } from 'commander'
import { dumpStore, repairStore, salvageStore, verifyStore } from '@quorate/storage-fs'
import type { SalvageReport } from '@quorate/storage-fs'
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
    store
      .command('repair')
      .description(
        'write anew what can be vouched for, or cut the log; the old files stay, renamed',
      ),
  )
    .argument('<directory>', "the host's data")
    .option(
      '--truncate-at <position>',
      'cut the log at a position that verify has named, instead',
      integer(0, Number.MAX_SAFE_INTEGER),
    )
    .option('--cluster <id>', "whose data it is, where no segment's header can be read")
    .option('--host <id>', 'the same of the host')
    .option('--yes', 'do it; without it only what would be kept and lost is shown')
    .addHelpText(
      'after',
      `
Entries that are lost are told to their group as faulty, which gets them from its other hosts once the host is
started again (not with --on-damage halt). Where a group is uncertain, a vote or
an acknowledged write may be lost with nobody knowing, and after a cut it is: empty the directory and start
the host with "node --rejoin" instead, unless its group has no other copy.`,
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

interface RepairOptions extends OutputOptions {
  truncateAt?: number
  cluster?: string
  host?: string
  yes?: true
}

async function repair(directory: string, options: RepairOptions): Promise<void> {
  if (options.truncateAt !== undefined) return cut(directory, options, options.truncateAt)
  const { cluster, host, yes } = options
  const report = await salvageStore(directory, { dryRun: yes !== true, cluster, host })
  printResult(options, report, () => describeSalvage(report))
  if (yes !== true) throw new CommandEnd('usage', 'nothing was changed; --yes does it')
}

function describeSalvage({ lost, groups, namelessGroups, kept }: SalvageReport): string {
  const ranges = (faulty: SalvageReport['groups'][number]['faulty']): string =>
    faulty.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`)).join(', ')
  const isWhole =
    lost.length + namelessGroups === 0 &&
    groups.every(({ faulty, uncertain }) => faulty.length === 0 && !uncertain)
  return [
    ...lost.map(({ position, bytes }) => `lost at ${position}: ${bytes} bytes`),
    ...groups.map(
      ({ id, firstIndex, lastIndex, faulty, uncertain }) =>
        `group ${id}: entries ${firstIndex} to ${lastIndex}` +
        (faulty.length === 0 ? '' : `, lost: ${ranges(faulty)}`) +
        (uncertain ? ', uncertain: more may be lost' : ''),
    ),
    ...(namelessGroups === 0 ? [] : [`${namelessGroups} groups of which too little is left`]),
    ...(isWhole ? ['nothing is lost'] : []),
    ...(kept === undefined ? [] : [`the log as it was is kept in ${kept}`]),
  ].join('\n')
}

async function cut(directory: string, options: RepairOptions, truncateAt: number): Promise<void> {
  if (options.yes !== true) {
    await verify(directory, options)
    throw new CommandEnd('usage', `nothing was changed; --yes cuts the log at ${truncateAt}`)
  }
  const report = await repairStore(directory, { truncateAt })
  printResult(
    options,
    report,
    () =>
      `the log ends at ${report.position}; ${report.removedBytes} bytes are no longer in force; kept as ${report.kept.join(', ')}`,
  )
}
