// The canonical bytes of a replica: everything that its future depends on and nothing else, so that
// two ways to the same situation are recognised as one.
import type { Codec, Entry } from '@quorate/core'
import { ByteWriter, encodeUtf8, entryKindByte } from '@quorate/core'
import type { Hash64 } from '../model/hash.ts'
import { emptyHash, hashBytes } from '../model/hash.ts'
import type { LogImage } from '../model/log-image.ts'
import type { ExplorableCore, ReplicaModel } from '../model/replica-model.ts'

const shared = new ByteWriter(4096)

/** The hash of a replica: core, disk, writes and messages that wait, state machine. */
export function replicaHash<M>(replica: ReplicaModel<M>, codec: Codec<M>): Hash64 {
  const writer = shared
  writer.reset()
  writeImage(writer, replica.durable)
  for (const meta of replica.finished) writer.text(meta.id)
  if (replica.core === undefined) return hashBytes(writer.view(), emptyHash)
  writer.varint(replica.pending.length)
  if (replica.pending.length > 0) writeImage(writer, replica.written)
  for (const batch of replica.pending) {
    writer.varint(batch.truncateFrom ?? 0)
    writer.varint(batch.append.length)
    for (const entry of batch.append) writeEntry(writer, entry)
    writer.bytes(batch.hardState ?? NO_BYTES)
  }
  writer.varint(replica.waitingMessages)
  replica.eachWaiting((to, message, writes) => {
    writer.varint(writes)
    writer.text(to)
    codec.write(writer, message)
  })
  writer.varint(replica.appliedIndex)
  writer.varint(replica.handedIndex)
  writer.text(replica.wish?.snapshot.id ?? '')
  ;(replica.core as ExplorableCore<M>).fingerprint(writer)
  return hashBytes(writer.view(), emptyHash)
}

/** The hash of a message under way. */
export function messageHash<M>(codec: Codec<M>, from: string, to: string, message: M): Hash64 {
  const writer = shared
  writer.reset()
  writer.text(from)
  writer.text(to)
  codec.write(writer, message)
  return hashBytes(writer.view(), emptyHash)
}

/** The hash of a text. */
export function textHash(text: string): Hash64 {
  return hashBytes(encodeUtf8(text), emptyHash)
}

const NO_BYTES = new Uint8Array(0)

function writeImage(writer: ByteWriter, image: LogImage): void {
  writer.bytes(image.hardState ?? NO_BYTES)
  writer.text(image.snapshot?.id ?? '')
  writer.varint(image.firstIndex)
  writer.varint(image.entries.length)
  for (const entry of image.entries) writeEntry(writer, entry)
}

function writeEntry(writer: ByteWriter, entry: Entry): void {
  writer.varint(entry.epoch)
  writer.uint8(entryKindByte(entry.kind))
  writer.bytes(entry.payload)
}
