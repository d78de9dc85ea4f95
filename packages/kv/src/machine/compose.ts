// Commands from a body that has been written already: a retry changes the header alone, so the
// body is encoded once however often it is sent.
import { ByteWriter } from '@quorate/core'
import { encodeCommand, writeCommandHeader } from './command.ts'
import type { CommandHeader, SessionStep } from './command.ts'

const writer = new ByteWriter(4096)

/** The bytes of a transaction whose body stands in `body`. */
export function encodeTransaction(
  header: CommandHeader,
  step: SessionStep,
  body: Uint8Array,
): Uint8Array {
  writer.reset()
  writeCommandHeader(writer, 'transaction', header)
  writer.varint(step.session)
  writer.varint(step.seq)
  writer.varint(step.seq - step.floor)
  writer.raw(body)
  return writer.finish()
}

/** The bytes of a command that opens a session. */
export function encodeOpen(header: CommandHeader): Uint8Array {
  return encodeCommand({ type: 'open', ...header })
}
