import { defineConfig } from 'tsup'
import { packageBuild } from '../../tsup.base.ts'

export default defineConfig(
  packageBuild({
    index: 'src/index.ts',
    'quorum-loss': 'src/quorum-loss.ts',
    trace: 'src/trace.ts',
  }),
)
