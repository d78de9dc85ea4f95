// Commands from a body that has been written already: a retry changes the header alone, so the
// body is encoded once however often it is sent.
import { ByteWriter } from '@quorate/core'
import { encodeCommand, writeCommandHeader, writeTransaction } from './command.ts'
import type { CommandHeader, SessionStep, TransactionBody } from './command.ts'

const writer = new ByteWriter(4096)

/** A transaction that is sent, perhaps several times. */
export interface SentTransaction {
  /** Fixes the bytes of the body, since its owner may change them from now on. */
  capture(): void
  /** The bytes of the command. */
  encode(header: CommandHeader, step: SessionStep): Uint8Array
}

/** Prepares a transaction to be sent. */
export function sentTransaction(body: TransactionBody): SentTransaction {
  let content: Uint8Array | undefined
  return {
    capture() {
      if (content !== undefined) return
      writer.reset()
      writeTransaction(writer, body)
      content = writer.finish()
    },
    encode(header, step) {
      writer.reset()
      writeCommandHeader(writer, 'transaction', header)
      writer.varint(step.session)
      writer.varint(step.seq)
      writer.varint(step.seq - step.floor)
      if (content !== undefined) {
        writer.raw(content)
        return writer.finish()
      }
      // The first attempt is encoded in one go; what follows takes the body from it.
      const at = writer.length
      writeTransaction(writer, body)
      const payload = writer.finish()
      content = payload.subarray(at)
      return payload
    },
  }
}

/** The bytes of a command that opens a session. */
export function encodeOpen(header: CommandHeader): Uint8Array {
  return encodeCommand({ type: 'open', ...header })
}
