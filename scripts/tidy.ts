// The repository's own rules, gathered: `scripts/test/tidy.test.ts` runs them over every tracked
// file, and hands each of them a sample that breaks it.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { Manifest, PackageFolder } from './tidy/manifest.ts'
import { isText, noMachinePaths, noRegistryHosts, noTarballs } from './tidy/origin.ts'
import { noAsync, noBannedGlobals, noNode, noTopLevelAwait } from './tidy/platform.ts'
import type { FileRule, Problem, SourceFile } from './tidy/rule.ts'
import {
  fileName,
  fileSize,
  headerComment,
  noMarkers,
  noSilentSkips,
  plainLanguage,
} from './tidy/shape.ts'

/** Every rule about a single file. */
export const fileRules: readonly FileRule[] = [
  noBannedGlobals,
  noNode,
  noAsync,
  noTopLevelAwait,
  fileSize,
  headerComment,
  fileName,
  plainLanguage,
  noMarkers,
  noSilentSkips,
  noMachinePaths,
  noRegistryHosts,
  noTarballs,
]

/** What the rules say about some files. */
export function check(files: readonly SourceFile[], rules: readonly FileRule[]): Problem[] {
  return files.flatMap((file) =>
    rules.filter((rule) => rule.applies(file.path)).flatMap((rule) => rule.check(file)),
  )
}

/** One problem on one line, as an editor can open it. */
export function describeProblem({ path, line, rule, message }: Problem): string {
  return `${path}:${line} ${rule}: ${message}`
}

const generated =
  /(?:^|\/)(?:node_modules|dist|coverage|\.turbo|\.git)\/|^docs\/api\/|\.tsbuildinfo$/

/** Paths of everything that is, or is about to be, under version control. */
function listFiles(root: string): string[] {
  if (!existsSync(join(root, '.git'))) {
    // An unpacked archive has no index: everything that is not generated counts.
    return readdirSync(root, { recursive: true, withFileTypes: true, encoding: 'utf8' })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(root, join(entry.parentPath, entry.name)))
      .filter((path) => !generated.test(path))
  }
  const list = execFileSync(
    'git',
    ['ls-files', '-z', '--cached', '--others', '--exclude-standard'],
    { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26 },
  )
  return list.split('\0')
}

/** Every text file of the repository. */
export function readFiles(root: string): SourceFile[] {
  return [...new Set(listFiles(root))]
    .filter((path) => path !== '' && isText(path) && existsSync(join(root, path)))
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(path, 'utf8'))
}

/** Every published package with what lies in its folder. */
export function readPackages(root: string): PackageFolder[] {
  return readdirSync(join(root, 'packages'))
    .filter((folder) => existsSync(join(root, 'packages', folder, 'package.json')))
    .map((folder) => {
      const at = (...parts: string[]): string => join(root, 'packages', folder, ...parts)
      const inside = ['src', 'dist'].filter((name) => existsSync(at(name)))
      const files = inside.flatMap((name) =>
        readdirSync(at(name), { recursive: true, encoding: 'utf8' }).map(
          (file) => `${name}/${file}`,
        ),
      )
      const options = existsSync(at('typedoc.json'))
        ? (readJson(at('typedoc.json')) as { entryPoints?: string[] })
        : {}
      return {
        folder,
        manifest: readJson(at('package.json')) as Manifest,
        files: new Set(files),
        readme: existsSync(at('README.md')) ? readFileSync(at('README.md'), 'utf8') : '',
        documented: options.entryPoints ?? ['src/index.ts'],
      }
    })
}
