// Replacement templates of regular expressions: `$1-${name}`, filled with the groups of a match.
// Specification: Go's regexp.Expand, which label_replace and relabelling share.
// Owns the templates' parsing and the expressions that fill them; a group that is not there is empty.
import type { RE2JS } from 're2js'
import { compileRe2 } from './regex.ts'
import { groupNames } from './regex-syntax.ts'

/** A regular expression over whole texts, with the numbers of the groups that bear each name. */
export interface AnchoredRegex {
  readonly regex: RE2JS
  readonly names: ReadonlyMap<string, readonly number[]>
}

/**
 * The pattern anchored as label_replace and relabelling do: as text, so that a quotation without an end (`\Qa`) takes in
 * the group's, where a matcher parses the pattern alone. Throws `bad_data` on an invalid one.
 */
export function compileAnchored(pattern: string): AnchoredRegex {
  return { regex: compileRe2(`^(?s:${pattern})$`), names: groupNames(pattern) }
}

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

/**
 * The templates filled with the groups of the expression's match in `value`; undefined where there is none.
 * Of groups that share a name the first that took part counts.
 */
export function expandMatch(
  { regex, names }: AnchoredRegex,
  templates: readonly Template[],
  value: string,
): string[] | undefined {
  const matcher = regex.matcher(value)
  if (!matcher.find()) return undefined
  const fill = (piece: Template[number]) => {
    if ('text' in piece) return piece.text
    const indexes = typeof piece.group === 'number' ? [piece.group] : (names.get(piece.group) ?? [])
    for (const index of indexes) {
      const text = index > matcher.groupCount() ? null : matcher.group(index)
      if (text !== null) return text
    }
    return ''
  }
  return templates.map((template) => template.map(fill).join(''))
}
