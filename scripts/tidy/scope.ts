// Tells a global from a variable that happens to have the same name: in a history, a `process` is
// a client, and nothing of the operating system.
import ts from 'typescript'

function namesOf(binding: ts.BindingName): string[] {
  if (ts.isIdentifier(binding)) return [binding.text]
  return binding.elements.flatMap((element) =>
    ts.isOmittedExpression(element) ? [] : namesOf(element.name),
  )
}

function listed(list: ts.VariableDeclarationList): string[] {
  return list.declarations.flatMap((declaration) => namesOf(declaration.name))
}

function imported(statement: ts.ImportDeclaration): string[] {
  const clause = statement.importClause
  const bindings = clause?.namedBindings
  const own = clause?.name === undefined ? [] : [clause.name.text]
  if (bindings === undefined) return own
  if (ts.isNamespaceImport(bindings)) return [...own, bindings.name.text]
  return [...own, ...bindings.elements.map((element) => element.name.text)]
}

function declaredBy(statement: ts.Statement): string[] {
  if (ts.isVariableStatement(statement)) return listed(statement.declarationList)
  if (ts.isImportDeclaration(statement)) return imported(statement)
  const isNamed = ts.isFunctionDeclaration(statement) || ts.isClassDeclaration(statement)
  return isNamed && statement.name !== undefined ? [statement.name.text] : []
}

/** The names that a node brings into scope for what lies inside it. */
function declaredIn(scope: ts.Node): string[] {
  if (ts.isFunctionLike(scope)) {
    return scope.parameters.flatMap((parameter) => namesOf(parameter.name))
  }
  if (ts.isBlock(scope) || ts.isSourceFile(scope) || ts.isCaseOrDefaultClause(scope)) {
    return [...scope.statements].flatMap(declaredBy)
  }
  if (ts.isForStatement(scope) || ts.isForOfStatement(scope) || ts.isForInStatement(scope)) {
    const { initializer } = scope
    return initializer !== undefined && ts.isVariableDeclarationList(initializer)
      ? listed(initializer)
      : []
  }
  if (!ts.isCatchClause(scope) || scope.variableDeclaration === undefined) return []
  return namesOf(scope.variableDeclaration.name)
}

/** Whether an identifier refers to something that its own file declares. */
export function isLocal(identifier: ts.Identifier): boolean {
  for (let at: ts.Node = identifier.parent; ; at = at.parent) {
    if (declaredIn(at).includes(identifier.text)) return true
    if (ts.isSourceFile(at)) return false
  }
}
