// One process for each directory. The kernel holds the lock, so that it goes with the process
// however that ends; the text in the file is for people.
import { spawnSync } from 'node:child_process'
import { closeSync, ftruncateSync, openSync, readFileSync, statSync, writeSync } from 'node:fs'
import { createServer } from 'node:net'
import type { Server } from 'node:net'
import { join } from 'node:path'
import type { Unlock } from './fs.ts'

/**
 * Locks a file for this process. With `flock` where the system has it: the lock belongs to the
 * open file, which this process keeps after the helper has ended. Otherwise with a socket whose
 * name only one process can hold.
 */
export async function lockFile(path: string): Promise<Unlock | undefined> {
  const fd = openSync(path, 'a+', 0o600)
  const held = flock(fd)
  if (held === 'locked-by-another') {
    closeSync(fd)
    return undefined
  }
  const server = held === 'locked' ? undefined : await holdSocket(path)
  if (server === 'in-use') {
    closeSync(fd)
    return undefined
  }
  ftruncateSync(fd, 0)
  writeSync(fd, `pid ${process.pid}\nboot ${bootId()}\n`)
  return () => {
    server?.close()
    closeSync(fd)
  }
}

function flock(fd: number): 'locked' | 'locked-by-another' | 'no-flock' {
  if (process.platform === 'win32') return 'no-flock'
  const stdio = ['ignore', 'ignore', 'ignore', fd] as const
  const { status, error } = spawnSync('flock', ['-n', '3'], { stdio: [...stdio] })
  if (error !== undefined || status === null) return 'no-flock'
  if (status === 0) return 'locked'
  return status === 1 ? 'locked-by-another' : 'no-flock'
}

/** Listens on a name made from the file's identity; the system frees it when the process ends. */
function holdSocket(path: string): Promise<Server | 'in-use'> {
  const { dev, ino } = statSync(path, { bigint: true })
  const name = `quorate-${dev}-${ino}`
  const address = socketAddress(path, name)
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy())
    server.unref()
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve('in-use')
      else reject(error)
    })
    server.listen(address, () => resolve(server))
  })
}

function socketAddress(path: string, name: string): string {
  if (process.platform === 'linux') return `\0${name}`
  if (process.platform === 'win32') return join('\\\\.\\pipe', name)
  return `${path}.socket`
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return 'unknown'
  }
}
