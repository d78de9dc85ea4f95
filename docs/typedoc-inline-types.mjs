// Where documentation is required: on every export and on every member of a named type, and not
// on the fields of a type written inline, which the comment above that type explains.
import { Converter, ReflectionKind } from 'typedoc'

/** @param {import('typedoc').Application} app */
export function load(app) {
  app.converter.on(Converter.EVENT_RESOLVE_END, (context) => {
    const inline = context.project
      .getReflectionsByKind(ReflectionKind.Property)
      .filter((member) => !member.hasComment() && isInline(member))
      .map((member) => member.getFullName())
    app.options.setValue('intentionallyNotDocumented', [...new Set(inline)])
  })
}

/**
 * Whether a field belongs to an object type without a name: a variant of a union, say.
 * @param {import('typedoc').Reflection} member
 */
function isInline(member) {
  const literal = member.parent
  if (literal?.kind !== ReflectionKind.TypeLiteral) return false
  // TypeDoc asks nothing of parameters, and objects to a name on the list that it never asks for.
  for (let at = literal.parent; at !== undefined; at = at.parent) {
    if (at.kindOf(ReflectionKind.Parameter)) return false
  }
  const owner = /** @type {import('typedoc').DeclarationReflection} */ (literal.parent)
  return owner.kind !== ReflectionKind.TypeAlias || owner.type?.type !== 'reflection'
}
