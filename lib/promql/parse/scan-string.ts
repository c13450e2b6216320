// Strings of PromQL: where they end, what is wrong in them, and their value.
// Specification: Prometheus 3.14, promql/parser/lex.go (lexString, lexEscape) and util/strutil/quote.go (Unquote), after Go's own.
// Owns the escapes.
import { isUtf8 } from 'node:buffer'
import { endOfInput, isInvalid, nameCharacter } from './chars.ts'
import type { Scanner } from './scanner.ts'

const backslash = 0x5c
const simpleEscapes: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
  v: 11,
  '\\': 92,
  "'": 39,
  '"': 34,
}
const hexLengths: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 }

/** Moves behind the closing quote (the opening one is read already); a message where the string is wrong. */
export function scanQuoted(s: Scanner, quote: number): string | undefined {
  for (;;) {
    const c = s.next()
    if (c === quote) return undefined
    if (c === endOfInput || c === 0x0a) return 'unterminated quoted string'
    if (isInvalid(c)) return 'invalid UTF-8 rune'
    const problem = c === backslash ? scanEscape(s, quote) : undefined
    if (problem !== undefined) return problem
  }
}

/** The same for a string in back quotes, which knows no escapes. */
export function scanRaw(s: Scanner, quote: number): string | undefined {
  for (;;) {
    const c = s.next()
    if (c === quote) return undefined
    if (c === endOfInput) return 'unterminated raw string'
    if (isInvalid(c)) return 'invalid UTF-8 rune'
  }
}

function scanEscape(s: Scanner, quote: number): string | undefined {
  const c = s.next()
  if (c === endOfInput) return 'escape sequence not terminated'
  const name = String.fromCodePoint(c)
  if (c === quote || (simpleEscapes[name] !== undefined && name !== "'" && name !== '"')) return undefined
  const octal = name >= '0' && name <= '7'
  const length = octal ? 3 : hexLengths[name]
  if (length === undefined) return `unknown escape sequence ${nameCharacter(c)}`
  if (octal) s.backup()
  const base = octal ? 8 : 16
  let value = 0
  for (let i = 0; i < length; i++) {
    const digit = s.next()
    if (digit === endOfInput) return 'escape sequence not terminated'
    const d = digitValue(digit)
    if (d >= base) return `illegal character ${nameCharacter(digit)} in escape sequence`
    value = value * base + d
  }
  const max = octal || name === 'x' ? 255 : 0x10ffff
  const surrogate = value >= 0xd800 && value < 0xe000
  return value > max || surrogate ? 'escape sequence is an invalid Unicode code point' : undefined
}

function digitValue(c: number): number {
  const text = String.fromCodePoint(c)
  return /^[0-9a-fA-F]$/.test(text) ? Number.parseInt(text, 16) : 16
}

/** The value of a scanned string. `\xff` and octal escapes are bytes of UTF-8; a byte that is none becomes the lone surrogate U+DC00 + byte. */
export function unquote(text: string): string {
  const inner = text.slice(1, -1)
  if (text.startsWith('`') || !inner.includes('\\')) return inner
  const bytes: number[] = []
  const pattern = /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))|[^\\]+/gs
  for (const [all, hexByte, hex4, hex8, octal, simple] of inner.matchAll(pattern)) {
    const hex = hex4 ?? hex8
    if (hexByte !== undefined) bytes.push(Number.parseInt(hexByte, 16))
    else if (octal !== undefined) bytes.push(Number.parseInt(octal, 8))
    else if (hex !== undefined) bytes.push(...Buffer.from(String.fromCodePoint(Number.parseInt(hex, 16))))
    else if (simple !== undefined) bytes.push(simpleEscapes[simple]!)
    else for (const byte of Buffer.from(all)) bytes.push(byte)
  }
  return decodeUtf8(Buffer.from(bytes))
}

// Go's strings hold any bytes. A lone surrogate is in no text, so what it stands for stays invalid, and can be shown.
function decodeUtf8(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString('utf8')
  let text = ''
  for (let i = 0; i < bytes.length; ) {
    const length = [1, 2, 3, 4].find((n) => i + n <= bytes.length && isUtf8(bytes.subarray(i, i + n)))
    text += length === undefined ? String.fromCharCode(0xdc00 + bytes[i]!) : bytes.toString('utf8', i, i + length)
    i += length ?? 1
  }
  return text
}
