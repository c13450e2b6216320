// A syntax tree as /api/v1/parse_query answers it, for the tree views of pages.
// Specification: Prometheus 3.14, web/api/v1/translate_ast.go. Fields of what was not written are null or false.
// Owns the translation.
import type { LabelMatcher } from '../../../lib/labels/matcher.ts'
import { formatDecimal } from '../../../lib/promql/functions/go-format.ts'
import type {
  DurationExpr,
  Expr,
  TimeModifiers,
  VectorMatching,
  VectorSelector,
} from '../../../lib/promql/parse/ast.ts'
import { functions } from '../../../lib/promql/parse/functions.ts'

export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json }

export function translateExpr(expr: Expr): Json {
  switch (expr.kind) {
    case 'number':
      return { type: 'numberLiteral', val: formatDecimal(expr.value) }
    case 'string':
      // Bytes that are no UTF-8 are shown as every JSON encoder shows them.
      return { type: 'stringLiteral', val: expr.value.toWellFormed() }
    case 'paren':
      return { type: 'parenExpr', expr: translateExpr(expr.expr) }
    case 'unary':
      return { type: 'unaryExpr', op: expr.op, expr: translateExpr(expr.expr) }
    case 'vector_selector':
      return { type: 'vectorSelector', ...selectorFields(expr) }
    case 'matrix_selector':
      return {
        type: 'matrixSelector',
        ...selectorFields(expr.selector),
        range: expr.rangeMs,
        rangeExpr: translateDuration(expr.range),
      }
    case 'subquery':
      return {
        type: 'subquery',
        expr: translateExpr(expr.expr),
        range: expr.rangeMs,
        rangeExpr: translateDuration(expr.range),
        step: expr.stepMs,
        stepExpr: translateDuration(expr.step),
        ...timeFields(expr),
      }
    case 'call':
      return { type: 'call', func: translateFunction(expr.func), args: expr.args.map(translateExpr) }
    case 'aggregate':
      return {
        type: 'aggregation',
        op: expr.op,
        expr: translateExpr(expr.expr),
        param: expr.param ? translateExpr(expr.param) : null,
        grouping: expr.grouping,
        without: expr.without,
      }
    case 'binary':
      return {
        type: 'binaryExpr',
        op: expr.op,
        lhs: translateExpr(expr.lhs),
        rhs: translateExpr(expr.rhs),
        matching: expr.matching ? translateMatching(expr.matching) : null,
        bool: expr.bool,
      }
    default:
      return expr satisfies never
  }
}

function translateDuration(expr: DurationExpr | undefined): Json {
  if (!expr) return null
  if (expr.kind === 'number')
    return { type: 'numberLiteral', val: formatDecimal(expr.value), duration: expr.duration ?? false }
  const { op, lhs, rhs, wrapped } = expr
  return { type: 'durationExpr', op, lhs: translateDuration(lhs), rhs: translateDuration(rhs), wrapped }
}

function translateFunction(name: string): Json {
  const { args, variadic, returns } = functions.get(name)!
  return { name, argTypes: args, variadic, returnType: returns }
}

function translateMatching({ card, labels, on, include, fill }: VectorMatching): Json {
  return { card, labels, on, include, fillValues: { lhs: fill?.lhs ?? null, rhs: fill?.rhs ?? null } }
}

function selectorFields(selector: VectorSelector) {
  const { name, matchers, extended } = selector
  const ends = { anchored: extended === 'anchored', smoothed: extended === 'smoothed' }
  return { name: name.toWellFormed(), matchers: matchers.map(translateMatcher), ...timeFields(selector), ...ends }
}

function translateMatcher({ name, type, value }: LabelMatcher): Json {
  return { name: name.toWellFormed(), type, value: value.toWellFormed() }
}

function timeFields({ offsetMs, offset, at }: TimeModifiers) {
  const fixed = typeof at === 'number'
  return {
    offset: offsetMs,
    offsetExpr: translateDuration(offset),
    timestamp: fixed ? at : null,
    startOrEnd: fixed ? null : (at ?? null),
  }
}
