// The selectors of an expression: what a query reads, without what it does with it.
// Meaning: Prometheus 3.14, promql/parser/ast.go (ExtractSelectors).
// Owns the walk.
import type { LabelMatcher } from '../../labels/matcher.ts'
import type { Expr } from './ast.ts'

/** The matchers of each vector selector, in the order of the text. */
export function selectorsOf(expr: Expr): readonly (readonly LabelMatcher[])[] {
  switch (expr.kind) {
    case 'vector_selector':
      return [expr.matchers]
    case 'matrix_selector':
      return [expr.selector.matchers]
    case 'binary':
      return [...selectorsOf(expr.lhs), ...selectorsOf(expr.rhs)]
    case 'call':
      return expr.args.flatMap(selectorsOf)
    case 'aggregate':
      return [...(expr.param ? selectorsOf(expr.param) : []), ...selectorsOf(expr.expr)]
    case 'subquery':
    case 'unary':
    case 'paren':
      return selectorsOf(expr.expr)
    case 'number':
    case 'string':
      return []
    default:
      return expr satisfies never
  }
}
