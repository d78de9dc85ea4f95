// The shape of a rule: a pure function from the text of one file, or from the whole workspace,
// to problems. Being pure is what lets a test hand it a bad sample and see it object.
import ts from 'typescript'

/** A tracked file. Paths are relative to the root, with forward slashes. */
export interface SourceFile {
  readonly path: string
  readonly text: string
}

/** One objection, with the line to open. */
export interface Problem {
  readonly rule: string
  readonly path: string
  readonly line: number
  readonly message: string
}

/** A rule about one file at a time. */
export interface FileRule {
  readonly name: string
  applies(path: string): boolean
  check(file: SourceFile): Problem[]
}

const programs = new WeakMap<SourceFile, ts.SourceFile>()

/** The syntax tree of a file, parsed once however many rules look at it. */
function parse(file: SourceFile): ts.SourceFile {
  const known = programs.get(file)
  if (known !== undefined) return known
  const tree = ts.createSourceFile(file.path, file.text, ts.ScriptTarget.ES2023, true)
  programs.set(file, tree)
  return tree
}

/** Every node of a tree, parents first. */
function* nodes(root: ts.Node): Generator<ts.Node> {
  yield root
  for (const child of root.getChildren()) yield* nodes(child)
}

/** The 1-based line on which a node starts. */
function lineOf(tree: ts.SourceFile, node: ts.Node): number {
  return tree.getLineAndCharacterOfPosition(node.getStart(tree)).line + 1
}

/** A rule over syntax trees: `visit` names what is wrong with a node, or returns undefined. */
export function syntaxRule(
  name: string,
  applies: (path: string) => boolean,
  visit: (node: ts.Node, file: SourceFile) => string | undefined,
): FileRule {
  return {
    name,
    applies,
    check(file) {
      const tree = parse(file)
      const problems: Problem[] = []
      for (const node of nodes(tree)) {
        const message = visit(node, file)
        if (message === undefined) continue
        problems.push({ rule: name, path: file.path, line: lineOf(tree, node), message })
      }
      return problems
    },
  }
}

/** The workspace folder of a path: `raft` for `packages/raft/src/log.ts`. */
export function packageOf(path: string): string | undefined {
  return /^packages\/([^/]+)\//.exec(path)?.[1]
}

/** Whether a path is a source file of a published package. */
export function isPackageSource(path: string): boolean {
  return /^packages\/[^/]+\/src\/.*\.ts$/.test(path)
}

/** Whether a path is TypeScript or JavaScript of this repository, tests and scripts included. */
export function isCode(path: string): boolean {
  return /\.(ts|tsx|mts|mjs|cjs|js)$/.test(path)
}
