// What is committed works anywhere: no path of one machine and no host of one registry in a
// tracked file, the lockfile above all.
import type { FileRule, Problem } from './rule.ts'

const machinePath =
  /(?<![\w.~/-])(?:\/(?:home|Users|root|work|mnt|private)\/[\w.-]+|[A-Z]:\\\\?(?:Users|work)\\)/
const registryHost =
  /(?:registry\.[\w-]+\.\w+|npm\.pkg\.|unpkg\.com|jsdelivr\.net|artifac(?:tory)|codeartif(?:act)|verda(?:ccio)|\.pkgs\.)/i
const sharedNotes = /\.\.\/shared\/|\bteam\.md\b/

function scan(
  file: { path: string; text: string },
  rule: string,
  pattern: RegExp,
  say: string,
): Problem[] {
  return file.text.split('\n').flatMap((row, index) => {
    const found = pattern.exec(row)?.[0]
    if (found === undefined) return []
    return [{ rule, path: file.path, line: index + 1, message: `${say}: ${found}` }]
  })
}

/** Whether a file is text that a rule can read. */
export function isText(path: string): boolean {
  return !/\.(png|jpe?g|gif|ico|woff2?|gz|br|zip|tgz|bin|wasm|pdf)$/.test(path)
}

/** No absolute path of the machine on which something was written. */
export const noMachinePaths: FileRule = {
  name: 'no-machine-paths',
  applies: isText,
  check: (file) => [
    ...scan(file, 'no-machine-paths', machinePath, 'a path of one machine'),
    ...scan(file, 'no-machine-paths', sharedNotes, 'a file outside this repository'),
  ],
}

/** No registry or mirror by name: which one is used is the business of whoever installs. */
export const noRegistryHosts: FileRule = {
  name: 'no-registry-hosts',
  applies: isText,
  check: (file) => scan(file, 'no-registry-hosts', registryHost, 'a package registry'),
}

/** The lockfile pins by integrity alone. */
export const noTarballs: FileRule = {
  name: 'no-tarballs',
  applies: (path) => path.endsWith('pnpm-lock.yaml'),
  check: (file) =>
    scan(
      file,
      'no-tarballs',
      /tarball:|(?:https?|git\+\w+|ssh):\/\/\S*/,
      'a place to download from',
    ),
}
