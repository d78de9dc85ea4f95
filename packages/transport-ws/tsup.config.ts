import { defineConfig } from 'tsup'
import { packageBuild } from '../../tsup.base.ts'

export default defineConfig(
  packageBuild({ index: 'src/index.ts', browser: 'src/browser.ts' }, { platform: 'node' }),
)
