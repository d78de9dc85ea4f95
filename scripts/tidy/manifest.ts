// What a package says about itself: its manifest against the house rules, against the files
// that were built, and against the manifests of the packages around it.
import type { Problem } from './rule.ts'

/** The part of package.json that the rules read. */
export interface Manifest {
  readonly name?: string
  readonly version?: string
  readonly description?: string
  readonly private?: boolean
  readonly type?: string
  readonly license?: string
  readonly sideEffects?: boolean | readonly string[]
  readonly engines?: Readonly<Record<string, string>>
  readonly bin?: string | Readonly<Record<string, string>>
  readonly files?: readonly string[]
  readonly exports?: Readonly<Record<string, ExportTarget>>
  readonly publishConfig?: Readonly<Record<string, unknown>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

/** A file, or a choice of files by condition. */
export type ExportTarget = string | { readonly [condition: string]: ExportTarget }

/** One package: its manifest, and the files of its folder relative to that folder. */
export interface PackageFolder {
  readonly folder: string
  readonly manifest: Manifest
  readonly files: ReadonlySet<string>
  readonly readme: string
  /** The entry points that the API reference is generated from. */
  readonly documented: readonly string[]
}

const withoutDependencies: ReadonlySet<string> = new Set(['core', 'linearizability'])
const onlyCore: ReadonlySet<string> = new Set(['ring', 'raft', 'paxos'])

function problem(pack: PackageFolder, rule: string, message: string): Problem {
  return { rule, path: `packages/${pack.folder}/package.json`, line: 1, message }
}

/** Every published package says the same things in the same way. */
export function manifestProblems(pack: PackageFolder, engines: string): Problem[] {
  const { manifest, folder } = pack
  const wrong: string[] = []
  const expect = (holds: boolean, message: string): void => {
    if (!holds) wrong.push(message)
  }
  expect(manifest.name === `@quorate/${folder}`, `is not named @quorate/${folder}`)
  expect(manifest.private !== true, 'is private, although it lies in packages/')
  expect((manifest.description ?? '').length >= 20, 'has no description worth the name')
  expect(manifest.license === 'Apache-2.0', 'does not name the licence Apache-2.0')
  expect(manifest.type === 'module', 'is not "type": "module"')
  expect(manifest.sideEffects !== undefined, 'does not say whether it has side effects')
  expect(manifest.engines?.['node'] === engines, `does not ask for Node ${engines}`)
  expect(manifest.publishConfig?.['access'] === 'public', 'is not published for everyone')
  for (const file of ['dist', 'src', 'README.md']) {
    expect(manifest.files?.includes(file) === true, `does not publish ${file}`)
  }
  for (const [name, range] of Object.entries({
    ...manifest.dependencies,
    ...manifest.peerDependencies,
  })) {
    if (name.startsWith('@quorate/')) expect(range === 'workspace:^', `${name} is not workspace:^`)
  }
  return wrong.map((message) => problem(pack, 'manifest', message))
}

/** The packages that promise to have no dependency keep the promise. */
export function dependencyProblems(pack: PackageFolder): Problem[] {
  const names = Object.keys({ ...pack.manifest.dependencies, ...pack.manifest.peerDependencies })
  const allowed = onlyCore.has(pack.folder) ? ['@quorate/core'] : []
  if (!withoutDependencies.has(pack.folder) && !onlyCore.has(pack.folder)) return []
  return names
    .filter((name) => !allowed.includes(name))
    .map((name) => problem(pack, 'no-dependencies', `depends on ${name}`))
}

/** Every package has a README that opens with its name and shows how to install it. */
export function readmeProblems(pack: PackageFolder): Problem[] {
  const path = `packages/${pack.folder}/README.md`
  const say = (message: string): Problem => ({ rule: 'readme', path, line: 1, message })
  if (pack.readme === '') return [say('is missing')]
  const name = `@quorate/${pack.folder}`
  const problems: Problem[] = []
  if (!pack.readme.startsWith(`# ${name}\n`)) problems.push(say(`does not open with "# ${name}"`))
  if (!new RegExp(`npm (?:install|i|add) .*${name}`).test(pack.readme)) {
    problems.push(say(`does not say "npm install ${name}"`))
  }
  if (!/^```ts\b/m.test(pack.readme)) problems.push(say('has no example'))
  return problems
}

/** The files at the leaves of an export target, with the condition that leads to each. */
function* leaves(
  target: ExportTarget,
  condition = 'default',
): Generator<readonly [condition: string, file: string]> {
  if (typeof target === 'string') yield [condition, target]
  else for (const [key, value] of Object.entries(target)) yield* leaves(value, key)
}

/** Whether the first choice, in every environment, is the source. */
function startsAtSource(target: ExportTarget): boolean {
  if (typeof target === 'string') return false
  const nested = Object.values(target).filter((value) => typeof value !== 'string')
  const [first] = Object.entries(target).filter(([, value]) => typeof value === 'string')
  return first?.[0] === '@quorate/source' && nested.every(startsAtSource)
}

/** Entry points as they stand in the sources: `src/index.ts`. */
function sourceEntries(manifest: Manifest): string[] {
  return Object.values(manifest.exports ?? {}).flatMap((target) =>
    [...leaves(target)]
      .filter(([condition]) => condition === '@quorate/source')
      .map(([, file]) => file.replace(/^\.\//, '')),
  )
}

/** Every file that the exports map names exists, and every built module is named. */
export function exportsProblems(pack: PackageFolder, mustBeBuilt: boolean): Problem[] {
  const targets = Object.entries(pack.manifest.exports ?? {})
  const isBuilt = [...pack.files].some((file) => file.startsWith('dist/'))
  const wrong: string[] = []
  if (targets.length === 0) wrong.push('exports nothing')
  const named = new Set<string>()
  const bins = typeof pack.manifest.bin === 'string' ? [pack.manifest.bin] : pack.manifest.bin
  for (const file of Object.values(bins ?? {})) named.add(file.replace(/^\.\//, ''))
  for (const [key, target] of targets) {
    if (typeof target === 'string') {
      if (key !== './package.json') wrong.push(`"${key}" has no conditions`)
      continue
    }
    if (!startsAtSource(target)) wrong.push(`"${key}" does not start at its source`)
    for (const [, file] of leaves(target)) named.add(file.replace(/^\.\//, ''))
  }
  for (const file of named) {
    const expected = file.startsWith('dist/') ? isBuilt || mustBeBuilt : true
    if (expected && !pack.files.has(file)) wrong.push(`names ${file}, which does not exist`)
  }
  for (const file of pack.files) {
    // Chunks are shared by entry points; a worker thread is started by the name of its file.
    const isEntry = /^dist\/(?!chunk-)(?!.*-(?:thread|worker)\.js$)[^/]+\.js$/.test(file)
    if (isEntry && !named.has(file)) wrong.push(`builds ${file}, which no export names`)
  }
  for (const file of sourceEntries(pack.manifest)) {
    if (!pack.documented.includes(file)) wrong.push(`${file} is not an entry point of typedoc.json`)
  }
  return wrong.map((message) => problem(pack, 'exports', message))
}

/** One version for all, so that "same version" means "works together". */
export function versionProblems(packs: readonly PackageFolder[]): Problem[] {
  const [first] = packs
  return packs
    .filter((pack) => pack.manifest.version !== first?.manifest.version)
    .map((pack) => problem(pack, 'versions', `is not at ${first?.manifest.version}`))
}

/** No cycle between packages, development dependencies included: builds run along this graph. */
export function cycleProblems(packs: readonly PackageFolder[]): Problem[] {
  const byName = new Map(packs.map((pack) => [pack.manifest.name ?? '', pack]))
  const finished = new Set<string>()
  const problems: Problem[] = []
  const visit = (name: string, trail: readonly string[]): void => {
    const pack = byName.get(name)
    if (pack === undefined || finished.has(name)) return
    if (trail.includes(name)) {
      const cycle = [...trail.slice(trail.indexOf(name)), name].join(' → ')
      problems.push(problem(pack, 'cycles', cycle))
      return
    }
    const { dependencies, devDependencies } = pack.manifest
    for (const next of Object.keys({ ...dependencies, ...devDependencies }))
      visit(next, [...trail, name])
    finished.add(name)
  }
  for (const name of byName.keys()) visit(name, [])
  return problems
}

/** A changeset names packages that exist, and kinds of change that exist. */
export function changesetProblems(
  path: string,
  text: string,
  packages: ReadonlySet<string>,
): Problem[] {
  const say = (message: string): Problem => ({ rule: 'changesets', path, line: 1, message })
  const [, head, body] = /^---\n([\s\S]*?)\n?---\n([\s\S]*)$/.exec(text) ?? []
  if (head === undefined || body === undefined) return [say('has no front matter')]
  const problems = head
    .split('\n')
    .filter((row) => row.trim() !== '')
    .flatMap((row) => {
      const [, name, bump] = /^['"]([^'"]+)['"]: (\w+)$/.exec(row) ?? []
      if (name === undefined || bump === undefined) return [say(`"${row}" is not a package`)]
      if (!packages.has(name)) return [say(`${name} is not a published package`)]
      return ['major', 'minor', 'patch'].includes(bump)
        ? []
        : [say(`"${bump}" is no kind of change`)]
    })
  if (body.trim() === '') problems.push(say('says nothing'))
  return problems
}
