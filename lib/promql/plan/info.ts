// The plan of info(): whose labels are added to which series, and as of when.
// Specification: Prometheus 3.14, promql/info.go (effectiveInfoNameMatchers, infoSelectTimestampAndOffset).
// Owns how the arguments are read; exec/info.ts joins.

import { metricName } from '../../labels/labels.ts'
import type { LabelMatcher } from '../../labels/matcher.ts'
import type { Expr, TimeModifiers } from '../parse/ast.ts'

/** Which series of information there are: those of the second argument's names, of target_info where it has none. */
export function infoNameMatchers(matchers: readonly LabelMatcher[]): readonly LabelMatcher[] {
  const names = matchers.filter(({ name }) => name === metricName)
  if (names.length === 0) return [{ name: metricName, type: '=', value: 'target_info' }]
  if (names.some(({ type }) => type === '=' || type === '=~')) return names
  return [{ name: metricName, type: '=~', value: '.+_info' }, ...names]
}

/**
 * The time modifiers under which information is read: those of the first selector in the expression, with the offsets of
 * the subqueries around it up to an @.
 */
export function infoTime(expr: Expr): TimeModifiers | undefined {
  switch (expr.kind) {
    case 'vector_selector':
      return expr
    case 'matrix_selector':
      return expr.selector
    case 'subquery': {
      const inner = infoTime(expr.expr)
      if (inner === undefined || inner.at !== undefined) return inner
      const offsetMs = inner.offsetMs + expr.offsetMs
      return expr.at === undefined ? { offsetMs } : { offsetMs, at: expr.at }
    }
    case 'paren':
    case 'unary':
      return infoTime(expr.expr)
    case 'binary':
      return infoTime(expr.lhs) ?? infoTime(expr.rhs)
    case 'aggregate':
      return infoTime(expr.expr) ?? (expr.param && infoTime(expr.param))
    case 'call':
      return expr.args.map(infoTime).find((time) => time !== undefined)
    default:
      return undefined
  }
}
