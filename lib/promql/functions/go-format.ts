// Numbers and strings as Go's fmt and strconv write and read them, where Prometheus's answers and messages show them.
// Specification: Go's strconv.FormatFloat ('f' and 'g', shortest), strconv.ParseFloat, strconv.Quote, time.RFC3339.
// Owns these spellings for the engine.

import type { Labels } from '../../labels/labels.ts'

/** Shortest digits that read back as the value, and the decimal point's place: 0.digits × 10^point. */
function shortestDigits(value: number, precision?: number): { digits: string; point: number } {
  const text = precision === undefined ? Math.abs(value).toExponential() : roundedToEven(Math.abs(value), precision)
  const [mantissa, exponent] = text.split('e') as [string, string]
  const digits = mantissa.replace('.', '').replace(/0+$/, '')
  return { digits: digits === '' ? '0' : digits, point: Number(exponent) + 1 }
}

// JavaScript rounds what lies halfway up, Go to the even digit.
function roundedToEven(value: number, precision: number): string {
  const text = value.toExponential(precision - 1)
  const [mantissa, exponent] = value.toExponential(99).split('e') as [string, string]
  const isHalfway = /^50*$/.test(mantissa.replace('.', '').slice(precision))
  const isOdd = /[13579](e|$)/.test(mantissa.slice(0, precision === 1 ? 1 : precision + 1))
  return isHalfway && !isOdd ? `${mantissa.slice(0, precision === 1 ? 1 : precision + 1)}e${exponent}` : text
}

function special(value: number): string | undefined {
  if (Number.isNaN(value)) return 'NaN'
  if (value === Infinity) return '+Inf'
  if (value === -Infinity) return '-Inf'
  return undefined
}

function sign(value: number): string {
  return value < 0 || Object.is(value, -0) ? '-' : ''
}

function plain(digits: string, point: number): string {
  if (point <= 0) return `0.${'0'.repeat(-point)}${digits}`
  if (point >= digits.length) return digits + '0'.repeat(point - digits.length)
  return `${digits.slice(0, point)}.${digits.slice(point)}`
}

/** 'f' with the shortest digits: never an exponent. */
export function formatDecimal(value: number): string {
  const text = special(value)
  if (text !== undefined) return text
  if (value === 0) return `${sign(value)}0`
  const { digits, point } = shortestDigits(value)
  return sign(value) + plain(digits, point)
}

/** %g, or %.Ng with a precision: an exponent below 1e-4 and from 1e6 (or from the precision's digits) on. */
export function formatG(value: number, precision?: number): string {
  const text = special(value)
  if (text !== undefined) return text
  if (value === 0) return `${sign(value)}0`
  const { digits, point } = shortestDigits(value, precision)
  let limit = precision ?? 6
  if (precision !== undefined && precision > digits.length && digits.length >= point) limit = digits.length
  const exponent = point - 1
  if (exponent >= -4 && exponent < limit) return sign(value) + plain(digits, point)
  const fraction = digits.length > 1 ? `.${digits.slice(1)}` : ''
  const magnitude = String(Math.abs(exponent)).padStart(2, '0')
  return `${sign(value)}${digits[0]}${fraction}e${exponent < 0 ? '-' : '+'}${magnitude}`
}

const decimalNumber = /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/
const infinity = /^[+-]?inf(inity)?$/i

/** strconv.ParseFloat of a decimal number, an infinity or NaN; undefined where the text is none. */
export function parseFloatGo(text: string): number | undefined {
  if (decimalNumber.test(text)) {
    const value = Number(text)
    return Number.isFinite(value) ? value : undefined
  }
  if (infinity.test(text)) return text.startsWith('-') ? -Infinity : Infinity
  return /^[+-]?nan$/i.test(text) ? NaN : undefined
}

const escapes: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
}

// A character that Go does not print as it is: controls, formats, unassigned, and all spaces but U+0020.
const unprintable = /["\\]|(?! )[\p{C}\p{Z}]/gu

/** strconv.Quote. A lone surrogate U+DC00 + byte stands for a byte that is no UTF-8. */
export function quoteGo(text: string): string {
  const escaped = text.replace(unprintable, (char) => {
    const known = escapes[char]
    if (known !== undefined) return known
    const code = char.codePointAt(0)!
    const byte = code >= 0xdc80 && code < 0xdd00 ? code - 0xdc00 : code
    if (byte < 0x80 || byte !== code) return `\\x${byte.toString(16).padStart(2, '0')}`
    if (code > 0xffff) return `\\U${code.toString(16).padStart(8, '0')}`
    return `\\u${code.toString(16).padStart(4, '0')}`
  })
  return `"${escaped}"`
}

/** A label set as Prometheus writes it in messages: `{a="b", "c.d"="e"}`. */
export function formatLabelsGo(labels: Labels): string {
  const pairs: string[] = []
  for (let i = 0; i < labels.length; i += 2) {
    const name = labels[i]!
    pairs.push(`${/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name) ? name : quoteGo(name)}=${quoteGo(labels[i + 1]!)}`)
  }
  return `{${pairs.join(', ')}}`
}

/** RFC 3339 in UTC, whole seconds. */
export function formatGoTime(timeMs: number): string {
  const date = new Date(Math.trunc(timeMs / 1000) * 1000)
  return `${date.toISOString().slice(0, -5)}Z`
}
