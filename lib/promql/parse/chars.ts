// Classes of characters in PromQL, and characters as messages show them.
// Specification: Prometheus 3.14, promql/parser/lex.go; Go's %q and %#U of a rune.
// Owns both; characters are code points, endOfInput past the last one.
import { quoteGo } from '../functions/go-format.ts'

export const endOfInput = -1

export function isSpace(c: number): boolean {
  return c === 0x20 || c === 0x09 || c === 0x0a || c === 0x0d
}

export function isDigit(c: number): boolean {
  return c >= 0x30 && c <= 0x39
}

/** ASCII letters and the underscore. */
export function isAlpha(c: number): boolean {
  return c === 0x5f || (c >= 0x61 && c <= 0x7a) || (c >= 0x41 && c <= 0x5a)
}

export function isAlphaNumeric(c: number): boolean {
  return isAlpha(c) || isDigit(c)
}

/** What decoding made of bytes that are no UTF-8, or half of a surrogate pair. */
export function isInvalid(c: number): boolean {
  return c === 0xfffd || (c >= 0xd800 && c <= 0xdfff)
}

/** Go's %q: `'x'`. */
export function quoteCharacter(c: number): string {
  if (c === 0x27) return `'\\''`
  if (c === 0x22) return `'"'`
  const text = c < 0 || isInvalid(c) ? '\ufffd' : String.fromCodePoint(c)
  return `'${quoteGo(text).slice(1, -1)}'`
}

/** Go's %#U: `U+0071 'q'`. */
export function nameCharacter(c: number): string {
  const code = `U+${c.toString(16).toUpperCase().padStart(4, '0')}`
  const text = String.fromCodePoint(c)
  return quoteGo(text) === `"${text}"` || text === '"' || text === '\\' ? `${code} '${text}'` : code
}
