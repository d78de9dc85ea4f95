// For every rule, code that breaks it and code that looks alike and does not: a rule without a
// bad sample here fails the suite, so that no rule can be one that never objects.

/** One file and how many objections the rule must raise. */
export interface Sample {
  readonly rule: string
  readonly path: string
  readonly text: string
  readonly problems: number
}

const pure = 'packages/raft/src/log.ts'
const portable = 'packages/runtime/src/host.ts'
const test = 'packages/raft/test/log.test.ts'
const header = '// Why this file exists, and what it is there\n// to keep apart from the rest.\n'

function sample(rule: string, path: string, text: string, problems: number): Sample {
  return { rule, path, text, problems }
}

// Assembled, so that this file does not contain what the rules object to.
const home = ['', 'home', 'ada', 'project'].join('/')
const registry = ['https:/', `registry.${'npmjs'}.org`, 'ws'].join('/')
const later = ['TO', 'DO'].join('')

/** The samples, by rule. */
export const samples: readonly Sample[] = [
  sample('banned-globals', portable, 'export const now = Date.now()', 1),
  sample('banned-globals', portable, 'export const r = Math.random()', 1),
  sample('banned-globals', portable, 'setTimeout(() => {}, 1)', 1),
  sample('banned-globals', portable, 'globalThis.setInterval(f, 1)', 1),
  sample('banned-globals', portable, "globalThis['crypto'].getRandomValues(x)", 1),
  sample('banned-globals', portable, 'export const b = Buffer.alloc(1), e = process.env', 2),
  sample('banned-globals', portable, 'const o = { Date }', 1),
  sample('banned-globals', portable, 'clock.setTimeout(f, 1); x.process = { Date: 1 }', 0),
  sample('banned-globals', portable, '// Date.now() in a comment\nconst s = "Math.random()"', 0),
  sample('banned-globals', portable, 'interface Clock { setTimeout(ms: number): void }', 0),
  sample('banned-globals', portable, 'function f(process: number) { return process }', 0),
  sample('banned-globals', portable, 'const { process, x: [crypto] } = y; process(crypto)', 0),
  sample('banned-globals', portable, 'for (const process of all) f({ process })', 0),
  sample('banned-globals', portable, 'for (const { process: p } of all) f(p)', 0),
  sample('banned-globals', portable, 'function f(process: number) {}\nf(process)', 1),
  sample('banned-globals', portable, '{ const Date = 1 }\nDate.now()', 1),
  sample('banned-globals', 'packages/core/src/clock.ts', 'Date.now()', 0),
  sample('banned-globals', 'packages/storage-fs/src/wal.ts', 'process.pid', 0),

  sample('no-node', portable, "import { readFile } from 'node:fs/promises'", 1),
  sample('no-node', portable, "import fs from 'fs'", 1),
  sample('no-node', portable, "export { join } from 'node:path'", 1),
  sample('no-node', portable, "const fs = await import('node:fs')", 1),
  sample('no-node', portable, 'export type Bytes = Buffer', 1),
  sample('no-node', 'packages/transport-ws/src/browser-dialer.ts', "import 'node:net'", 1),
  sample('no-node', 'packages/transport-ws/src/listening.ts', "import 'node:net'", 0),
  sample('no-node', portable, "import { x } from './fs.ts'", 0),

  sample('no-async', pure, 'export async function step() {}', 1),
  sample('no-async', pure, 'export const f = async () => { await g() }', 2),
  sample('no-async', pure, 'export function f(): Promise<void> { return g() }', 1),
  sample('no-async', pure, 'for await (const x of y) z(x)', 1),
  sample('no-async', pure, 'export function promise(): void {} // await', 0),
  sample('no-async', portable, 'export async function f() { await g() }', 0),

  sample('no-top-level-await', portable, 'const x = await load()', 1),
  sample('no-top-level-await', portable, 'for await (const x of y) z(x)', 1),
  sample('no-top-level-await', portable, 'if (a) { await b() }', 1),
  sample('no-top-level-await', portable, 'async function f() { await g() }', 0),
  sample('no-top-level-await', test, 'const x = await load()', 0),

  sample('file-size', pure, 'x\n'.repeat(601), 1),
  sample('file-size', pure, 'x\n'.repeat(600), 0),

  sample('header-comment', pure, 'export {}\n', 1),
  sample('header-comment', pure, '// The log.\nexport {}\n', 1),
  sample('header-comment', pure, '\n// After a blank line, so not at the very top of it.\n', 1),
  sample('header-comment', pure, '/** The log. */\nexport {}\n', 1),
  sample('header-comment', pure, '// - 1 2 3 4 5 6 7 8 9 ====\nexport {}\n', 1),
  sample('header-comment', pure, `${header}export {}\n`, 0),
  sample(
    'header-comment',
    pure,
    '/**\n * A package that says what it is,\n * in two lines.\n */\nexport {}\n',
    0,
  ),

  sample('file-name', 'packages/raft/src/utils.ts', '', 1),
  sample('file-name', 'packages/raft/src/log-helpers.ts', '', 1),
  sample('file-name', 'packages/raft/src/common/log.ts', '', 1),
  sample('file-name', 'packages/raft/src/GroupManager.ts', '', 1),
  sample('file-name', 'packages/kv/src/session_table.ts', '', 1),
  sample('file-name', 'packages/raft/src/read-index.ts', '', 0),

  sample('plain-language', pure, 'export default function f() {}', 1),
  sample('plain-language', pure, 'export default 1', 1),
  sample('plain-language', pure, 'const f = 1\nexport { f as default }', 1),
  sample('plain-language', pure, 'export enum Role { Leader }', 1),
  sample('plain-language', pure, 'namespace N { const x = 1 }', 1),
  sample('plain-language', pure, 'class A { constructor(private x: number) {} }', 1),
  sample(
    'plain-language',
    pure,
    "declare module './x.ts' {}\nclass A { constructor(x: number) {} }",
    0,
  ),

  sample('no-markers', pure, `// ${later}: later`, 1),
  sample('no-markers', 'README.md', `${later}`, 1),
  sample('no-markers', pure, 'const mastodon = 1', 0),

  sample('no-silent-skips', test, "it.only('x', () => {})", 1),
  sample('no-silent-skips', test, "describe.skip('x', () => {})", 1),
  sample('no-silent-skips', test, "it.skip.each([1])('x', () => {})", 1),
  sample('no-silent-skips', test, "it.todo('x')", 1),
  sample('no-silent-skips', test, "// Needs strace.\nit.skip('x', () => {})", 0),
  sample('no-silent-skips', test, "it('x', () => { list.skip(1); list.only() })", 0),

  sample('no-machine-paths', 'README.md', `cd ${home}`, 1),
  sample('no-machine-paths', 'README.md', `see ../${'shared'}/notes`, 1),
  sample('no-machine-paths', 'README.md', 'GET /users/home and ./work/x', 0),

  sample('no-registry-hosts', 'package.json', `"url": "${registry}"`, 1),
  sample('no-registry-hosts', 'README.md', 'Install it from the registry. Then go on.', 0),

  sample('no-tarballs', 'pnpm-lock.yaml', '    resolution: {tarball: x.tgz}', 1),
  sample('no-tarballs', 'pnpm-lock.yaml', '    resolution: {integrity: sha512-x==}', 0),
]
