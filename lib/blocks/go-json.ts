// JSON as Go's encoding/json writes it: order kept, HTML characters escaped, optionally indented by tabs.
// Specification: Go encoding/json (Encoder with SetIndent("", "\t"), and Marshal without).
// Owns the bytes of the JSON that Thanos and Prometheus exchange: maps have their keys in the order given.
import { MnemoError } from '../kit/errors.ts'

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject
/** Entries in order: a plain object would move names such as "1" to its front. */
export type JsonObject = ReadonlyMap<string, JsonValue>

/** No document of ours is nested deeper; a hostile one would overflow the stack. */
const maxDepth = 100

/** The value as JSON; `indented` by one tab a level, without a newline at the end. */
export function formatGoJson(value: JsonValue, indented: boolean): string {
  return format(value, indented ? '\n' : '', 0)
}

function format(value: JsonValue, newline: string, depth: number): string {
  if (depth > maxDepth) throw new MnemoError('bad_data', `cannot write JSON: it is nested deeper than ${maxDepth}`)
  if (typeof value === 'string') return formatString(value)
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const inner = newline && `${newline}\t`
  if (Array.isArray(value))
    return wrap(
      '[]',
      inner,
      newline,
      value.map((item) => format(item, inner, depth + 1)),
    )
  const space = newline ? ' ' : ''
  const entries = [...(value as JsonObject)].map(
    ([key, item]) => `${formatString(key)}:${space}${format(item, inner, depth + 1)}`,
  )
  return wrap('{}', inner, newline, entries)
}

function wrap(brackets: '[]' | '{}', inner: string, newline: string, items: readonly string[]): string {
  if (items.length === 0) return brackets
  return `${brackets[0]}${inner}${items.join(`,${inner}`)}${newline}${brackets[1]}`
}

// Go escapes what would be special inside HTML and JavaScript, and replaces what is not Unicode.
function formatString(text: string): string {
  return JSON.stringify(text.toWellFormed()).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** What JSON.parse made, as an ordered value. */
export function orderedJson(value: unknown, depth = 0): JsonValue {
  if (depth > maxDepth) throw new MnemoError('bad_data', `cannot read JSON: it is nested deeper than ${maxDepth}`)
  if (typeof value !== 'object' || value === null) return value as JsonValue
  if (Array.isArray(value)) return value.map((item) => orderedJson(item, depth + 1))
  return new Map(Object.entries(value).map(([key, item]) => [key, orderedJson(item, depth + 1)]))
}
