// Label matchers in braces, and the lists of label names of by, without, on, ignoring and group_left.
// Specification: Prometheus 3.14, promql/parser/generated_parser.y (label_matchers, grouping_labels).
// Owns these two rules with their messages.
import { asMnemoError } from '../../kit/errors.ts'
import { metricName } from '../../labels/labels.ts'
import type { LabelMatcher, MatchType } from '../../labels/matcher.ts'
import { compileMatcher } from '../../labels/regex.ts'
import { quoteGo } from '../functions/go-format.ts'
import type { Position } from './ast.ts'
import { unquote } from './scan-string.ts'
import type { TokenStream } from './token-stream.ts'
import { isLabelName, type Token, type TokenType } from './tokens.ts'

const identifierWanted = { where: 'label matching', expected: 'identifier or "}"' }
const operatorWanted = { where: 'label matching', expected: 'label matching operator' }
const stringWanted = { where: 'label matching', expected: 'string' }
const commaWanted = { where: 'label matching', expected: '"," or "}"' }

/** `{a="b", "c.d"=~"e|f", "metric.name"}`. */
export function parseLabelMatchers(tokens: TokenStream): { matchers: LabelMatcher[]; pos: Position } {
  const { start } = tokens.expect('{')
  const matchers: LabelMatcher[] = []
  while (tokens.peek() !== '}') {
    matchers.push(parseLabelMatcher(tokens))
    if (tokens.accept(',')) continue
    if (tokens.peek() !== '}') tokens.unexpected(commaWanted)
  }
  tokens.next()
  return { matchers, pos: { start, end: tokens.lastEnd } }
}

function parseLabelMatcher(tokens: TokenStream): LabelMatcher {
  const type = tokens.peek()
  if (type !== 'identifier' && type !== 'string') tokens.unexpected(identifierWanted)
  const label = tokens.next()
  const name = type === 'string' ? unquote(label.text) : label.text
  if (!isMatchType(tokens.peek())) {
    // A string alone is the metric's name.
    if (type === 'string') return { type: '=', name: metricName, value: name }
    tokens.unexpected(operatorWanted)
  }
  const operator = tokens.next().type as MatchType
  if (tokens.peek() !== 'string') tokens.unexpected(stringWanted)
  const matcher = { type: operator, name, value: unquote(tokens.next().text) }
  checkPattern(tokens, matcher, label)
  return matcher
}

function isMatchType(type: TokenType): type is MatchType {
  return type === '=' || type === '!=' || type === '=~' || type === '!~'
}

function checkPattern(tokens: TokenStream, matcher: LabelMatcher, label: Token): void {
  if (matcher.type === '=' || matcher.type === '!=') return
  try {
    compileMatcher(matcher)
  } catch (error) {
    throw tokens.error(label.start, asMnemoError(error).message)
  }
}

const listWanted = { where: 'grouping opts', expected: '"("' }
const labelWanted = { where: 'grouping opts', expected: 'label' }
const listCommaWanted = { where: 'grouping opts', expected: '"," or ")"' }

/** `(a, b, "c.d")`. */
export function parseLabelList(tokens: TokenStream): string[] {
  if (!tokens.accept('(')) tokens.unexpected(listWanted)
  const names: string[] = []
  while (tokens.peek() !== ')') {
    names.push(parseListedLabel(tokens))
    if (tokens.accept(',')) continue
    if (tokens.peek() !== ')') tokens.unexpected(listCommaWanted)
  }
  tokens.next()
  return names
}

function parseListedLabel(tokens: TokenStream): string {
  const type = tokens.peek()
  if (isLabelName(type)) return tokens.next().text
  if (type !== 'string') tokens.unexpected(labelWanted)
  const token = tokens.next()
  const name = unquote(token.text)
  if (name === '' || !name.isWellFormed())
    throw tokens.error(token.start, `invalid label name for grouping: ${quoteGo(name)}`)
  return name
}
