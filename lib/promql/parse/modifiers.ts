// What may follow a selector: a range, a subquery, offset and @.
// Specification: Prometheus 3.14, promql/parser/generated_parser.y and parse.go (addOffset, setTimestamp), with its messages.
// Owns these rules; each makes a new node of the one it changes.
import type { Expr, TimeModifiers, VectorSelector } from './ast.ts'
import { type ParsedDuration, parseNumber, parseOffsetDuration, parsePositiveDuration } from './durations.ts'
import type { TokenStream } from './token-stream.ts'

const rangeWanted = {
  where: 'subquery or range selector',
  expected: 'number, duration, step(), or range()',
}
const rangeEndWanted = { where: 'subquery or range', expected: '":" or "]"' }
const stepWanted = { where: 'subquery selector', expected: 'number, duration, step(), range(), or "]"' }
const stepEndWanted = { where: 'subquery selector', expected: '"]"' }
const offsetWanted = { where: 'offset', expected: 'number, duration, step(), or range()' }
const timestampWanted = { where: '@', expected: 'timestamp' }

/** The expression with all modifiers that follow it. */
export function applyModifiers(tokens: TokenStream, primary: Expr): Expr {
  let expr = primary
  for (;;) {
    const type = tokens.peek()
    switch (type) {
      case '[':
        expr = parseBracket(tokens, expr)
        break
      case 'offset':
        expr = parseOffset(tokens, expr)
        break
      case '@':
        expr = parseAt(tokens, expr)
        break
      case 'anchored':
      case 'smoothed':
        expr = parseExtended(tokens, expr, type)
        break
      default:
        return expr
    }
  }
}

function parseBracket(tokens: TokenStream, expr: Expr): Expr {
  const open = tokens.next()
  const range = tokens.within(rangeWanted, () => parsePositiveDuration(tokens))
  const { start } = expr.pos
  if (tokens.accept(']')) {
    const problem = rangeProblem(expr)
    if (problem !== undefined) throw tokens.error(open.start, problem)
    const pos = { start, end: tokens.lastEnd }
    return { kind: 'matrix_selector', selector: expr as VectorSelector, ...rangeFields(range), pos }
  }
  if (!tokens.accept(':')) tokens.unexpected(rangeEndWanted)
  const none: ParsedDuration = { ms: 0 }
  const step = tokens.peek() === ']' ? none : tokens.within(stepWanted, () => parsePositiveDuration(tokens))
  if (!tokens.accept(']')) tokens.unexpected(stepEndWanted)
  const steps = { stepMs: step.ms, ...(step.operation && { step: step.operation }) }
  const pos = { start, end: tokens.lastEnd }
  return { kind: 'subquery', expr, ...rangeFields(range), ...steps, offsetMs: 0, pos }
}

function rangeFields({ ms, operation }: ParsedDuration) {
  return { rangeMs: ms, ...(operation && { range: operation }) }
}

function parseExtended(tokens: TokenStream, expr: Expr, extended: 'anchored' | 'smoothed'): Expr {
  tokens.next()
  const { start } = expr.pos
  if (!tokens.extendedRangeSelectors) throw tokens.error(start, `${extended} modifier is experimental and not enabled`)
  if (expr.kind === 'subquery') throw tokens.error(start, `${extended} modifier is not supported for subqueries`)
  const selector = expr.kind === 'matrix_selector' ? expr.selector : expr
  if (selector.kind !== 'vector_selector') throw tokens.error(start, `${extended} modifier not implemented`)
  if (selector.extended !== undefined && selector.extended !== extended)
    throw tokens.error(start, 'anchored and smoothed modifiers cannot be used together')
  return expr.kind === 'matrix_selector' ? { ...expr, selector: { ...selector, extended } } : { ...selector, extended }
}

function rangeProblem(expr: Expr): string | undefined {
  if (expr.kind !== 'vector_selector') return 'ranges only allowed for vector selectors'
  if (expr.offsetMs !== 0 || expr.offset) return 'no offset modifiers allowed before range'
  if (expr.at !== undefined) return 'no @ modifiers allowed before range'
  return undefined
}

function parseOffset(tokens: TokenStream, expr: Expr): Expr {
  tokens.next()
  const { ms, operation } = tokens.within(offsetWanted, () => parseOffsetDuration(tokens))
  const current = modifiersOf(expr)
  if (!current) throw tokens.error(expr.pos.start, notModifiable('offset'))
  if (current.offsetMs !== 0 || current.offset)
    throw tokens.error(expr.pos.start, 'offset may not be set multiple times')
  return withModifiers(expr, { ...current, offsetMs: ms, ...(operation && { offset: operation }) }, tokens.lastEnd)
}

function parseAt(tokens: TokenStream, expr: Expr): Expr {
  tokens.next()
  const { start } = expr.pos
  const at = tokens.within(timestampWanted, () => parseTimestamp(tokens, start))
  const current = modifiersOf(expr)
  if (!current) throw tokens.error(start, notModifiable('@'))
  if (current.at !== undefined) throw tokens.error(start, '@ <timestamp> may not be set multiple times')
  return withModifiers(expr, { ...current, at }, tokens.lastEnd)
}

function notModifiable(modifier: string): string {
  return `${modifier} modifier must be preceded by an instant vector selector or range vector selector or a subquery`
}

function parseTimestamp(tokens: TokenStream, exprStart: number): number | 'start' | 'end' {
  const preprocessor = tokens.accept('start') ?? tokens.accept('end')
  if (preprocessor) {
    tokens.expect('(')
    tokens.expect(')')
    return preprocessor.type === 'start' ? 'start' : 'end'
  }
  const minus = !tokens.accept('+') && tokens.accept('-')
  const { value } = parseNumber(tokens)
  const seconds = minus ? -value : value
  if (!(Math.abs(seconds) < 2 ** 63))
    throw tokens.error(exprStart, `timestamp out of bounds for @ modifier: ${formatFixed(seconds)}`)
  const timeMs = Math.sign(seconds) * Math.round(Math.abs(seconds) * 1000)
  // What does not fit int64 is its least number in Prometheus.
  return Math.abs(timeMs) < 2 ** 63 ? timeMs : -(2 ** 63)
}

/** Go's %f of a number outside int64's range. */
function formatFixed(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf'
  return `${BigInt(value)}.000000`
}

function modifiersOf(expr: Expr): TimeModifiers | undefined {
  if (expr.kind === 'matrix_selector') return modifiersOf(expr.selector)
  if (expr.kind !== 'vector_selector' && expr.kind !== 'subquery') return undefined
  const { offsetMs, offset, at } = expr
  return { offsetMs, ...(offset && { offset }), ...(at !== undefined && { at }) }
}

function withModifiers(expr: Expr, modifiers: TimeModifiers, end: number): Expr {
  const pos = { start: expr.pos.start, end }
  if (expr.kind !== 'matrix_selector') return { ...expr, ...modifiers, pos } as Expr
  return { ...expr, selector: { ...expr.selector, ...modifiers }, pos }
}
