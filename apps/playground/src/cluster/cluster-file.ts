// Where a cluster that runs on this machine can be found: a small file in its data directory, so
// that commands need no option.
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { CommandEnd } from '../output/exit-codes.ts'

/** The data directory where none is given. */
export const DEFAULT_DATA = 'data'

/** What the file says. */
export interface ClusterFile {
  /** The cluster's id. */
  readonly cluster: string
  /** The options that cannot change while the data stays. */
  readonly layout: string
  /** The hosts' ids, and the addresses at which they take clients. */
  readonly hosts: readonly { readonly id: string; readonly client: string }[]
}

function pathOf(data: string): string {
  return join(resolve(data), 'cluster.json')
}

/** Writes the file, all of it or nothing. */
export async function writeClusterFile(data: string, file: ClusterFile): Promise<void> {
  await mkdir(data, { recursive: true, mode: 0o700 })
  const temporary = `${pathOf(data)}.tmp`
  await writeFile(temporary, `${JSON.stringify(file, null, 2)}\n`, { mode: 0o600 })
  await rename(temporary, pathOf(data))
}

/** The addresses of a cluster: those given, or those in the data directory's file. */
export async function clientAddresses(
  connect: string | undefined,
  data: string,
): Promise<readonly string[]> {
  if (connect !== undefined) {
    const addresses = connect
      .split(',')
      .map((address) => address.trim())
      .filter((address) => address !== '')
    const bad = addresses.find((address) => !/^wss?:\/\/./.test(address))
    if (addresses.length === 0 || bad !== undefined) {
      throw new CommandEnd(
        'usage',
        `--connect takes addresses such as ws://127.0.0.1:7401/client, separated by commas`,
      )
    }
    return addresses
  }
  let text: string
  try {
    text = await readFile(pathOf(data), 'utf8')
  } catch {
    throw new CommandEnd(
      'unavailable',
      `no cluster is known in ${resolve(data)}: run "npm start", or name one by --connect`,
    )
  }
  const file = JSON.parse(text) as ClusterFile
  return file.hosts.map((host) => host.client)
}
