// The parser of PromQL: recursive descent, binary operators by precedence.
// Specification: Prometheus 3.14, promql/parser/generated_parser.y and parse.go, with its messages; the first error is thrown as `bad_data`.
// Owns the grammar of expressions; modifiers.ts knows offset, @ and ranges, check.ts the types.

import { metricName } from '../../labels/labels.ts'
import type { LabelMatcher } from '../../labels/matcher.ts'
import { quoteGo } from '../functions/go-format.ts'
import type { Aggregate, AggregateOp, BinaryOp, Expr, VectorMatching, VectorSelector } from './ast.ts'
import { checkExpr } from './check.ts'
import { parseNumber } from './durations.ts'
import { functions } from './functions.ts'
import { applyModifiers } from './modifiers.ts'
import { unquote } from './scan-string.ts'
import { parseLabelList, parseLabelMatchers } from './selectors.ts'
import { type ParseOptions, TokenStream } from './token-stream.ts'
import { isAggregator, isMetricName, type TokenType } from './tokens.ts'

/** The tree of an expression, its types checked. Throws `bad_data`: "1:5: parse error: …". */
export function parseExpr(query: string, options: ParseOptions = {}): Expr {
  const tokens = new TokenStream(query, options)
  if (tokens.peek() === 'eof') throw tokens.error(0, 'no expression found in input')
  const expr = parseBinary(tokens, 0)
  tokens.expect('eof')
  checkExpr(expr, query)
  return expr
}

/** The matchers of a selector alone: `up{job="a"}`, for match[]. Throws `bad_data` as parseExpr does. */
export function parseSelector(query: string): readonly LabelMatcher[] {
  const tokens = new TokenStream(query)
  if (tokens.peek() !== '{' && !isMetricName(tokens.peek())) tokens.unexpected()
  const selector = parseVectorSelector(tokens)
  tokens.expect('eof')
  return selector.matchers
}

const operators: Partial<Record<TokenType, number>> = {
  or: 1,
  and: 2,
  unless: 2,
  '==': 3,
  '!=': 3,
  '<': 3,
  '>': 3,
  '<=': 3,
  '>=': 3,
  '</': 3,
  '>/': 3,
  '+': 4,
  '-': 4,
  '*': 5,
  '/': 5,
  '%': 5,
  atan2: 5,
  '^': 6,
}
/** A sign binds as `*` does: -2 ^ 2 is -(2 ^ 2). */
const signPrecedence = 6

function parseBinary(tokens: TokenStream, minPrecedence: number): Expr {
  let lhs = tokens.deeper(() => parseUnary(tokens))
  for (;;) {
    const type = tokens.peek()
    const precedence = operators[type]
    if (precedence === undefined || precedence < minPrecedence) return lhs
    tokens.next()
    const { bool, matching } = parseBinaryModifiers(tokens)
    const rhs = parseBinary(tokens, type === '^' ? precedence : precedence + 1)
    if (matching.fill && !tokens.fillModifiers)
      throw tokens.error(lhs.pos.start, 'binop fill modifiers are experimental and not enabled')
    const pos = { start: lhs.pos.start, end: rhs.pos.end }
    lhs = { kind: 'binary', op: type as BinaryOp, lhs, rhs, bool, matching, pos }
  }
}

function parseBinaryModifiers(tokens: TokenStream): { bool: boolean; matching: VectorMatching } {
  const bool = tokens.accept('bool') !== undefined
  let card: VectorMatching['card'] = 'one-to-one'
  let labels: readonly string[] = []
  let include: readonly string[] = []
  const on = tokens.peek() === 'on'
  if (on || tokens.peek() === 'ignoring') {
    tokens.next()
    labels = parseLabelList(tokens)
    const group = tokens.accept('group_left') ?? tokens.accept('group_right')
    if (group) {
      card = group.type === 'group_left' ? 'many-to-one' : 'one-to-many'
      // A list of labels wins over an operand in parentheses; what starts neither is reported as a missing list.
      const follows = tokens.peek()
      if (follows === '(' || !startsExpression(follows)) include = parseLabelList(tokens)
    }
  }
  return { bool, matching: { card, labels, on, include, ...parseFill(tokens) } }
}

// fill, or fill_left and fill_right in either order.
function parseFill(tokens: TokenStream): Pick<VectorMatching, 'fill'> {
  if (tokens.accept('fill')) {
    const value = parseFillValue(tokens)
    return { fill: { lhs: value, rhs: value } }
  }
  const first = tokens.accept('fill_left') ?? tokens.accept('fill_right')
  if (!first) return {}
  const value = parseFillValue(tokens)
  const second = tokens.accept(first.type === 'fill_left' ? 'fill_right' : 'fill_left')
  const other = second && { [second.type === 'fill_left' ? 'lhs' : 'rhs']: parseFillValue(tokens) }
  return { fill: { [first.type === 'fill_left' ? 'lhs' : 'rhs']: value, ...other } }
}

function parseFillValue(tokens: TokenStream): number {
  tokens.expect('(')
  const minus = !tokens.accept('+') && tokens.accept('-')
  const { value } = parseNumber(tokens)
  tokens.expect(')')
  return minus ? -value : value
}

function parseUnary(tokens: TokenStream): Expr {
  const sign = tokens.accept('+') ?? tokens.accept('-')
  if (!sign) return applyModifiers(tokens, parsePrimary(tokens))
  const op = sign.type === '-' ? '-' : '+'
  const expr = parseBinary(tokens, signPrecedence)
  const pos = { start: sign.start, end: expr.pos.end }
  if (expr.kind === 'number') return { ...expr, value: op === '-' ? -expr.value : expr.value, pos }
  return { kind: 'unary', op, expr, pos }
}

function parsePrimary(tokens: TokenStream): Expr {
  const type = tokens.peek()
  if (type === 'number' || type === 'duration') return parseNumber(tokens)
  if (type === '(') return parseParen(tokens)
  if (type === '{') return parseVectorSelector(tokens)
  if (type === 'string') {
    const { text, start } = tokens.next()
    return { kind: 'string', value: unquote(text), pos: { start, end: tokens.lastEnd } }
  }
  if (!isMetricName(type)) tokens.unexpected()
  return parseNamed(tokens)
}

function parseParen(tokens: TokenStream): Expr {
  const { start } = tokens.expect('(')
  const expr = parseBinary(tokens, 0)
  tokens.expect(')')
  return { kind: 'paren', expr, pos: { start, end: tokens.lastEnd } }
}

const callWords = new Set<TokenType>(['identifier', 'start', 'end', 'step', 'range', 'max_of', 'min_of'])

/** What starts with a word: an aggregation, a call or a selector. */
function parseNamed(tokens: TokenStream): Expr {
  const { type, text, start } = tokens.next()
  const follows = tokens.peek()
  if (isAggregator(type) && (follows === '(' || follows === 'by' || follows === 'without'))
    return parseAggregate(tokens, type, start)
  if (callWords.has(type) && follows === '(') return parseCall(tokens, text, start)
  return parseVectorSelector(tokens, { name: text, start })
}

function parseVectorSelector(tokens: TokenStream, named?: { name: string; start: number }): VectorSelector {
  if (!named && tokens.peek() !== '{') {
    const { text, start } = tokens.next()
    return parseVectorSelector(tokens, { name: text, start })
  }
  const end = tokens.lastEnd
  const braces = tokens.peek() === '{' ? parseLabelMatchers(tokens) : { matchers: [], pos: { start: end, end } }
  const name = named?.name ?? ''
  const pos = { start: named?.start ?? braces.pos.start, end: braces.pos.end }
  const own: LabelMatcher[] = named ? [{ type: '=', name: metricName, value: name }] : []
  return { kind: 'vector_selector', name, matchers: [...braces.matchers, ...own], offsetMs: 0, pos }
}

function parseCall(tokens: TokenStream, func: string, start: number): Expr {
  const args = parseArguments(tokens)
  const signature = functions.get(func)
  if (!signature) throw tokens.error(start, `unknown function with name ${quoteGo(func)}`)
  if (signature.experimental && !tokens.experimentalFunctions)
    throw tokens.error(start, `function ${quoteGo(func)} is not enabled`)
  return { kind: 'call', func, args, type: signature.returns, pos: { start, end: tokens.lastEnd } }
}

function parseArguments(tokens: TokenStream): Expr[] {
  tokens.expect('(')
  const args: Expr[] = []
  if (tokens.accept(')')) return args
  for (;;) {
    args.push(parseBinary(tokens, 0))
    const comma = tokens.accept(',')
    if (!comma) break
    if (!startsExpression(tokens.peek()))
      throw tokens.error(comma.start, 'trailing commas not allowed in function call args')
  }
  tokens.expect(')')
  return args
}

function startsExpression(type: TokenType): boolean {
  return isMetricName(type) || ['number', 'duration', 'string', '(', '{', '+', '-'].includes(type)
}

function parseAggregate(tokens: TokenStream, op: AggregateOp, start: number): Aggregate {
  return tokens.within({ where: 'aggregation' }, () => {
    const before = parseGrouping(tokens)
    const args = parseArguments(tokens)
    let end = tokens.lastEnd
    const grouping = before ?? parseGrouping(tokens) ?? { grouping: [], without: false }
    if (!before && tokens.lastEnd > end) end = tokens.lastEnd
    checkAggregateArguments(tokens, op, { start, count: args.length })
    const param = args.length === 2 ? { param: args[0]! } : {}
    return { kind: 'aggregate', op, expr: args.at(-1)!, ...param, ...grouping, pos: { start, end } }
  })
}

function parseGrouping(tokens: TokenStream): { grouping: string[]; without: boolean } | undefined {
  const modifier = tokens.accept('by') ?? tokens.accept('without')
  return modifier && { grouping: parseLabelList(tokens), without: modifier.type === 'without' }
}

const parameterized = new Set<AggregateOp>(['topk', 'bottomk', 'count_values', 'quantile', 'limitk', 'limit_ratio'])

function checkAggregateArguments(
  tokens: TokenStream,
  op: AggregateOp,
  { start, count }: { start: number; count: number },
): void {
  if (count === 0) throw tokens.error(start, 'no arguments for aggregate expression provided')
  if ((op === 'limitk' || op === 'limit_ratio') && !tokens.experimentalFunctions) {
    const flag = '--enable-feature=promql-experimental-functions'
    throw tokens.error(start, `${op}() is experimental and must be enabled with ${flag}`)
  }
  const want = parameterized.has(op) ? 2 : 1
  if (count === want) return
  const text = `wrong number of arguments for aggregate expression provided, expected ${want}, got ${count}`
  throw tokens.error(start, text)
}
