import { cpSync } from 'node:fs'
import { defineConfig } from 'tsup'
import { packageBuild } from '../../tsup.base.ts'

export default defineConfig([
  packageBuild({ cli: 'src/cli.ts' }, { platform: 'node', dts: false }),
  packageBuild(
    { dashboard: 'web/main.ts' },
    {
      platform: 'browser',
      dts: false,
      clean: false,
      outDir: 'dist/web',
      minify: true,
      async onSuccess() {
        cpSync('web/index.html', 'dist/web/index.html')
        cpSync('web/style.css', 'dist/web/style.css')
      },
    },
  ),
])
