// Durations of ranges, steps and offsets: a number of seconds or 1h30m, with a sign.
// Specification: Prometheus 3.14, promql/parser/generated_parser.y (duration_expr, offset_duration_expr). Arithmetic on durations needs
// a feature flag there: it is read here as far as its error goes. Owns both rules; values are seconds.
import type { NumberLiteral } from './ast.ts'
import { readDuration, readNumber } from './numbers.ts'
import type { TokenStream } from './token-stream.ts'
import type { Token, TokenType } from './tokens.ts'

/** What int64 nanoseconds hold. */
const maxSeconds = 2 ** 63 / 1e9

/** A literal duration and where it starts. */
interface Duration {
  readonly seconds: number
  readonly start: number
}

/** `5`, `0x1F`, `1h30m`, `Inf`. */
export function parseNumber(tokens: TokenStream): NumberLiteral {
  const type = tokens.peek()
  if (type !== 'number' && type !== 'duration') tokens.unexpected()
  const { text, start } = tokens.next()
  const reading = type === 'number' ? readNumber(text) : readDuration(text)
  if ('problem' in reading) throw tokens.error(start, reading.problem)
  const pos = { start, end: tokens.lastEnd }
  return { kind: 'number', value: reading.value, ...(type === 'duration' && { duration: true }), pos }
}

/** Milliseconds of the range of `[…]` or its step: must be greater than 0. */
export function parsePositiveDurationMs(tokens: TokenStream): number {
  const { seconds, start } = parseDuration(tokens, 0)
  if (seconds <= 0) throw tokens.error(start, 'duration must be greater than 0')
  return secondsToMs(seconds)
}

/** Milliseconds of an offset: may be negative, and the sign may stand before parentheses. */
export function parseOffsetMs(tokens: TokenStream): number {
  const type = tokens.peek()
  if (type === 'number' || type === 'duration') return secondsToMs(parseLiteral(tokens).seconds)
  if (type !== '+' && type !== '-') return secondsToMs(parseDuration(tokens, 0).seconds)
  const sign = tokens.next()
  return secondsToMs(parseSignedOffset(tokens, sign))
}

// After the sign Prometheus takes exactly one number, call or pair of parentheses: `foo offset -2 ^ 2` is `(foo offset -2) ^ 2`.
function parseSignedOffset(tokens: TokenStream, sign: Token): number {
  switch (tokens.peek()) {
    case 'number':
    case 'duration':
      return signed(tokens, sign, parseNumber(tokens).value)
    case 'step':
    case 'range':
      return parseCall(tokens, sign.start)
    case 'max_of':
    case 'min_of':
      return parseExtremeCall(tokens, sign.start)
    case '(': {
      tokens.next()
      const inner = parseDuration(tokens, 0)
      tokens.expect(')')
      return signed(tokens, sign, inner.seconds)
    }
    default:
      return signed(tokens, sign, parseDuration(tokens, signPrecedence).seconds)
  }
}

/** Rounded to nanoseconds, cut to milliseconds, as Prometheus does. */
function secondsToMs(seconds: number): number {
  return Math.trunc((Math.sign(seconds) * Math.round(Math.abs(seconds) * 1e9)) / 1e6)
}

function signed(tokens: TokenStream, sign: Token, seconds: number): number {
  const value = sign.type === '-' ? -seconds : seconds
  checkRange(tokens, sign.start, value)
  return value
}

function checkRange(tokens: TokenStream, start: number, seconds: number): void {
  if (Math.abs(seconds) > maxSeconds) throw tokens.error(start, 'duration out of range')
}

const precedences: Partial<Record<TokenType, number>> = { '+': 1, '-': 1, '*': 2, '/': 2, '%': 2, '^': 3 }
const signPrecedence = 3

/** An expression of durations. All that is more than a number with signs throws that it is not enabled. */
function parseDuration(tokens: TokenStream, minPrecedence: number): Duration {
  const first = tokens.deeper(() => parseOperand(tokens))
  const precedence = precedences[tokens.peek()]
  if (precedence === undefined || precedence < minPrecedence) return first
  const operator = tokens.next()
  parseDuration(tokens, operator.type === '^' ? precedence : precedence + 1)
  throw notEnabled(tokens, first.start)
}

function parseOperand(tokens: TokenStream): Duration {
  switch (tokens.peek()) {
    case '+':
    case '-': {
      const sign = tokens.next()
      const { seconds } = parseDuration(tokens, signPrecedence)
      return { seconds: signed(tokens, sign, seconds), start: sign.start }
    }
    case '(': {
      tokens.next()
      const inner = parseDuration(tokens, 0)
      tokens.expect(')')
      throw notEnabled(tokens, inner.start)
    }
    case 'step':
    case 'range':
      return parseCall(tokens)
    case 'max_of':
    case 'min_of':
      return parseExtremeCall(tokens)
    default:
      return parseLiteral(tokens)
  }
}

function parseLiteral(tokens: TokenStream): Duration {
  const literal = parseNumber(tokens)
  const { start } = literal.pos
  checkRange(tokens, start, literal.value)
  return { seconds: literal.value, start }
}

function parseCall(tokens: TokenStream, signStart?: number): never {
  const { start } = tokens.next()
  tokens.expect('(')
  tokens.expect(')')
  throw notEnabled(tokens, signStart ?? start)
}

// Prometheus places max_of(a, b) where a is.
function parseExtremeCall(tokens: TokenStream, signStart?: number): never {
  tokens.next()
  tokens.expect('(')
  const first = parseDuration(tokens, 0)
  tokens.expect(',')
  parseDuration(tokens, 0)
  tokens.expect(')')
  throw notEnabled(tokens, signStart ?? first.start)
}

function notEnabled(tokens: TokenStream, start: number) {
  return tokens.error(start, 'experimental duration expression is not enabled')
}
