// An expression as text: on one line, as Prometheus prints it, or over several where it is long.
// Specification: Prometheus 3.14, promql/parser/printer.go and prettier.go.
// Owns both forms; what parseExpr makes of either is the same tree.
import { formatDurationMs } from '../../kit/duration.ts'
import { metricName } from '../../labels/labels.ts'
import type { LabelMatcher } from '../../labels/matcher.ts'
import { formatDecimal, formatG, quoteGo } from '../functions/go-format.ts'
import type {
  Aggregate,
  Binary,
  DurationExpr,
  DurationOperation,
  Expr,
  NumberLiteral,
  Subquery,
  TimeModifiers,
  VectorMatching,
  VectorSelector,
} from './ast.ts'

/** One line, as Prometheus's String(). */
export function formatExpr(expr: Expr): string {
  switch (expr.kind) {
    case 'number':
      return formatNumber(expr)
    case 'string':
      return quoteGo(expr.value)
    case 'vector_selector':
      return formatSelector(expr) + formatModifiers(expr, expr.extended)
    case 'matrix_selector': {
      const { selector, rangeMs } = expr
      const range = expr.range ? formatDuration(expr.range) : formatDurationMs(rangeMs)
      const extended = selector.extended === undefined ? '' : ` ${selector.extended}`
      return `${formatSelector(selector)}[${range}]${extended}${formatModifiers(selector)}`
    }
    case 'subquery':
      return formatExpr(expr.expr) + formatSubquery(expr)
    case 'call':
      return `${expr.func}(${expr.args.map(formatExpr).join(', ')})`
    case 'aggregate': {
      const param = expr.param ? `${formatExpr(expr.param)}, ` : ''
      return `${formatAggregateHead(expr)}(${param}${formatExpr(expr.expr)})`
    }
    case 'binary':
      return `${formatExpr(expr.lhs)} ${formatOperator(expr)} ${formatExpr(expr.rhs)}`
    case 'unary':
      return expr.op + formatExpr(expr.expr)
    case 'paren':
      return `(${formatExpr(expr.expr)})`
    default:
      return expr satisfies never
  }
}

const maxLineBytes = 100

/** As format_query prints it: what is longer than 100 bytes goes over several lines. */
export function prettifyExpr(expr: Expr): string {
  return pretty(expr, 0)
}

function pretty(expr: Expr, level: number): string {
  const line = formatExpr(expr)
  const indent = '  '.repeat(level)
  const long = Buffer.byteLength(line) > maxLineBytes
  switch (expr.kind) {
    case 'aggregate': {
      if (!long) return indent + line
      const param = expr.param ? `${pretty(expr.param, level + 1)},\n` : ''
      return `${indent}${formatAggregateHead(expr)}(\n${param}${pretty(expr.expr, level + 1)}\n${indent})`
    }
    case 'binary': {
      if (!long) return indent + line
      const operator = formatOperator(expr)
      return `${pretty(expr.lhs, level + 1)}\n${indent}${operator}\n${pretty(expr.rhs, level + 1)}`
    }
    case 'call':
      if (!long) return indent + line
      return `${indent}${expr.func}(\n${expr.args.map((arg) => pretty(arg, level + 1)).join(',\n')}\n${indent})`
    case 'paren':
      return long ? `${indent}(\n${pretty(expr.expr, level + 1)}\n${indent})` : indent + line
    case 'subquery':
      // Prometheus does not indent a short one.
      return long ? pretty(expr.expr, level) + formatSubquery(expr) : line
    case 'unary':
      return indent + expr.op + pretty(expr.expr, level).trim()
    default:
      return indent + line
  }
}

function formatNumber({ value, duration }: NumberLiteral): string {
  return duration ? formatDurationMs(Math.trunc((value * 1e9) / 1e6)) : formatDecimal(value)
}

function formatSelector({ name, matchers }: VectorSelector): string {
  const rest = matchers.filter((m) => !(m.name === metricName && m.type === '=' && m.value === name && name !== ''))
  if (rest.length === 0) return name
  const texts = rest.map(formatMatcher).map((text) => ({ text, bytes: Buffer.from(text) }))
  texts.sort((a, b) => Buffer.compare(a.bytes, b.bytes))
  return `${name}{${texts.map(({ text }) => text).join(',')}}`
}

/** `name="value"`, the name quoted where it must be. */
export function formatMatcher({ name, type, value }: LabelMatcher): string {
  return `${formatLabelName(name)}${type}${quoteGo(value)}`
}

export function formatLabelName(name: string): string {
  return /^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name) ? name : quoteGo(name)
}

function formatLabelNames(names: readonly string[]): string {
  return `(${names.map(formatLabelName).join(', ')})`
}

function formatModifiers({ offsetMs, offset, at }: TimeModifiers, extended?: string): string {
  const time = at === undefined ? '' : typeof at === 'number' ? ` @ ${(at / 1000).toFixed(3)}` : ` @ ${at}()`
  const text = extended === undefined ? time : `${time} ${extended}`
  if (offset) return `${text} offset ${formatDuration(offset)}`
  return offsetMs === 0 ? text : `${text} offset ${formatDurationMs(offsetMs)}`
}

function formatDuration(expr: DurationExpr): string {
  if (expr.kind === 'number') return formatNumber(expr)
  const text = formatOperation(expr)
  return expr.wrapped ? `(${text})` : text
}

function formatOperation({ op, lhs, rhs }: DurationOperation): string {
  if (op === 'step' || op === 'range') return `${op}()`
  const right = rhs ? formatDuration(rhs) : ''
  if (op === 'min_of' || op === 'max_of') return `${op}(${lhs ? formatDuration(lhs) : ''}, ${right})`
  if (lhs) return `${formatDuration(lhs)} ${op} ${right}`
  return op === '-' ? `-${right}` : right
}

function formatSubquery(subquery: Subquery): string {
  const { rangeMs, range, stepMs, step } = subquery
  const rangeText = range ? formatDuration(range) : formatDurationMs(rangeMs)
  const stepText = stepMs !== 0 ? formatDurationMs(stepMs) : step ? formatDuration(step) : ''
  return `[${rangeText}:${stepText}]${formatModifiers(subquery)}`
}

function formatAggregateHead({ op, grouping, without }: Aggregate): string {
  if (without) return `${op} without ${formatLabelNames(grouping)} `
  return grouping.length > 0 ? `${op} by ${formatLabelNames(grouping)} ` : op
}

/** The operator with its modifiers: `== bool on (a) group_left (b)`. */
function formatOperator({ op, bool, matching }: Binary): string {
  let text = bool ? `${op} bool` : op
  if (!matching) return text
  const grouped = matching.card === 'many-to-one' || matching.card === 'one-to-many'
  if (matching.labels.length > 0 || matching.on || grouped)
    text += ` ${matching.on ? 'on' : 'ignoring'} ${formatLabelNames(matching.labels)}`
  if (grouped)
    text += ` ${matching.card === 'many-to-one' ? 'group_left' : 'group_right'} ${formatLabelNames(matching.include)}`
  return text + formatFill(matching)
}

function formatFill({ fill }: VectorMatching): string {
  if (!fill) return ''
  const { lhs, rhs } = fill
  if (lhs !== undefined && lhs === rhs) return ` fill (${formatG(lhs)})`
  const left = lhs === undefined ? '' : ` fill_left (${formatG(lhs)})`
  return rhs === undefined ? left : `${left} fill_right (${formatG(rhs)})`
}
