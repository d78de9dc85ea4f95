// Two operations with the same input and output are interchangeable, which prunes the search.
// This finds them by content, and gives up (no pruning) on anything that is not plain data.

const maxDepth = 16

/**
 * A string that two values share only if no model can tell them apart, or `undefined` where
 * that cannot be known: functions, symbols, class instances, cycles.
 */
export function identity(value: unknown, depth = 0): string | undefined {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value)
    case 'number':
      return Object.is(value, -0) ? '-0' : String(value)
    case 'boolean':
    case 'undefined':
      return String(value)
    case 'bigint':
      return `${value}n`
    case 'object':
      return value === null ? 'null' : composite(value, depth)
    default:
      return undefined
  }
}

function composite(value: object, depth: number): string | undefined {
  if (depth >= maxDepth || Object.getOwnPropertySymbols(value).length > 0) return undefined
  const isArray = Array.isArray(value)
  const prototype: unknown = Object.getPrototypeOf(value)
  if (!isArray && prototype !== Object.prototype && prototype !== null) return undefined
  const parts: string[] = []
  for (const key of Object.keys(value).sort()) {
    const part = identity((value as Record<string, unknown>)[key], depth + 1)
    if (part === undefined) return undefined
    parts.push(`${JSON.stringify(key)}:${part}`)
  }
  return isArray ? `[${value.length}|${parts.join(',')}]` : `{${parts.join(',')}}`
}
