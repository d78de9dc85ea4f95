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

/** Adds a host that has joined to the file, where there is one. */
export async function addToClusterFile(
  data: string,
  host: ClusterFile['hosts'][number],
): Promise<void> {
  const file = await readClusterFile(data)
  if (file === undefined) return
  const others = file.hosts.filter(({ id }) => id !== host.id)
  await writeClusterFile(data, { ...file, hosts: [...others, host] })
}

/** Takes a host that has left out of the file, where there is one. */
export async function removeFromClusterFile(data: string, id: string): Promise<void> {
  const file = await readClusterFile(data)
  const hosts = file?.hosts.filter((host) => host.id !== id) ?? []
  if (file !== undefined && hosts.length > 0) await writeClusterFile(data, { ...file, hosts })
}

/**
 * Reads the file; `undefined` where there is none.
 *
 * @throws CommandEnd `config` where it cannot be read
 */
export async function readClusterFile(data: string): Promise<ClusterFile | undefined> {
  let text: string
  try {
    text = await readFile(pathOf(data), 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new CommandEnd('config', `${pathOf(data)} cannot be read: ${code}`)
  }
  try {
    const file = JSON.parse(text) as Partial<ClusterFile>
    const { cluster, layout, hosts } = file
    const fits =
      typeof cluster === 'string' &&
      typeof layout === 'string' &&
      Array.isArray(hosts) &&
      hosts.length > 0 &&
      hosts.every(({ id, client }) => typeof id === 'string' && isClientAddress(client))
    if (fits) return { cluster, layout, hosts }
  } catch {
    // Told below, as for JSON of another shape.
  }
  throw new CommandEnd(
    'config',
    `${pathOf(data)} is damaged: remove it, and start the cluster again to have it written anew`,
  )
}

function isClientAddress(value: unknown): boolean {
  return typeof value === 'string' && /^wss?:\/\/./.test(value) && URL.canParse(value)
}

/** An address without a path is that of a host, which takes clients in one place only. */
function withPath(address: string): string {
  const url = new URL(address)
  return url.pathname === '/' ? new URL('/client', url).href : address
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
    const bad = addresses.find((address) => !isClientAddress(address))
    if (addresses.length === 0 || bad !== undefined) {
      throw new CommandEnd(
        'usage',
        `--connect takes addresses such as ws://127.0.0.1:7401/client, separated by commas`,
      )
    }
    return addresses.map(withPath)
  }
  const file = await readClusterFile(data)
  if (file === undefined) {
    throw new CommandEnd(
      'unavailable',
      `no cluster is known in ${resolve(data)}: run "npm start", or name one by --connect`,
    )
  }
  return file.hosts.map((host) => host.client)
}
