// A shard's state machine driven directly, as its log would: commands with indices, decoded results.
import { encodeUtf8 } from '@quorate/core'
import { encodeCommand } from '../../src/machine/command.ts'
import type { Comparison, Op } from '../../src/machine/command.ts'
import { decodeAnswer, encodeQuery } from '../../src/machine/query.ts'
import type { FoundEntry, KvAnswer, KvQuery } from '../../src/machine/query.ts'
import { decodeResult } from '../../src/machine/result.ts'
import type { KvResult } from '../../src/machine/result.ts'
import { shardMachine } from '../../src/machine/shard-machine.ts'
import type { ShardMachine } from '../../src/machine/shard-machine.ts'

export const bytes = (text: string): Uint8Array => encodeUtf8(text)

export const put = (key: string, value: string, ttlMs = 0): Op => ({
  type: 'put',
  key: bytes(key),
  value: bytes(value),
  ttlMs,
})
export const remove = (key: string): Op => ({ type: 'delete', key: bytes(key) })
export const read = (key: string): Op => ({ type: 'get', key: bytes(key) })
export const add = (key: string, by: number): Op => ({ type: 'increment', key: bytes(key), by })

/** The log of one shard, with one state machine at its end. */
export class Log {
  machine: ShardMachine
  readonly payloads: Uint8Array[] = []
  timeMs = 1_000
  epoch = 1

  constructor(machine: ShardMachine = shardMachine({ shard: 0 })) {
    this.machine = machine
  }

  /** Appends and applies bytes. */
  raw(payload: Uint8Array): Uint8Array {
    this.payloads.push(payload)
    const index = this.payloads.length
    return this.machine.apply([{ index, payload }])[0] as Uint8Array
  }

  open(): number {
    const { timeMs, epoch } = this
    const result = decodeResult(this.raw(encodeCommand({ type: 'open', shard: 0, epoch, timeMs })))
    if (!result.ok) throw new Error(result.message)
    return result.revision
  }

  tick(timeMs: number): void {
    this.timeMs = timeMs
    this.raw(encodeCommand({ type: 'tick', shard: 0, epoch: this.epoch, timeMs }))
  }

  command(
    session: number,
    seq: number,
    success: readonly Op[],
    rest: { comparisons?: readonly Comparison[]; failure?: readonly Op[]; floor?: number } = {},
  ): Uint8Array {
    const { comparisons = [], failure = [], floor = seq } = rest
    const { timeMs, epoch } = this
    const header = { shard: 0, epoch, timeMs }
    return encodeCommand({
      type: 'transaction',
      ...header,
      session,
      seq,
      floor,
      comparisons,
      success,
      failure,
    })
  }

  run(...args: Parameters<Log['command']>): KvResult {
    return decodeResult(this.raw(this.command(...args)))
  }

  query<Type extends KvQuery['type']>(
    query: KvQuery & { type: Type },
  ): KvAnswer & { readonly type: Type } {
    const answer = decodeAnswer(this.machine.query(encodeQuery(query)) as Uint8Array)
    return answer as KvAnswer & { readonly type: Type }
  }

  /** Every entry, in order. */
  all(): readonly FoundEntry[] {
    return this.query({ type: 'range', ...EVERYTHING }).entries
  }
}

export const EVERYTHING = {
  start: new Uint8Array(0),
  end: new Uint8Array(0),
  reverse: false,
  keysOnly: false,
  limit: 4_096,
  bytesMax: 1_048_576,
}

/** All bytes of a snapshot. */
export async function snapshotBytes(machine: ShardMachine): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of machine.snapshot()) chunks.push(chunk)
  return Uint8Array.from(chunks.flatMap((chunk) => [...chunk]))
}

/** Bytes in chunks of a size. */
export async function* inChunks(all: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < all.length; at += size) yield all.subarray(at, at + size)
}
