// Packs every package as it would be published and looks at the tarball, not at the folder:
// publint for the manifest, attw for whether the types resolve, and a project that uses all of them.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { consumerProblems } from './pack-consumer.mjs'
import { main, root } from './setup.mjs'

const bin = join(root, 'node_modules', '.bin')

/**
 * Runs a tool and returns its output when it fails, or undefined.
 * @param {string} command
 * @param {string[]} args
 * @param {string} cwd
 */
function complaint(command, args, cwd) {
  const result = spawnSync(join(bin, command), args, { cwd, encoding: 'utf8' })
  if (result.status === 0) return undefined
  return `${result.stdout ?? ''}${result.stderr ?? ''}${result.error?.message ?? ''}`.trim()
}

/** What `--only publint`, `--only attw` or `--only consumer` asks for; all without it. */
const only = process.argv[process.argv.indexOf('--only') + 1]
const asked = process.argv.includes('--only') ? [only] : ['publint', 'attw', 'consumer']
const tools = asked.filter((tool) => tool !== 'consumer')

/** @type {Record<string, (tarball: string) => [command: string, args: string[]]>} */
const commands = {
  publint: (tarball) => ['publint', [tarball, '--strict']],
  attw: (tarball) => ['attw', [tarball, '--profile', 'esm-only', '--no-emoji']],
}

await main(() => {
  const folder = mkdtempSync(join(tmpdir(), 'quorate-pack-'))
  /** @type {string[]} */
  const failures = []
  /** @type {Map<string, string>} */
  const tarballs = new Map()
  try {
    for (const name of readdirSync(join(root, 'packages'))) {
      const source = join(root, 'packages', name)
      const target = join(folder, name)
      mkdirSync(target)
      const packed = complaint('pnpm', ['pack', '--pack-destination', target], source)
      if (packed !== undefined) {
        failures.push(`${name}: pnpm pack\n${packed}`)
        continue
      }
      const tarball = join(target, readdirSync(target)[0] ?? '')
      tarballs.set(name, tarball)
      const contents = spawnSync('tar', ['-tzf', tarball], { encoding: 'utf8' }).stdout
      for (const file of [
        'LICENSE',
        'README.md',
        'package.json',
        'dist/index.js',
        'src/index.ts',
      ]) {
        if (!contents.includes(`package/${file}\n`))
          failures.push(`${name}: no ${file} in the tarball`)
      }
      const manifest = spawnSync('tar', ['-xzOf', tarball, 'package/package.json'], {
        encoding: 'utf8',
      })
      if (/"(?:workspace|catalog):/.test(manifest.stdout)) {
        failures.push(`${name}: the packed manifest still points at the workspace`)
      }
      for (const tool of tools) {
        const [command, args] = /** @type {NonNullable<typeof commands[string]>} */ (
          commands[tool ?? '']
        )(tarball)
        const output = complaint(command, args, source)
        if (output !== undefined) failures.push(`${name}: ${tool}\n${output}`)
      }
    }
    if (asked.includes('consumer'))
      failures.push(...consumerProblems(join(folder, 'consumer'), tarballs))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  const count = readdirSync(join(root, 'packages')).length
  if (failures.length > 0) throw new Error(failures.join('\n\n'))
  console.log(`${count} tarballs, checked by ${asked.join(', ')}`)
})
