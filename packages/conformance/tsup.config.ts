import { defineConfig } from 'tsup'
import { packageBuild } from '../../tsup.base.ts'

export default defineConfig(
  packageBuild({
    index: 'src/index.ts',
    storage: 'src/storage/index.ts',
    transport: 'src/transport/index.ts',
    consensus: 'src/consensus/index.ts',
    partitioner: 'src/partitioner/index.ts',
  }),
)
