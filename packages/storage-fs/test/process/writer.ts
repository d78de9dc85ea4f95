// The process that the tests kill: writes entries one after the other, and prints the index of
// each once it is acknowledged. What a full disk refuses it writes again.
import { writeSync } from 'node:fs'
import { isQuorateError, noMetrics, silentLogger, systemClock } from '@quorate/core'
import { fsStorage } from '@quorate/storage-fs'

const [directory = '', count = '0'] = process.argv.slice(2)
const say = (line: string): void => void writeSync(1, `${line}\n`)

async function main(): Promise<void> {
  const storage = fsStorage(directory, { segmentBytes: 32_768, ringBytes: 65_536 })
  const clock = systemClock()
  await storage.open({ cluster: 'c', host: 'a', clock, logger: silentLogger, metrics: noMetrics })
  const log = storage.group('g', { name: 'test', format: 1 })
  const { lastIndex } = await log.load()
  for (let seq = 1; seq <= Number(count); seq++) {
    const index = lastIndex + seq
    const payload = new Uint8Array(1000).fill(index)
    const hardState = index % 5 === 0 ? Uint8Array.of(index & 0xff) : undefined
    const append = [{ index, epoch: 1, kind: 'command' as const, payload }]
    while (!(await isWritten(log.write({ seq, append, hardState })))) say('full')
    say(String(index))
  }
  await storage.close()
  say('closed')
}

function isWritten(write: Promise<void>): Promise<boolean> {
  return write.then(
    () => true,
    (error: unknown) => {
      if (isQuorateError(error, 'NO_SPACE')) return false
      throw error
    },
  )
}

main().catch((error: unknown) => {
  say(isQuorateError(error) ? error.code : String(error))
  // Its storage is still open, and would keep the process alive.
  process.exit(74)
})
