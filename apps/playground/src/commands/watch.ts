// watch: changes as they happen, one line each, until ctrl-C; and from where to go on.
import type { Command } from 'commander'
import type { KvClient, KvEvent } from '@quorate/kv'
import { CommandEnd } from '../output/exit-codes.ts'
import { bytesAsJson, shown, writeLine } from '../output/report.ts'
import { untilInterrupted } from '../server/until-stopped.ts'
import type { ClientOptions } from './options.ts'
import { integer, withClient, withConnection } from './options.ts'

interface WatchCommandOptions extends ClientOptions {
  readonly from?: string
  readonly count?: number
}

/** Adds the command. */
export function addWatch(program: Command): void {
  withClient(program.command('watch').description('print changes as they happen, until ctrl-C'))
    .argument('[prefix]', 'only keys that begin with it', '')
    .option(
      '--from <revision>',
      'go on after this one; every line of --json names its revision, and ctrl-C tells the last',
      parseRevision,
    )
    .option('--count <count>', 'end after so many changes', integer(1, Number.MAX_SAFE_INTEGER))
    .addHelpText(
      'after',
      `
Changes of one key, and of one shard, come in the order in which they happened; none is shown twice or
left out. Exit code 10, and COMPACTED, where the changes after --from are no longer held: read the keys
again by scan, and watch from now. With --json the first line is {"revision": …}: where the watch began.`,
    )
    .action((prefix: string, options: WatchCommandOptions) =>
      withConnection(options, (client) => watch(client, prefix, options)),
    )
}

async function watch(
  client: KvClient,
  prefix: string,
  options: WatchCommandOptions,
): Promise<void> {
  const interrupted = untilInterrupted()
  const json = options.json === true
  let last: string | undefined
  let seen = 0
  try {
    const events = client.watch({
      ...(prefix === '' ? {} : { prefix }),
      after: options.from,
      signal: interrupted.signal,
      onStart(revision) {
        last = revision
        if (json) process.stdout.write(`${JSON.stringify({ revision })}\n`)
        else
          process.stderr.write(`watching ${prefix === '' ? 'every key' : prefix}; ctrl-C ends it\n`)
      },
    })
    for await (const event of events) {
      last = event.token ?? last
      await writeLine(json ? JSON.stringify(asJson(event)) : asText(event))
      if (++seen === options.count) break
    }
  } finally {
    interrupted.forget()
  }
  if (!json && last !== undefined) process.stderr.write(`go on by --from ${last}\n`)
}

function asJson({ type, key, value, version, shard, token }: KvEvent): object {
  const changed = value === undefined ? {} : { value: bytesAsJson(value) }
  return { type, key: bytesAsJson(key), ...changed, version, shard, revision: token }
}

function asText({ type, key, value }: KvEvent): string {
  return value === undefined ? `${type}\t${shown(key)}` : `${type}\t${shown(key)}\t${shown(value)}`
}

function parseRevision(text: string): string {
  if (/^([0-9a-f]{2})+$/.test(text)) return text
  throw new CommandEnd('usage', '--from takes a revision that watch has told, such as 0103000102')
}
