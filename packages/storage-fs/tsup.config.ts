import { defineConfig } from 'tsup'
import { packageBuild } from '../../tsup.base.ts'

const build = packageBuild(
  { index: 'src/index.ts', 'writer-thread': 'src/writer-thread.js' },
  { platform: 'node' },
)
const types = typeof build.dts === 'object' ? build.dts : {}

// The thread's file is started by its address and imported by nobody: it has no types.
export default defineConfig({ ...build, dts: { ...types, entry: { index: 'src/index.ts' } } })
