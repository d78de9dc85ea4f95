// The one build configuration: every package bundles its own entry points to ESM with
// types and maps beside them, so that no two packages differ in how they are published.
import type { Options } from 'tsup'

export function packageBuild(entry: Record<string, string>, overrides: Options = {}): Options {
  return {
    entry,
    format: ['esm'],
    target: 'es2023',
    platform: 'neutral',
    dts: {
      compilerOptions: {
        ignoreDeprecations: '6.0',
        composite: false,
        rewriteRelativeImportExtensions: false,
        allowImportingTsExtensions: true,
        customConditions: [],
      },
    },
    sourcemap: true,
    splitting: true,
    treeshake: false,
    clean: true,
    ...overrides,
  }
}
