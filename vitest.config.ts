// One vitest run over every package; workspace imports resolve to `src`, so tests need no build.
import { defineConfig } from 'vitest/config'

const mutant = process.env.QUORATE_MUTANT

export default defineConfig({
  // With QUORATE_MUTANT a bug is in the sources that the tests have to find.
  plugins:
    mutant === undefined
      ? []
      : [
          import('./tests/mutations/src/plugin.mjs').then(({ mutantPlugin }) =>
            mutantPlugin(mutant),
          ),
        ],
  resolve: { conditions: ['@quorate/source'] },
  ssr: { resolve: { conditions: ['@quorate/source'] } },
  test: {
    include: [
      'packages/*/test/**/*.test.ts',
      'apps/*/test/**/*.test.ts',
      'tests/*/test/**/*.test.ts',
      'scripts/test/**/*.test.ts',
    ],
    // Many tests wait for processes and disks: a core that is held back would idle.
    maxWorkers: '100%',
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
