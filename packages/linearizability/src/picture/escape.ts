// Whatever a history holds may be hostile to the page that shows it: nothing reaches the markup
// but through here.

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/**
 * Text for an element or a quoted attribute of HTML or XML. Characters that XML forbids, and
 * those that turn the direction of writing, become their code points in words.
 */
export function escaped(text: string): string {
  return text
    .replace(/[&<>"']/g, (char) => entities[char] as string)
    .replace(
      // eslint-disable-next-line no-control-regex
      /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufffe\uffff]/g,
      (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
    )
    .replace(/\p{Surrogate}/gu, (char) => `\\u${char.charCodeAt(0).toString(16)}`)
}

/** Text cut to a length, with an ellipsis where something was cut. Cuts between characters. */
export function shortened(text: string, length: number): string {
  const characters = Array.from(text.slice(0, length * 2 + 2))
  if (characters.length <= length && text.length <= length * 2 + 2) return text
  return `${characters.slice(0, Math.max(length - 1, 1)).join('')}…`
}
