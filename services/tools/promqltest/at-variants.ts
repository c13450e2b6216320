// An expression with every selector fixed by @ to the evaluation time: it must yield the same at any other time.
// Specification: Prometheus 3.14, promql/promqltest (atModifierTestCases).
// Owns the rewriting and the times to try.

import type { Expr } from '../../../lib/promql/parse/ast.ts'

const dependsOnTime = new Set([
  ...['days_in_month', 'day_of_month', 'day_of_week', 'day_of_year', 'hour', 'minute', 'month', 'year'],
  ...['predict_linear', 'time', 'timestamp', 'start', 'end', 'range', 'step'],
])

/** The variants, none where a function depends on the evaluation time itself. */
export function atVariants(expr: Expr, timeMs: number): { expr: Expr; timeMs: number }[] {
  if (anyCall(expr, (func) => dependsOnTime.has(func))) return []
  const fixed = fix(expr, timeMs)
  const times = timeMs === 0 ? [-1000, 0, 1000] : [-10 * timeMs, 0, Math.trunc(timeMs / 5), timeMs, 10 * timeMs]
  return times.map((t) => ({ expr: fixed, timeMs: t }))
}

function anyCall(expr: Expr, is: (func: string) => boolean): boolean {
  switch (expr.kind) {
    case 'call':
      return is(expr.func) || expr.args.some((arg) => anyCall(arg, is))
    case 'binary':
      return anyCall(expr.lhs, is) || anyCall(expr.rhs, is)
    case 'aggregate':
      return anyCall(expr.expr, is) || (expr.param !== undefined && anyCall(expr.param, is))
    case 'unary':
    case 'paren':
    case 'subquery':
      return anyCall(expr.expr, is)
    default:
      return false
  }
}

function fix(expr: Expr, timeMs: number): Expr {
  switch (expr.kind) {
    case 'vector_selector':
      return { ...expr, at: expr.at ?? timeMs }
    case 'matrix_selector':
      return { ...expr, selector: { ...expr.selector, at: expr.selector.at ?? timeMs } }
    case 'subquery':
      // What is inside is fixed by the subquery's own time.
      return { ...expr, at: expr.at ?? timeMs }
    case 'call':
      return { ...expr, args: expr.args.map((arg) => fix(arg, timeMs)) }
    case 'binary':
      return { ...expr, lhs: fix(expr.lhs, timeMs), rhs: fix(expr.rhs, timeMs) }
    case 'aggregate': {
      const param = expr.param === undefined ? {} : { param: fix(expr.param, timeMs) }
      return { ...expr, expr: fix(expr.expr, timeMs), ...param }
    }
    case 'unary':
    case 'paren':
      return { ...expr, expr: fix(expr.expr, timeMs) }
    default:
      return expr
  }
}
