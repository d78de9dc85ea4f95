// The direction of imports, enforced. An arrow that is missing from `allowed` is an error, so a
// new arrow between two packages is a decision that shows in the review of this file.
const { readFileSync, readdirSync } = require('node:fs')
const { join } = require('node:path')

const CORE = ['core']
/** What the sources of each package may import: workspace packages, and npm packages by name. */
const allowed = {
  core: { packages: [], npm: [] },
  ring: { packages: CORE, npm: [] },
  raft: { packages: CORE, npm: [] },
  paxos: { packages: CORE, npm: [] },
  'storage-memory': { packages: CORE, npm: [] },
  'storage-fs': { packages: CORE, npm: [] },
  'transport-memory': { packages: CORE, npm: [] },
  'transport-ws': { packages: CORE, npm: ['ws', '@types/ws'] },
  runtime: { packages: CORE, npm: [] },
  kv: { packages: ['core', 'ring', 'runtime'], npm: [] },
  sim: { packages: ['core', 'runtime'], npm: [] },
  linearizability: { packages: [], npm: [] },
  conformance: { packages: CORE, npm: [] },
}
/** Packages whose sources reach the operating system. Every other one runs in a browser. */
const usesNode = ['storage-fs', 'transport-ws']

const root = __dirname
const folders = readdirSync(join(root, 'packages'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name)
for (const folder of folders) {
  if (!(folder in allowed)) throw new Error(`packages/${folder} has no line in ${__filename}`)
}

/** The files that a package's exports map names: the only way into it from outside. */
const entryPoints = folders.flatMap((folder) => {
  const manifest = JSON.parse(readFileSync(join(root, 'packages', folder, 'package.json'), 'utf8'))
  return Object.values(manifest.exports ?? {})
    .flatMap((target) => sourcesOf(target))
    .map((file) => `^packages/${folder}/${escape(file.replace(/^\.\//, ''))}$`)
})

function sourcesOf(target) {
  if (typeof target === 'string') return []
  return Object.entries(target).flatMap(([condition, value]) => {
    if (condition === '@quorate/source' && typeof value === 'string') return [value]
    return typeof value === 'object' && value !== null ? sourcesOf(value) : []
  })
}

function escape(text) {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

function allowList(folder, { packages, npm }) {
  // `conformance/consensus` drives whole clusters, so that one entry point may use the simulator.
  const isConformance = folder === 'conformance'
  return {
    name: `imports-of-${folder}`,
    comment: `packages/${folder}/src imports only: ${[...packages, ...npm].join(', ') || 'nothing'}.`,
    severity: 'error',
    from: {
      path: `^packages/${folder}/src/`,
      ...(isConformance ? { pathNot: '^packages/conformance/src/consensus/' } : {}),
    },
    to: {
      dependencyTypesNot: ['core'],
      pathNot: [
        `^packages/${folder}/src/`,
        ...packages.map((name) => `^packages/${name}/src/`),
        ...npm.map((name) => `node_modules/${escape(name)}/`),
      ],
    },
  }
}

module.exports = {
  forbidden: [
    ...folders.map((folder) => allowList(folder, allowed[folder])),
    {
      name: 'imports-of-conformance-consensus',
      comment: 'The consensus suites use core and the simulator, and no algorithm.',
      severity: 'error',
      from: { path: '^packages/conformance/src/consensus/' },
      to: {
        dependencyTypesNot: ['core'],
        pathNot: ['^packages/conformance/src/', '^packages/(core|sim)/src/'],
      },
    },
    {
      name: 'sim-knows-no-algorithm',
      comment: 'Algorithms are passed to the simulator; neither it nor its tests import one.',
      severity: 'error',
      from: { path: '^packages/sim/' },
      to: { path: '^packages/(raft|paxos)/' },
    },
    {
      name: 'raft-and-paxos-apart',
      comment: 'The two algorithms share contracts, never code, in tests either.',
      severity: 'error',
      from: { path: '^packages/(raft|paxos)/' },
      to: { path: '^packages/(raft|paxos)/', pathNot: '^packages/$1/' },
    },
    {
      name: 'no-circular',
      comment:
        'A cycle between files hides which of them comes first; types may refer to each other.',
      severity: 'error',
      // The rules of one algorithm call each other: an election ends in replication, which commits a
      // membership, which ends a leadership. These files hold functions and no state of their own.
      from: { path: '^(packages|apps|tests)/', pathNot: '^packages/(raft|paxos)/src/' },
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-node-in-browser-safe',
      comment: 'These packages run in a browser: nothing of the operating system.',
      severity: 'error',
      from: { path: `^packages/(?!(${usesNode.join('|')})/)[^/]+/src/` },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'browser-entry-without-node',
      comment: 'What a browser loads of transport-ws reaches neither Node nor ws.',
      severity: 'error',
      from: { path: '^packages/transport-ws/src/browser\\.ts$' },
      to: {
        reachable: true,
        path: [
          '^(assert|buffer|crypto|events|fs|http|https|net|os|path|stream|tls|url|util|zlib)',
          '^node:',
          'node_modules/(@types/)?ws/',
        ],
      },
    },
    {
      name: 'through-the-front-door',
      comment: 'One package reaches another through the entry points in its exports map.',
      severity: 'error',
      from: { path: '^packages/([^/]+)/' },
      to: { path: '^packages/', pathNot: ['^packages/$1/', ...entryPoints] },
    },
    {
      name: 'apps-through-the-front-door',
      comment: 'Applications and integration tests use packages as anyone else would.',
      severity: 'error',
      from: { path: '^(apps|tests)/' },
      // The store's own suite is run again over every composition.
      to: { path: '^packages/', pathNot: [...entryPoints, '^packages/kv/test/contract/'] },
    },
    {
      name: 'sources-import-no-tests',
      severity: 'error',
      from: { path: '^(packages|apps)/[^/]+/src/' },
      to: { path: '/test/' },
    },
    {
      name: 'resolvable',
      severity: 'error',
      from: { path: '^(packages|apps|tests)/' },
      to: { couldNotResolve: true },
    },
    {
      name: 'packages-below-apps',
      severity: 'error',
      from: { path: '^packages/' },
      to: { path: '^(apps|tests|docs|scripts)/' },
    },
  ],
  options: {
    doNotFollow: { path: ['node_modules', '/dist/'] },
    exclude: { path: ['/dist/', '/testdata/'] },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.base.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['@quorate/source', 'import', 'types', 'node', 'default'],
      extensions: ['.ts', '.mts', '.js', '.mjs', '.cjs', '.d.ts'],
    },
  },
}
