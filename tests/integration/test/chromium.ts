// Whether this machine has the browser that tests use.
import { execFileSync } from 'node:child_process'

/** Whether `chromium` can be started. */
export function hasChromium(): boolean {
  try {
    execFileSync('chromium', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
