// The shape of a file: what it is called, how long it is, how it opens, and which parts of the
// language stay out of it.
import { basename } from 'node:path'
import ts from 'typescript'
import { isCode, isPackageSource, syntaxRule, type FileRule, type Problem } from './rule.ts'

/** No file is longer. */
const linesMax = 600

const emptyNames = /(?:^|[.-])(?:utils?|common|helpers?|managers?|misc|stuff)(?:[.-]|$)/
const marker = /\b(?:TO(?:DO)|FIX(?:ME)|X(?:XX))\b/

function isLongLived(path: string): boolean {
  return isCode(path) && !path.startsWith('docs/')
}

/** A file over the limit has two subjects. */
export const fileSize: FileRule = {
  name: 'file-size',
  applies: isLongLived,
  check({ path, text }) {
    const lines = lineCount(text)
    if (lines <= linesMax) return []
    return [
      { rule: 'file-size', path, line: linesMax, message: `${lines} lines, over ${linesMax}` },
    ]
  },
}

/** The number of lines of a text, the last newline not counted. */
export function lineCount(text: string): number {
  return text === '' ? 0 : text.replace(/\n$/, '').split('\n').length
}

/** A sentence that says why a file exists has at least as many words. */
const headerWordsMin = 8

/** A file opens with a sentence or two that say why it exists. */
export const headerComment: FileRule = {
  name: 'header-comment',
  applies: (path) =>
    isPackageSource(path) ||
    /^(apps|tests)\/[^/]+\/src\/.*\.tsx?$|^scripts\/.*\.m?[jt]s$/.test(path),
  check({ path, text }) {
    const body = text.replace(/^#!.*\n/, '')
    const opening =
      /^(?:\/\/[^\n]*\n)+/.exec(body)?.[0] ?? /^\/\*[\s\S]*?\*\//.exec(body)?.[0] ?? ''
    if ((opening.match(/[\w'’-]*[a-z][\w'’-]*/gi) ?? []).length >= headerWordsMin) return []
    const message = 'does not open with a comment that says in a sentence why the file exists'
    return [{ rule: 'header-comment', path, line: 1, message }]
  },
}

/** A name that fits any content says nothing about it. */
export const fileName: FileRule = {
  name: 'file-name',
  applies: isLongLived,
  check({ path }) {
    const problems: Problem[] = []
    const add = (message: string): unknown =>
      problems.push({ rule: 'file-name', path, line: 1, message })
    for (const part of path.split('/')) {
      if (emptyNames.test(part)) add(`"${part}" does not say what is inside`)
    }
    const name = basename(path)
    if (!/^\.?[a-z0-9]+(?:[-.][a-z0-9]+)*$/.test(name)) add(`"${name}" is not kebab-case`)
    return problems
  },
}

function hasModifier(node: ts.Node, kind: ts.SyntaxKind): boolean {
  return ts.canHaveModifiers(node) && (ts.getModifiers(node) ?? []).some((it) => it.kind === kind)
}

/** No default export, enum, namespace or parameter property in what is published. */
export const plainLanguage: FileRule = syntaxRule('plain-language', isPackageSource, (node) => {
  if (ts.isExportAssignment(node)) return 'default export'
  if (ts.isExportSpecifier(node) && node.name.text === 'default') return 'default export'
  if (hasModifier(node, ts.SyntaxKind.DefaultKeyword)) return 'default export'
  if (ts.isEnumDeclaration(node)) return 'enum: use a union of strings'
  if (ts.isModuleDeclaration(node) && ts.isIdentifier(node.name)) return 'namespace'
  if (ts.isParameter(node) && ts.isParameterPropertyDeclaration(node, node.parent)) {
    return 'parameter property'
  }
  return undefined
})

/** Work that is left is an issue, not a note in the code. */
export const noMarkers: FileRule = {
  name: 'no-markers',
  applies: (path) => isCode(path) || /\.(md|json|ya?ml)$/.test(path),
  check({ path, text }) {
    return text.split('\n').flatMap((row, index) => {
      const found = marker.exec(row)?.[0]
      if (found === undefined) return []
      return [{ rule: 'no-markers', path, line: index + 1, message: `${found} left in the tree` }]
    })
  },
}

const suites: ReadonlySet<string> = new Set(['describe', 'it', 'test', 'suite', 'bench'])

/** The suite function at the left end of `describe.skip.each(…)`. */
function suiteOf(node: ts.Expression): string | undefined {
  if (ts.isIdentifier(node)) return suites.has(node.text) ? node.text : undefined
  if (ts.isPropertyAccessExpression(node) || ts.isCallExpression(node))
    return suiteOf(node.expression)
  return undefined
}

function isExplained(node: ts.Node, text: string): boolean {
  const start = node.getStart()
  const lineStart = text.lastIndexOf('\n', start - 1) + 1
  const lineEnd = text.indexOf('\n', start)
  const own = text.slice(start, lineEnd === -1 ? text.length : lineEnd)
  const before = text.slice(0, lineStart).trimEnd()
  const above = before.slice(before.lastIndexOf('\n') + 1).trim()
  return /\/\/\s*\w/.test(own) || above.startsWith('//') || above.endsWith('*/')
}

/** A test that does not run says why in a comment, and none runs alone. */
export const noSilentSkips: FileRule = syntaxRule(
  'no-silent-skips',
  (path) => /\.(test|spec)\.[mc]?[jt]sx?$/.test(path) || /\/test\//.test(path),
  (node, file) => {
    if (!ts.isPropertyAccessExpression(node) || suiteOf(node.expression) === undefined) {
      return undefined
    }
    if (node.name.text === 'only') return '.only leaves every other test out'
    if (node.name.text === 'todo') return '.todo is a test that cannot fail'
    if (node.name.text === 'skip' && !isExplained(node, file.text)) {
      return '.skip without a comment that says why'
    }
    return undefined
  },
)
