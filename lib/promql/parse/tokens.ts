// The tokens of PromQL and how messages name them.
// Specification: Prometheus 3.14, promql/parser/lex.go (ItemType, Item.desc).
// Owns the token type and its word classes.
import { quoteGo } from '../functions/go-format.ts'
import type { AggregateOp, BinaryOp } from './ast.ts'

export type Punctuation = '(' | ')' | '{' | '}' | '[' | ']' | ',' | ':' | '='
export type Operator = BinaryOp | '=~' | '!~' | '@'
export type Keyword =
  | 'bool'
  | 'by'
  | 'without'
  | 'on'
  | 'ignoring'
  | 'group_left'
  | 'group_right'
  | 'fill'
  | 'fill_left'
  | 'fill_right'
  | 'offset'
  | 'smoothed'
  | 'anchored'
/** Words that are functions of time, in `@`, in durations or as functions. */
export type Preprocessor = 'start' | 'end' | 'step' | 'range' | 'max_of' | 'min_of'
export type Named = 'identifier' | 'metric identifier' | 'string' | 'number' | 'duration'
export type TokenType = Punctuation | Operator | Keyword | Preprocessor | AggregateOp | Named | 'eof'

export interface Token {
  readonly type: TokenType
  /** As in the query, quotes included. */
  readonly text: string
  /** UTF-16 offset into the query. */
  readonly start: number
}

const aggregators = [
  'sum',
  'avg',
  'count',
  'min',
  'max',
  'group',
  'stddev',
  'stdvar',
  'topk',
  'bottomk',
  'count_values',
  'quantile',
  'limitk',
  'limit_ratio',
] as const satisfies readonly AggregateOp[]
const operatorWords = ['and', 'or', 'unless', 'atan2'] as const
const keywords = [
  'offset',
  'smoothed',
  'anchored',
  'by',
  'without',
  'on',
  'ignoring',
  'group_left',
  'group_right',
  'fill',
  'fill_left',
  'fill_right',
  'bool',
] as const satisfies readonly Keyword[]
const preprocessors = ['start', 'end', 'step', 'range', 'max_of', 'min_of'] as const satisfies readonly Preprocessor[]

/** What a word in lower case is; every other word is an identifier. */
export const wordTypes: ReadonlyMap<string, TokenType> = new Map<string, TokenType>([
  ...[...aggregators, ...operatorWords, ...keywords, ...preprocessors].map((word) => [word, word] as const),
  ['inf', 'number'],
  ['nan', 'number'],
])

const aggregatorTypes: ReadonlySet<string> = new Set(aggregators)
const keywordTypes: ReadonlySet<string> = new Set(keywords)
const operatorTypes: ReadonlySet<string> = new Set(
  '+ - * / % ^ == != < > <= >= </ >/ =~ !~ @ and or unless atan2'.split(' '),
)
const namedTypes: ReadonlySet<string> = new Set(['identifier', 'metric identifier', 'string', 'number', 'duration'])

export function isAggregator(type: TokenType): type is AggregateOp {
  return aggregatorTypes.has(type)
}

/** Keywords that a metric's name may not be: they would be ambiguous after an operator. */
const neverMetrics = new Set<TokenType>(['bool', 'on', 'ignoring', 'group_left', 'group_right', 'atan2'])

/** Whether a token may be a metric's name: most keywords may. */
export function isMetricName(type: TokenType): boolean {
  if (type === 'identifier' || type === 'metric identifier') return true
  return isWord(type) && !neverMetrics.has(type)
}

/** Whether a token may stand, unquoted, in the lists of by, without, on, ignoring and group_left. */
export function isLabelName(type: TokenType): boolean {
  if (type === 'identifier' || type === 'metric identifier') return true
  return isWord(type) && type !== 'without'
}

function isWord(type: TokenType): boolean {
  return type !== 'number' && wordTypes.has(type)
}

/** A token as messages name it: `identifier "b"`, `<op:+>`, `"("`, `end of input`. */
export function describeToken({ type, text }: Token): string {
  if (type === 'eof') return 'end of input'
  if (keywordTypes.has(type)) return `<${text}>`
  if (operatorTypes.has(type)) return `<op:${text}>`
  if (aggregatorTypes.has(type)) return `<aggr:${text}>`
  if (!namedTypes.has(type)) return quoteGo(text)
  const short = type !== 'identifier' && type !== 'metric identifier' && Buffer.byteLength(text) > 10
  return `${type} ${short ? `${quoteGo([...text].slice(0, 10).join(''))}...` : quoteGo(text)}`
}
