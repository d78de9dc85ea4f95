// Runs the repository's own rules over the repository, after showing that each of them objects
// to a sample that breaks it.
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { check, describeProblem, fileRules, readFiles, readPackages } from '../tidy.ts'
import {
  changesetProblems,
  cycleProblems,
  dependencyProblems,
  exportsProblems,
  manifestProblems,
  readmeProblems,
  versionProblems,
  type Manifest,
  type PackageFolder,
} from '../tidy/manifest.ts'
import { lineCount } from '../tidy/shape.ts'
import { samples } from './tidy-samples.ts'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const engines = '>=20.19'

const good: Manifest = {
  name: '@quorate/raft',
  version: '1.0.0',
  description: 'A package of the kind that the rules want',
  type: 'module',
  license: 'Apache-2.0',
  sideEffects: false,
  engines: { node: engines },
  exports: {
    '.': {
      '@quorate/source': './src/index.ts',
      types: './dist/index.d.ts',
      default: './dist/index.js',
    },
    './package.json': './package.json',
  },
  files: ['dist', 'src', 'README.md'],
  publishConfig: { access: 'public' },
  dependencies: { '@quorate/core': 'workspace:^' },
}

function pack(change: Partial<Manifest> = {}, rest: Partial<PackageFolder> = {}): PackageFolder {
  return {
    folder: 'raft',
    manifest: { ...good, ...change },
    files: new Set(['src/index.ts', 'dist/index.js', 'dist/index.d.ts', 'dist/chunk-A1.js']),
    readme: '# @quorate/raft\n\nnpm install @quorate/raft\n\n```ts\n1\n```\n',
    documented: ['src/index.ts'],
    ...rest,
  }
}

describe('the rules object to what breaks them', () => {
  it.each(samples)('$rule: $text', ({ rule, path, text, problems }) => {
    const rules = fileRules.filter((one) => one.name === rule)
    expect(rules).toHaveLength(1)
    expect(check([{ path, text }], rules)).toHaveLength(problems)
  })

  it.each(fileRules)('$name has a sample that breaks it and one that does not', ({ name }) => {
    const own = samples.filter((one) => one.rule === name)
    expect(own.some((one) => one.problems > 0)).toBe(true)
    expect(own.some((one) => one.problems === 0)).toBe(true)
  })

  it('accepts a good manifest', () => {
    expect(manifestProblems(pack(), engines)).toEqual([])
    expect(exportsProblems(pack(), true)).toEqual([])
    expect(dependencyProblems(pack())).toEqual([])
    expect(readmeProblems(pack())).toEqual([])
  })

  it.each<Partial<Manifest>>([
    { name: 'raft' },
    { private: true },
    { description: 'Raft' },
    { license: 'MIT' },
    { type: 'commonjs' },
    { engines: { node: '>=18' } },
    { publishConfig: {} },
    { files: ['dist'] },
    { dependencies: { '@quorate/core': '^1.0.0' } },
  ])('refuses the manifest %o', (change) => {
    expect(manifestProblems(pack(change), engines)).not.toEqual([])
  })

  it('refuses a dependency of an algorithm, and any of core', () => {
    expect(dependencyProblems(pack({ dependencies: { ws: '8' } }))).toHaveLength(1)
    expect(dependencyProblems(pack({}, { folder: 'core' }))).toHaveLength(1)
  })

  it.each(['', '# Raft\nnpm i @quorate/raft\n```ts\n```', '# @quorate/raft\n```ts\n```\n'])(
    'refuses the README %j',
    (readme) => {
      expect(readmeProblems(pack({}, { readme }))).not.toEqual([])
    },
  )

  it('refuses exports that the built files do not match', () => {
    const built = (...files: string[]): number =>
      exportsProblems(pack({}, { files: new Set(['src/index.ts', ...files]) }), true).length
    expect(built('dist/index.js', 'dist/index.d.ts')).toBe(0)
    expect(built('dist/index.js', 'dist/index.d.ts', 'dist/log-thread.js')).toBe(0)
    expect(built('dist/index.js')).toBe(1)
    expect(built()).toBe(2)
    expect(built('dist/index.js', 'dist/index.d.ts', 'dist/extra.js')).toBe(1)
    expect(exportsProblems(pack({ exports: {} }), false)).not.toEqual([])
    expect(exportsProblems(pack({ exports: { '.': './dist/index.js' } }), false)).not.toEqual([])
    expect(exportsProblems(pack({}, { files: new Set() }), false)).toHaveLength(1)
    expect(exportsProblems(pack({}, { documented: [] }), true)).toHaveLength(1)
    expect(exportsProblems(pack({ bin: { raft: './dist/cli.js' } }), true)).toHaveLength(1)
  })

  it('refuses packages at different versions, and cycles between them', () => {
    const core = pack({ name: '@quorate/core', dependencies: {} }, { folder: 'core' })
    expect(versionProblems([core, pack()])).toEqual([])
    expect(versionProblems([core, pack({ version: '2.0.0' })])).toHaveLength(1)
    expect(cycleProblems([core, pack()])).toEqual([])
    const back = pack(
      {
        name: '@quorate/core',
        dependencies: {},
        devDependencies: { '@quorate/raft': 'workspace:^' },
      },
      { folder: 'core' },
    )
    expect(cycleProblems([back, pack()])).toHaveLength(1)
  })

  it('refuses a changeset that names nothing real', () => {
    const known = new Set(['@quorate/raft'])
    const problems = (text: string): number => changesetProblems('x.md', text, known).length
    expect(problems("---\n'@quorate/raft': minor\n---\n\nMore.\n")).toBe(0)
    expect(problems("---\n'@quorate/rafft': minor\n---\n\nMore.\n")).toBe(1)
    expect(problems("---\n'@quorate/raft': huge\n---\n\nMore.\n")).toBe(1)
    expect(problems("---\n'@quorate/raft': minor\n---\n")).toBe(1)
    expect(problems('More.\n')).toBe(1)
  })
})

describe('the repository keeps the rules', () => {
  const files = readFiles(root)
  const packages = readPackages(root)
  const expectNone = (problems: Parameters<typeof describeProblem>[0][]): void => {
    expect(problems.map(describeProblem)).toEqual([])
  }

  it.each(fileRules)('$name', (rule) => {
    expect(files.some((file) => rule.applies(file.path))).toBe(true)
    expectNone(check(files, [rule]))
  })

  it('manifests, dependencies and versions', () => {
    expectNone(
      packages.flatMap((one) => [...manifestProblems(one, engines), ...dependencyProblems(one)]),
    )
    expectNone([...versionProblems(packages), ...cycleProblems(packages)])
  })

  it('READMEs', () => {
    expectNone(packages.flatMap(readmeProblems))
  })

  it('exports match the built files', () => {
    const mustBeBuilt = process.env['QUORATE_REQUIRE_TOOLS'] === '1'
    expectNone(packages.flatMap((one) => exportsProblems(one, mustBeBuilt)))
  })

  it('changesets', () => {
    const names = new Set(packages.map((one) => one.manifest.name ?? ''))
    const sets = files.filter((file) => /^\.changeset\/(?!README)[^/]+\.md$/.test(file.path))
    expectNone(sets.flatMap((file) => changesetProblems(file.path, file.text, names)))
  })

  it('source files stay short', () => {
    const lengths = files
      .filter((file) => /^packages\/[^/]+\/src\/.*\.ts$/.test(file.path))
      .map((file) => lineCount(file.text))
      .toSorted((a, b) => a - b)
    const at = (share: number): number => lengths[Math.floor(lengths.length * share)] ?? 0
    expect(at(0.5), 'median').toBeLessThanOrEqual(150)
    expect(at(0.9), '90th percentile').toBeLessThanOrEqual(350)
  })
})

describe('documented codes', () => {
  const text = (path: string): string => readFileSync(join(root, path), 'utf8')

  it('are all there are: a heading for each error code, and no heading without one', () => {
    const [, union = ''] =
      /export type ErrorCode =([\s\S]*?)\n\n/.exec(text('packages/core/src/errors.ts')) ?? []
    const codes = [...union.matchAll(/'([A-Z_]+)'/g)].map(([, code]) => code)
    const headings = [...text('docs/reference/errors.md').matchAll(/^## ([A-Z_]+)$/gm)].map(
      ([, code]) => code,
    )
    expect(codes.length).toBeGreaterThan(20)
    expect(new Set(headings)).toEqual(new Set(codes))
    expect(headings).toHaveLength(codes.length)
  })

  it('include the exit codes of the command', () => {
    const inSource = [
      ...text('apps/playground/src/output/exit-codes.ts').matchAll(/\[(\d+), '([^']+)'\]/g),
    ]
    const inGuide = [...text('docs/guides/run-a-cluster.md').matchAll(/^\| (\d+) +\| (.+?) +\|$/gm)]
    expect(inSource.length).toBeGreaterThan(8)
    expect(inGuide.map(([, code, meaning]) => `${code} ${meaning}`)).toEqual(
      inSource.map(([, code, meaning]) => `${code} ${meaning}`),
    )
  })
})
