// Selectors of which only histograms' count and sum matter: those below histogram_count, _sum or _avg.
// Specification: Prometheus 3.14, promql/engine.go (detectHistogramStatsDecoding).
// Owns which expressions above a selector need the buckets after all.

import type { Expr, VectorSelector } from '../parse/ast.ts'

const statsFunctions: ReadonlySet<string> = new Set(['histogram_count', 'histogram_sum', 'histogram_avg'])
const bucketFunctions: ReadonlySet<string> = new Set([
  'histogram_quantile',
  'histogram_quantiles',
  'histogram_fraction',
])

/** The selectors of an expression whose histograms are read without their buckets. */
export function statsSelectors(expr: Expr): ReadonlySet<VectorSelector> {
  const found = new Set<VectorSelector>()
  visit(expr, false, found)
  return found
}

function visit(expr: Expr, below: boolean, found: Set<VectorSelector>): void {
  switch (expr.kind) {
    case 'number':
    case 'string':
      return
    case 'vector_selector':
      if (below) found.add(expr)
      return
    case 'matrix_selector':
      visit(expr.selector, below, found)
      return
    // Steps skip samples: resets have to be found by the buckets. The same goes for all else that looks at them.
    case 'subquery':
      return
    case 'call':
      if (bucketFunctions.has(expr.func)) return
      for (const arg of expr.args) visit(arg, below || statsFunctions.has(expr.func), found)
      return
    case 'binary':
      if (expr.op === '</' || expr.op === '>/') return
      visit(expr.lhs, below, found)
      visit(expr.rhs, below, found)
      return
    case 'aggregate':
      if (expr.param !== undefined) visit(expr.param, below, found)
      visit(expr.expr, below, found)
      return
    case 'unary':
    case 'paren':
      visit(expr.expr, below, found)
      return
    default:
      expr satisfies never
  }
}
