// Replacement templates of regular expressions: `$1-${name}`, filled with the groups of a match.
// Specification: Go's regexp.Expand, which label_replace and relabelling share.
// Owns the templates' parsing; a group that is not there is empty.
import type { RE2JS } from 're2js'

/** A piece of a template: text, or a group by number or name. */
export type Template = readonly ({ readonly text: string } | { readonly group: string | number })[]

// $$, then $name or ${name}; any other $ stands for itself.
const reference = /\$(?:\$|([\p{L}\p{Nd}_]+)|\{([\p{L}\p{Nd}_]+)\})/gu

export function compileTemplate(template: string): Template {
  const pieces: ({ text: string } | { group: string | number })[] = []
  let end = 0
  for (const match of template.matchAll(reference)) {
    pieces.push({ text: template.slice(end, match.index) })
    const name = match[1] ?? match[2]
    if (name === undefined) pieces.push({ text: '$' })
    else pieces.push({ group: /^(0|[1-9][0-9]{0,8})$/.test(name) ? Number(name) : name })
    end = match.index + match[0].length
  }
  pieces.push({ text: template.slice(end) })
  return pieces
}

/** The templates filled with the groups of the expression's match in `value`; undefined where there is none. */
export function expandMatch(regex: RE2JS, templates: readonly Template[], value: string): string[] | undefined {
  const matcher = regex.matcher(value)
  if (!matcher.find()) return undefined
  const names = regex.namedGroups()
  const fill = (piece: Template[number]) => {
    if ('text' in piece) return piece.text
    const index = typeof piece.group === 'number' ? piece.group : names[piece.group]
    if (index === undefined || index > matcher.groupCount()) return ''
    return matcher.group(index) ?? ''
  }
  return templates.map((template) => template.map(fill).join(''))
}
