// What keeps algorithms replayable and packages portable: no clock, no randomness, no timers,
// no operating system where they were not handed in, and no promise inside an algorithm.
import { builtinModules } from 'node:module'
import ts from 'typescript'
import { isPackageSource, packageOf, syntaxRule, type FileRule } from './rule.ts'
import { isLocal } from './scope.ts'

const pure: ReadonlySet<string> = new Set([
  'core',
  'ring',
  'raft',
  'paxos',
  'runtime',
  'kv',
  'sim',
  'linearizability',
  'storage-memory',
  'transport-memory',
])
const synchronous: ReadonlySet<string> = new Set(['ring', 'raft', 'paxos'])
const bannedGlobals: ReadonlySet<string> = new Set([
  'Buffer',
  'process',
  'Date',
  'performance',
  'crypto',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'require',
  '__dirname',
  '__filename',
])
const promises: ReadonlySet<string> = new Set([
  'Promise',
  'PromiseLike',
  'AsyncIterable',
  'AsyncGenerator',
  'queueMicrotask',
])
/** The two places that wrap the platform's time and randomness. */
const wrappers: ReadonlySet<string> = new Set([
  'packages/core/src/clock.ts',
  'packages/core/src/random.ts',
])
/** Files of a package for Node that a browser bundles too. */
const browserSide = /^packages\/transport-ws\/src\/browser[a-z-]*\.ts$/

function isPure(path: string): boolean {
  return isPackageSource(path) && pure.has(packageOf(path) ?? '') && !wrappers.has(path)
}

/** Whether an identifier reads a global, rather than a variable, a member or a property. */
function isGlobal(node: ts.Identifier): boolean {
  const { parent } = node
  if (ts.isPropertyAccessExpression(parent) && parent.name === node) return false
  if (ts.isQualifiedName(parent) && parent.right === node) return false
  if (ts.isPropertyAssignment(parent) && parent.name === node) return false
  if (ts.isBindingElement(parent) && parent.propertyName === node) return false
  const named =
    ts.isPropertyDeclaration(parent) ||
    ts.isPropertySignature(parent) ||
    ts.isMethodDeclaration(parent) ||
    ts.isMethodSignature(parent) ||
    ts.isImportSpecifier(parent)
  return (!named || parent.name !== node) && !isLocal(node)
}

function memberName(node: ts.Node): string | undefined {
  if (ts.isPropertyAccessExpression(node)) return node.name.text
  if (ts.isElementAccessExpression(node) && ts.isStringLiteralLike(node.argumentExpression)) {
    return node.argumentExpression.text
  }
  return undefined
}

/** No ambient time, randomness, timers or process in a package that runs anywhere. */
export const noBannedGlobals: FileRule = syntaxRule('banned-globals', isPure, (node) => {
  if (ts.isIdentifier(node) && bannedGlobals.has(node.text) && isGlobal(node)) {
    return `${node.text} is not available here: take it from the context`
  }
  const member = memberName(node)
  if (member === undefined) return undefined
  const { expression } = node as ts.PropertyAccessExpression | ts.ElementAccessExpression
  const object = ts.isIdentifier(expression) ? expression.text : ''
  if (object === 'Math' && member === 'random') return 'Math.random: take a Random from the context'
  if (object === 'globalThis' && bannedGlobals.has(member)) {
    return `globalThis.${member}: take it from the context`
  }
  return undefined
})

function importedModule(node: ts.Node): string | undefined {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) {
    const { moduleSpecifier } = node
    return moduleSpecifier !== undefined && ts.isStringLiteral(moduleSpecifier)
      ? moduleSpecifier.text
      : undefined
  }
  if (!ts.isCallExpression(node) || node.expression.kind !== ts.SyntaxKind.ImportKeyword) {
    return undefined
  }
  const [specifier] = node.arguments
  return specifier !== undefined && ts.isStringLiteralLike(specifier) ? specifier.text : undefined
}

/** No `node:` import and no Buffer where a browser runs the code. */
export const noNode: FileRule = syntaxRule(
  'no-node',
  (path) => (isPackageSource(path) && pure.has(packageOf(path) ?? '')) || browserSide.test(path),
  (node) => {
    if (ts.isIdentifier(node) && node.text === 'Buffer' && isGlobal(node)) {
      return 'Buffer exists in Node alone: use Uint8Array'
    }
    const name = importedModule(node)
    if (name === undefined) return undefined
    const bare = name.replace(/^node:/, '')
    const isBuiltin = name.startsWith('node:') || builtinModules.includes(bare)
    return isBuiltin ? `imports ${name}, which a browser does not have` : undefined
  },
)

/** No promise in an algorithm: a step ends in the turn in which it began. */
export const noAsync: FileRule = syntaxRule(
  'no-async',
  (path) => isPackageSource(path) && synchronous.has(packageOf(path) ?? ''),
  (node) => {
    if (node.kind === ts.SyntaxKind.AwaitKeyword) return 'await in a synchronous package'
    if (node.kind === ts.SyntaxKind.AsyncKeyword) return 'async in a synchronous package'
    if (ts.isIdentifier(node) && promises.has(node.text) && isGlobal(node)) {
      return `${node.text} in a synchronous package`
    }
    return undefined
  },
)

/** No await at the top of a module: `require()` of it would throw. */
export const noTopLevelAwait: FileRule = syntaxRule(
  'no-top-level-await',
  isPackageSource,
  (node) => {
    const awaits =
      ts.isAwaitExpression(node) || (ts.isForOfStatement(node) && node.awaitModifier !== undefined)
    if (!awaits) return undefined
    for (let at: ts.Node = node.parent; !ts.isSourceFile(at); at = at.parent) {
      if (ts.isFunctionLike(at) || ts.isClassStaticBlockDeclaration(at)) return undefined
    }
    return 'await at the top level of a published module'
  },
)
