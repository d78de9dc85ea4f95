#!/usr/bin/env node
// The command, present before anything is built, so that a package manager can link it; it says
// what to do where the build is missing.
import { existsSync } from 'node:fs'

const built = new URL('../dist/cli.js', import.meta.url)
if (existsSync(built)) await import(built.href)
else {
  console.error(
    'quorate is not built yet: run "npm start" or "npm run build" at the repository\'s root',
  )
  process.exitCode = 1
}
