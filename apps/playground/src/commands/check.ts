// check: whether a recorded history is linearizable; exit codes 0, 1 and 2 are the verdict.
import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { Option } from 'commander'
import type { HistoryFormat, ModelName } from '@quorate/linearizability'
import { checkText, modelNames } from '@quorate/linearizability'
import { CommandEnd } from '../output/exit-codes.ts'
import type { OutputOptions } from '../output/report.ts'
import { printResult, writePicture } from '../output/report.ts'
import { integer, withOutput } from './options.ts'

interface CheckCommandOptions extends OutputOptions {
  readonly model?: ModelName
  readonly format?: HistoryFormat
  readonly picture?: string
  readonly shrink?: true
  readonly steps: number
}

/** Adds the command. */
export function addCheck(program: Command): void {
  withOutput(
    program
      .command('check')
      .description(
        'whether a recorded history is linearizable: exit code 0 yes, 1 no, 2 not decided',
      ),
  )
    .argument('<file>', 'the history')
    .addOption(
      new Option(
        '--model <name>',
        'what the object promises; default: the one that the file names',
      ).choices([...modelNames]),
    )
    .addOption(
      new Option('--format <format>', 'the form of the file; default: by its first line').choices([
        'ndjson',
        'edn',
        'jepsen',
      ]),
    )
    .option(
      '--picture <file>',
      'write a page with the longest linearizable prefix and the impossible step',
    )
    .option('--shrink', 'make an illegal history as small as it can be')
    .option(
      '--steps <count>',
      'give up after so many steps',
      integer(1, Number.MAX_SAFE_INTEGER),
      50_000_000,
    )
    .action(async (file: string, options: CheckCommandOptions) => {
      const text = await readFile(file, 'utf8').catch((cause: unknown) => {
        throw new CommandEnd(
          'usage',
          `${file} cannot be read: ${(cause as NodeJS.ErrnoException).code}`,
        )
      })
      const report = checkText(text, {
        model: options.model,
        format: options.format,
        title: file,
        html: options.picture !== undefined,
        shrink: options.shrink,
        maxSteps: options.steps,
      })
      if (options.picture !== undefined && report.html !== undefined)
        await writePicture(options.picture, report.html)
      const verdict = report.result?.verdict ?? 'Unknown'
      printResult(
        options,
        { verdict, exitCode: report.exitCode, summary: report.summary },
        () => report.summary,
      )
      process.exitCode = report.exitCode
    })
}
