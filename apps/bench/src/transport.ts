// Messages and bytes per second through transport-ws, beside a bare WebSocket and a bare TCP socket:
// one process, every round each contender once, in an order that rotates.
import { median, record, round } from './record.ts'
import { bareTcpPipe, bareWebSocketPipe, transportPipe, type Pipe } from './transport-peers.ts'

const ROUNDS = Number(process.env['ROUNDS'] ?? 7)
const ROUND_MS = 400

/** One kind of traffic. */
interface Load {
  readonly name: string
  readonly bytes: number
  /** Messages handed over in one turn of the event loop. */
  readonly perTurn: number
  /** Messages on their way before the sender waits. */
  readonly windowMessages: number
}

const LOADS: readonly Load[] = [
  { name: '256 bytes', bytes: 256, perTurn: 64, windowMessages: 16_384 },
  { name: '64 KiB', bytes: 65_536, perTurn: 8, windowMessages: 128 },
]

/** What one round of one contender gave. */
interface Sample {
  readonly perSecond: number
  /** Per second of processor time of both ends together: what other work on the machine does not change. */
  readonly perCpuSecond: number
}

async function flow(pipe: Pipe, load: Load, durationMs: number): Promise<Sample> {
  let sent = 0
  let arrived = 0
  pipe.onArrival = (bytes) => {
    if (bytes !== load.bytes) throw new Error(`a message of ${bytes} bytes arrived`)
    arrived++
  }
  const cpu = process.cpuUsage()
  const startMs = performance.now()
  while (performance.now() - startMs < durationMs) {
    for (let count = 0; count < load.perTurn && sent - arrived < load.windowMessages; count++) {
      pipe.send(new Uint8Array(load.bytes))
      sent++
    }
    await new Promise<void>((resolve) => setImmediate(resolve))
  }
  while (arrived < sent) await new Promise<void>((resolve) => setImmediate(resolve))
  const seconds = (performance.now() - startMs) / 1_000
  const { user, system } = process.cpuUsage(cpu)
  return { perSecond: arrived / seconds, perCpuSecond: (arrived / (user + system)) * 1e6 }
}

async function measure(load: Load): Promise<Record<string, unknown>> {
  const makers = [transportPipe, bareWebSocketPipe, bareTcpPipe]
  const pipes = await Promise.all(makers.map((make) => make()))
  const samples = new Map(pipes.map(({ name }) => [name, [] as Sample[]]))
  for (const pipe of pipes) await flow(pipe, load, ROUND_MS)
  for (let turn = 0; turn < ROUNDS; turn++) {
    for (let at = 0; at < pipes.length; at++) {
      const pipe = pipes[(at + turn) % pipes.length]!
      samples.get(pipe.name)!.push(await flow(pipe, load, ROUND_MS))
    }
  }
  await Promise.all(pipes.map((pipe) => pipe.close()))
  const middle = (name: string, of: keyof Sample): number =>
    median(samples.get(name)!.map((sample) => sample[of]))
  const times = (peer: string, of: keyof Sample): number =>
    round(
      median(
        samples.get('transport-ws')!.map((ours, at) => ours[of] / samples.get(peer)![at]![of]),
      ),
    )
  const result: Record<string, unknown> = {}
  for (const { name } of pipes) {
    const perSecond = middle(name, 'perSecond')
    const megabytes = round((perSecond * load.bytes) / 1e6)
    const perCpuSecond = Math.round(middle(name, 'perCpuSecond'))
    const row = {
      messagesPerSecond: Math.round(perSecond),
      megabytesPerSecond: megabytes,
      perCpuSecond,
    }
    result[name] =
      name === 'transport-ws'
        ? row
        : { ...row, oursByTime: times(name, 'perSecond'), oursByCpu: times(name, 'perCpuSecond') }
    console.log(load.name.padEnd(10), name.padEnd(14), JSON.stringify(result[name]))
  }
  return result
}

const results: Record<string, unknown> = {}
for (const load of LOADS) results[load.name] = await measure(load)
record('transport', results)
