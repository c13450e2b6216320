// The values of number and duration tokens.
// Specification: Go's strconv.ParseInt(…, 0, 64), then strconv.ParseFloat; prometheus/common model.ParseDuration.
// Owns both readings with their messages; a message is thrown as a plain text for the parser to place.
import { quoteGo } from '../functions/go-format.ts'

/** A value, or what Prometheus says is wrong with it. */
export type Reading = { readonly value: number } | { readonly problem: string }

const underscored = /^(?!_)(?:_?[0-9a-fA-FxX.eE+-])*$/
const misplaced = /_(?![0-9a-fA-F])|(?<![0-9a-fA-FxX])_/
const decimal = /^(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/
const maxInt64 = 2n ** 63n - 1n

/** The value of a number token: decimal, 0x hexadecimal, octal with a leading 0, floating, Inf, NaN; underscores between digits. */
export function readNumber(text: string): Reading {
  const word = text.toLowerCase()
  if (word === 'inf') return { value: Number.POSITIVE_INFINITY }
  if (word === 'nan') return { value: Number.NaN }
  const invalid = { problem: `error parsing number: strconv.ParseFloat: parsing ${quoteGo(text)}: invalid syntax` }
  if (!underscored.test(text) || misplaced.test(text)) return invalid
  const digits = text.replaceAll('_', '')
  const integer = readInteger(digits)
  if (integer !== undefined) return { value: integer }
  if (!decimal.test(digits)) return invalid
  const value = Number(digits)
  if (Number.isFinite(value)) return { value }
  return { problem: `error parsing number: strconv.ParseFloat: parsing ${quoteGo(text)}: value out of range` }
}

function readInteger(digits: string): number | undefined {
  const hex = /^0[xX][0-9a-fA-F]+$/.test(digits)
  const octal = /^0[0-7]+$/.test(digits)
  if (!hex && !octal) return undefined
  const value = BigInt(octal ? `0o${digits.slice(1)}` : digits)
  return value <= maxInt64 ? Number(value) : undefined
}

const units: Readonly<Record<string, { readonly rank: number; readonly ns: bigint }>> = {
  y: { rank: 1, ns: 31_536_000_000_000_000n },
  w: { rank: 2, ns: 604_800_000_000_000n },
  d: { rank: 3, ns: 86_400_000_000_000n },
  h: { rank: 4, ns: 3_600_000_000_000n },
  m: { rank: 5, ns: 60_000_000_000n },
  s: { rank: 6, ns: 1_000_000_000n },
  ms: { rank: 7, ns: 1_000_000n },
}

/** The seconds of a duration token such as 1h30m; units from the largest to the smallest, each once. */
export function readDuration(text: string): Reading {
  const invalid = { problem: `not a valid duration string: ${quoteGo(text)}` }
  if (text.startsWith('.')) return invalid
  let ns = 0n
  let rank = 0
  for (const [, amount, name] of text.matchAll(/(\d+)(\D+)/g)) {
    const value = BigInt(amount!)
    if (value >= 2n ** 64n) return invalid
    const unit = units[name!]
    if (!unit) return { problem: `unknown unit ${quoteGo(name!)} in duration ${quoteGo(text)}` }
    if (unit.rank <= rank) return invalid
    rank = unit.rank
    if (value > 2n ** 63n / unit.ns) return { problem: 'duration out of range' }
    ns += value * unit.ns
    if (ns > maxInt64) return { problem: 'duration out of range' }
  }
  return { value: Number(ns / 1_000_000_000n) + Number(ns % 1_000_000_000n) / 1e9 }
}
