// Compiles every TypeScript block of the documentation, and runs the first one of each README,
// against the sources: an example that a reader copies is a promise like any other.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { main, root } from './setup.mjs'

/** How long an example may take before it counts as one that never ends, in milliseconds. */
const runTimeoutMs = 30_000

/**
 * @typedef {object} Example
 * @property {string} file the Markdown file, relative to the root
 * @property {number} line of the opening fence, from 1
 * @property {string} code
 * @property {boolean} isFirst whether it is the first of its file
 */

/**
 * The blocks of a Markdown text that are fenced as `ts`. A block marked `ts continued` goes on
 * where the one before it ended.
 * @param {string} file
 * @param {string} text
 * @returns {Example[]}
 */
export function examplesOf(file, text) {
  /** @type {Example[]} */
  const examples = []
  const rows = text.split('\n')
  for (let index = 0; index < rows.length; index++) {
    const [, info] = /^\s*```ts\b(.*)$/.exec(rows[index] ?? '') ?? []
    if (info === undefined) continue
    const line = index + 1
    const body = []
    while (++index < rows.length && !/^\s*```\s*$/.test(rows[index] ?? '')) body.push(rows[index])
    const code = `${body.join('\n')}\n`
    const last = examples.at(-1)
    if (info.trim() === 'continued' && last !== undefined) last.code += code
    else examples.push({ file, line, code, isFirst: examples.length === 0 })
  }
  return examples
}

/**
 * What an example says that it prints: the comments `// → text` beside its calls of console.log.
 * @param {string} code
 */
export function expectedOutput(code) {
  return [...code.matchAll(/console\.log\(.*\/\/ → (.*)$/gm)].map(([, text]) => (text ?? '').trim())
}

/**
 * The packages that the first example of a text imports and its `npm install` lines leave out, where
 * there are such lines: they may lie in node_modules by way of others, and with pnpm they do not.
 * @param {string} text
 * @param {string} code of the first example
 */
export function notInstalled(text, code) {
  const installed = [...text.matchAll(/^npm install (.*)$/gm)].flatMap(([, names = '']) =>
    names.split(' '),
  )
  if (installed.length === 0) return []
  const imported = code.split('\n').flatMap((row) => {
    const [, name] = /from '(@quorate\/[^/']+)/.exec(row.replace(/\/\/.*/, '')) ?? []
    return name === undefined ? [] : [name]
  })
  return [...new Set(imported)].filter((name) => !installed.includes(name))
}

/** Markdown files with code for readers. */
function documents() {
  const nested = ['packages', 'apps'].flatMap((group) =>
    existsSync(join(root, group))
      ? readdirSync(join(root, group)).map((name) => join(group, name, 'README.md'))
      : [],
  )
  const pages = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((page) => page.endsWith('.md') && !/^(api|node_modules)\/|\.vitepress/.test(page))
    .map((page) => join('docs', page))
  return ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', ...nested, ...pages].filter((file) =>
    existsSync(join(root, file)),
  )
}

/** Where each `@quorate/…` specifier lies in the sources. */
function paths() {
  /** @type {Record<string, string[]>} */
  const found = {}
  for (const name of readdirSync(join(root, 'packages'))) {
    const folder = join(root, 'packages', name)
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    for (const [key, target] of Object.entries(manifest.exports)) {
      const source = target['@quorate/source']
      if (source !== undefined) found[join(manifest.name, key)] = [join(folder, source)]
    }
  }
  return found
}

/**
 * Type-checks the examples in `folder`, where each has become a module.
 * @param {string} folder
 */
function typecheck(folder) {
  const options = {
    extends: relative(folder, join(root, 'tsconfig.base.json')),
    compilerOptions: {
      noEmit: true,
      isolatedDeclarations: false,
      allowImportingTsExtensions: true,
      noUnusedLocals: false,
      noPropertyAccessFromIndexSignature: false,
      types: ['node'],
      paths: paths(),
    },
    files: readdirSync(folder).filter((name) => name.endsWith('.ts')),
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(options))
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const result = spawnSync(process.execPath, [tsc, '-p', folder, '--pretty', 'false'], {
    cwd: folder,
    encoding: 'utf8',
  })
  return result.status === 0 ? '' : result.stdout
}

/**
 * Bundles one example from the sources and runs it in a process of its own.
 * @param {string} entry
 * @param {string[]} expected
 * @returns {Promise<string>} what went wrong, or an empty string
 */
async function run(entry, expected) {
  const outfile = entry.replace(/\.ts$/, '.mjs')
  const alias = Object.fromEntries(
    Object.entries(paths()).map(([name, [file]]) => [name, file ?? '']),
  )
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    conditions: ['@quorate/source'],
    alias,
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
    logLevel: 'silent',
  })
  const folder = join(dirname(entry), 'run')
  mkdirSync(folder, { recursive: true })
  const result = spawnSync(process.execPath, [outfile], {
    cwd: folder,
    encoding: 'utf8',
    timeout: runTimeoutMs,
  })
  rmSync(folder, { recursive: true, force: true })
  if (result.error !== undefined) return result.error.message
  if (result.status !== 0)
    return `ended with code ${result.status ?? result.signal}\n${result.stderr}`
  const printed = result.stdout.split('\n').map((row) => row.trim())
  const missing = expected.filter((row) => !printed.includes(row))
  if (missing.length === 0) return ''
  return `did not print ${missing.map((row) => JSON.stringify(row)).join(', ')} but\n${result.stdout}`
}

/** Checks every document of the repository. */
async function checkAll() {
  const folder = join(root, '.readme-code')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder)
  try {
    const examples = documents().flatMap((file) =>
      examplesOf(file, readFileSync(join(root, file), 'utf8')),
    )
    /** @type {Map<string, Example>} */
    const modules = new Map()
    for (const example of examples) {
      const name = `${example.file.replace(/[^a-z0-9]+/gi, '-')}-${example.line}`.toLowerCase()
      modules.set(name, example)
      writeFileSync(join(folder, `${name}.ts`), example.code)
    }
    const failures = []
    const errors = modules.size === 0 ? '' : typecheck(folder)
    if (errors !== '') {
      failures.push(
        errors.replace(/^([\w-]+)\.ts\((\d+),/gm, (row, name, line) => {
          const example = modules.get(name)
          return example === undefined ? row : `${example.file}:${example.line + Number(line)} (`
        }),
      )
    }
    for (const { file, line, code } of examples.filter(({ isFirst }) => isFirst)) {
      const missing = notInstalled(readFileSync(join(root, file), 'utf8'), code)
      if (missing.length > 0)
        failures.push(`${file}:${line} is not told to install ${missing.join(' ')}`)
    }
    let ran = 0
    for (const [name, example] of modules) {
      // Examples for a test runner describe tests; only a runner can run them.
      const isReadme = example.file.endsWith('README.md')
      if (!isReadme || !example.isFirst || /from '(?:vitest|node:test)'/.test(example.code))
        continue
      ran++
      const problem = await run(join(folder, `${name}.ts`), expectedOutput(example.code)).catch(
        (error) => String(error),
      )
      if (problem !== '') failures.push(`${example.file}:${example.line} ${problem}`)
    }
    if (failures.length > 0) throw new Error(failures.join('\n'))
    console.log(`${modules.size} examples compile, ${ran} of them ran`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(checkAll)
