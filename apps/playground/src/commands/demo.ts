// demo: a whole cluster on this machine, one process for each host, until ctrl-C.
import { readdir, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { choose, consensusChoices, storageChoices } from '../choices.ts'
import type { ClusterFile } from '../cluster/cluster-file.ts'
import { DEFAULT_DATA, readClusterFile, writeClusterFile } from '../cluster/cluster-file.ts'
import { checkPorts, planHosts, startLocalCluster } from '../cluster/local-cluster.ts'
import { CommandEnd } from '../output/exit-codes.ts'
import { counted, printResult } from '../output/report.ts'
import { untilStopped } from '../server/until-stopped.ts'
import type { ClusterOptions } from './node.ts'
import { withCluster } from './node.ts'
import { integer } from './options.ts'

interface DemoOptions extends ClusterOptions {
  readonly nodes: number
  readonly port: number
}

/** Adds the command. */
export function addDemo(program: Command): void {
  withCluster(
    program.command('demo').description('run a cluster of several processes on this machine'),
  )
    .option('--nodes <count>', 'hosts', integer(1, 26), 3)
    .option(
      '--port <port>',
      'the first client port; hosts talk to each other 100 above',
      integer(1_024, 65_000),
      7_401,
    )
    .action(async (given: DemoOptions) => {
      const options = {
        ...given,
        data: resolve(given.data),
        replicas: Math.min(given.replicas, given.nodes),
      }
      const stopped = untilStopped()
      choose(consensusChoices, options.consensus, '--consensus')
      choose(storageChoices, options.storage, '--storage')
      const joined = await checkLayout(options)
      const hosts = planHosts(options.nodes, options.port)
      await checkPorts(hosts, options.bind)
      const report = (line: string): void => void process.stderr.write(`${line}\n`)
      const cluster = await startLocalCluster(
        fileURLToPath(import.meta.url),
        hosts,
        options,
        report,
      )
      try {
        await writeClusterFile(options.data, {
          cluster: options.cluster,
          layout: layoutOf(options),
          hosts: [
            ...hosts.map(({ id }, at) => ({ id, client: cluster.ready[at]?.clientAddress ?? '' })),
            ...joined,
          ],
        })
        const dashboard = cluster.ready[0]?.dashboard ?? ''
        printResult(options, { dashboard, data: options.data, hosts: cluster.ready }, () =>
          introduction(options, dashboard),
        )
        await stopped
      } finally {
        await cluster.stop()
      }
    })
}

const KEEPS_NOTHING = '--storage memory'

/** What cannot change once a data directory holds a cluster. */
function layoutOf(options: DemoOptions): string {
  const { nodes, shards, replicas, consensus, storage } = options
  return `--nodes ${nodes} --shards ${shards} --replicas ${replicas} --consensus ${consensus} --storage ${storage}`
}

/** The hosts that have joined the cluster in the data directory since it was made. */
async function checkLayout(options: DemoOptions): Promise<ClusterFile['hosts']> {
  const file = await readClusterFile(options.data)
  if (file === undefined) return []
  if (file.layout.endsWith(KEEPS_NOTHING)) {
    // Addresses of a cluster whose data went with it lead nowhere.
    const names = (await readdir(options.data)).filter((name) => name.endsWith('.hosts.json'))
    await Promise.all(names.map((name) => rm(join(options.data, name))))
    if (file.layout !== layoutOf(options)) {
      process.stderr.write(`the cluster with ${file.layout} kept nothing: this is a new one\n`)
    }
    return []
  }
  if (file.layout !== layoutOf(options)) {
    throw new CommandEnd(
      'config',
      `${options.data} holds a cluster made with ${file.layout}: start it with these, or choose another --data`,
    )
  }
  const own = new Set(planHosts(options.nodes, options.port).map(({ id }) => id))
  return file.hosts.filter(({ id }) => !own.has(id))
}

function introduction(options: DemoOptions, dashboard: string): string {
  const data = options.data === resolve(DEFAULT_DATA) ? '' : ` --data ${options.data}`
  const stays = options.storage === 'memory' ? 'the data goes with it' : 'the data stays'
  const { nodes, shards, replicas } = options
  return `quorate: ${counted(nodes, 'host')}, ${counted(shards, 'shard')} of ${counted(replicas, 'replica')} each, ${options.consensus} over ${options.storage}

  dashboard   ${dashboard}
  data        ${options.data}

  try         npx quorate put greeting hello${data}
              npx quorate get greeting${data}
              npx quorate load --sample cities${data}

  ctrl-C stops all of it; ${stays}.
`
}
