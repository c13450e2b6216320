// Durations of ranges, steps and offsets: a number of seconds or 1h30m, with a sign; behind a feature flag arithmetic on them.
// Specification: Prometheus 3.14, promql/parser/generated_parser.y (duration_expr, offset_duration_expr).
// Owns both rules and their messages; what arithmetic comes to is known with the query's times: plan/durations.ts.
import type { DurationExpr, DurationOperation, NumberLiteral } from './ast.ts'
import { readDuration, readNumber } from './numbers.ts'
import type { TokenStream } from './token-stream.ts'
import type { Token, TokenType } from './tokens.ts'

/** What int64 nanoseconds hold. */
const maxSeconds = 2 ** 63 / 1e9

/** A duration that is known (ms), or one that the query's times decide (ms is 0 then). */
export interface ParsedDuration {
  readonly ms: number
  readonly operation?: DurationOperation
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

/** The range of `[…]` or its step: must be greater than 0. */
export function parsePositiveDuration(tokens: TokenStream): ParsedDuration {
  const expr = parseDuration(tokens, 0)
  if (expr.kind === 'number' && expr.value <= 0) throw tokens.error(expr.pos.start, 'duration must be greater than 0')
  return parsed(expr)
}

/** An offset: may be negative, and the sign may stand before parentheses. */
export function parseOffsetDuration(tokens: TokenStream): ParsedDuration {
  const type = tokens.peek()
  if (type === 'number' || type === 'duration') return parsed(parseLiteral(tokens))
  // As after a sign: `foo offset step() * 2` is `(foo offset step()) * 2`.
  if (type === 'step' || type === 'range') return parsed(parseCall(tokens))
  if (type === 'max_of' || type === 'min_of') return parsed(parseExtremeCall(tokens))
  if (type !== '+' && type !== '-') return parsed(parseDuration(tokens, 0))
  return parsed(parseSignedOffset(tokens, tokens.next()))
}

function parsed(expr: DurationExpr): ParsedDuration {
  return expr.kind === 'number' ? { ms: secondsToMs(expr.value) } : { ms: 0, operation: expr }
}

// After the sign Prometheus takes exactly one number, call or pair of parentheses: `foo offset -2 ^ 2` is `(foo offset -2) ^ 2`.
// A second sign begins an expression: `foo offset - -2 * 2` is `foo offset ((- -2) * 2)`.
function parseSignedOffset(tokens: TokenStream, sign: Token): DurationExpr {
  switch (tokens.peek()) {
    case 'number':
    case 'duration':
      return signed(tokens, sign, parseNumber(tokens))
    case 'step':
    case 'range':
      return signed(tokens, sign, parseCall(tokens, sign.start))
    case 'max_of':
    case 'min_of':
      return signed(tokens, sign, parseExtremeCall(tokens, sign.start))
    case '(': {
      tokens.next()
      const inner = parseDuration(tokens, 0)
      tokens.expect(')')
      return signedExpression(tokens, sign, wrapped(inner, inner.pos.start, inner.pos.end))
    }
    default:
      return parseOperations(tokens, 0, signedExpression(tokens, sign, parseDuration(tokens, signPrecedence)))
  }
}

/** Rounded to nanoseconds, cut to milliseconds, as Prometheus does; no number is the least of them there. */
function secondsToMs(seconds: number): number {
  if (Number.isNaN(seconds)) return -9_223_372_036_854
  return Math.trunc((Math.sign(seconds) * Math.round(Math.abs(seconds) * 1e9)) / 1e6)
}

function signed(tokens: TokenStream, sign: Token, expr: DurationExpr): DurationExpr {
  const pos = { start: sign.start, end: expr.pos.end }
  if (expr.kind === 'number') {
    const value = sign.type === '-' ? -expr.value : expr.value
    checkRange(tokens, sign.start, value)
    return { ...expr, value, pos }
  }
  return { kind: 'duration', op: sign.type === '-' ? '-' : '+', rhs: expr, wrapped: false, pos }
}

/** The same where any expression may follow: a plus before one that is no number goes. */
function signedExpression(tokens: TokenStream, sign: Token, expr: DurationExpr): DurationExpr {
  return sign.type === '+' && expr.kind === 'duration' ? expr : signed(tokens, sign, expr)
}

function wrapped(expr: DurationExpr, start: number, end: number): DurationOperation {
  if (expr.kind === 'duration') return { ...expr, wrapped: true }
  return { kind: 'duration', op: '+', rhs: expr, wrapped: true, pos: { start, end } }
}

function checkRange(tokens: TokenStream, start: number, seconds: number): void {
  if (Math.abs(seconds) > maxSeconds) throw tokens.error(start, 'duration out of range')
}

const precedences: Partial<Record<TokenType, number>> = { '+': 1, '-': 1, '*': 2, '/': 2, '%': 2, '^': 3 }
const signPrecedence = 3

/** An expression of durations. All that is more than a number with signs needs the feature flag. */
function parseDuration(tokens: TokenStream, minPrecedence: number): DurationExpr {
  return parseOperations(
    tokens,
    minPrecedence,
    tokens.deeper(() => parseOperand(tokens)),
  )
}

/** What follows a first operand. */
function parseOperations(tokens: TokenStream, minPrecedence: number, first: DurationExpr): DurationExpr {
  let lhs = first
  for (;;) {
    const precedence = precedences[tokens.peek()]
    if (precedence === undefined || precedence < minPrecedence) return lhs
    const operator = tokens.next()
    const rhs = parseDuration(tokens, operator.type === '^' ? precedence : precedence + 1)
    requireFlag(tokens, lhs.pos.start)
    const op = operator.type as DurationOperation['op']
    if (rhs.kind === 'number' && rhs.value === 0 && (op === '/' || op === '%'))
      throw tokens.error(operator.start, op === '/' ? 'division by zero' : 'modulo by zero')
    lhs = { kind: 'duration', op, lhs, rhs, wrapped: false, pos: { start: lhs.pos.start, end: rhs.pos.end } }
  }
}

function parseOperand(tokens: TokenStream): DurationExpr {
  switch (tokens.peek()) {
    case '+':
    case '-': {
      const sign = tokens.next()
      return signedExpression(tokens, sign, parseDuration(tokens, signPrecedence))
    }
    case '(': {
      const { start } = tokens.next()
      const inner = parseDuration(tokens, 0)
      tokens.expect(')')
      requireFlag(tokens, inner.pos.start)
      return wrapped(inner, start, tokens.lastEnd)
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

function parseLiteral(tokens: TokenStream): NumberLiteral {
  const literal = parseNumber(tokens)
  checkRange(tokens, literal.pos.start, literal.value)
  return literal
}

function parseCall(tokens: TokenStream, signStart?: number): DurationOperation {
  const { type, start } = tokens.next()
  tokens.expect('(')
  tokens.expect(')')
  requireFlag(tokens, signStart ?? start)
  return { kind: 'duration', op: type as 'step' | 'range', wrapped: false, pos: { start, end: tokens.lastEnd } }
}

// Prometheus places max_of(a, b) where a is.
function parseExtremeCall(tokens: TokenStream, signStart?: number): DurationOperation {
  const { type } = tokens.next()
  tokens.expect('(')
  const lhs = parseDuration(tokens, 0)
  tokens.expect(',')
  const rhs = parseDuration(tokens, 0)
  tokens.expect(')')
  requireFlag(tokens, signStart ?? lhs.pos.start)
  const pos = { start: lhs.pos.start, end: rhs.pos.end }
  return { kind: 'duration', op: type as 'max_of' | 'min_of', lhs, rhs, wrapped: false, pos }
}

function requireFlag(tokens: TokenStream, start: number): void {
  if (!tokens.durationExpressions) throw tokens.error(start, 'experimental duration expression is not enabled')
}
