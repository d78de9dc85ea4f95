// A closed loop of clients, each with one durable put under way, and the distribution of how long
// each took: the same loop for every store that is measured.

/** Puts one key. */
export type Put = (key: string, value: Uint8Array) => Promise<unknown>

/** What a run of the loop gave. */
export interface LoopResult {
  /** Clients. */
  readonly clients: number
  /** Acknowledged puts a second. */
  readonly perSecond: number
  /** Milliseconds that half of the puts stayed below. */
  readonly p50Ms: number
  /** Milliseconds that 99 of 100 puts stayed below. */
  readonly p99Ms: number
}

/** Runs `clients` loops for `seconds`, after a warm-up of a quarter of that which is not counted. */
export async function closedLoop(
  put: Put,
  options: {
    readonly clients: number
    readonly seconds: number
    readonly valueBytes: number
    readonly label: string
  },
): Promise<LoopResult> {
  const { clients, seconds, valueBytes, label } = options
  const value = new Uint8Array(valueBytes).fill(0x61)
  const started = performance.now()
  const countFrom = started + seconds * 250
  const end = countFrom + seconds * 1_000
  const latencies: number[] = []
  const client = async (number: number): Promise<void> => {
    for (let count = 0; ; count++) {
      const before = performance.now()
      if (before >= end) return
      await put(`bench/${label}/${number}/${count % 1_000}`, value)
      const after = performance.now()
      if (before >= countFrom && after <= end) latencies.push(after - before)
    }
  }
  await Promise.all(Array.from({ length: clients }, (_, number) => client(number)))
  latencies.sort((a, b) => a - b)
  const at = (share: number): number =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? Number.NaN
  return { clients, perSecond: latencies.length / seconds, p50Ms: at(0.5), p99Ms: at(0.99) }
}
