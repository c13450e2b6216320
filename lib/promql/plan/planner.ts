// From syntax tree to plan: drops parentheses, resolves @ start() and @ end(), finds what is the same at every step.
// Specification: Prometheus 3.14, promql/engine.go (PreprocessExpr, populateSeries) and promql/functions.go.
// Owns what is known before any data is read; calls.ts plans function calls.

import { MnemoError } from '../../kit/errors.ts'
import {
  type Aggregate,
  type Binary,
  type Expr,
  type MatrixSelector,
  type Subquery,
  type TimeModifiers,
  type Unary,
  type VectorSelector,
  valueType,
} from '../parse/ast.ts'
import { planCall } from './calls.ts'
import { statsSelectors } from './histogram-stats.ts'
import { selectedName, staticName } from './names.ts'
import type {
  ElementOp,
  Grouping,
  MatrixPlan,
  QueryPlan,
  ScalarPlan,
  Select,
  SelectorPlan,
  SetOp,
  VectorPlan,
} from './plan.ts'
import {
  type Hint,
  noHint,
  type Planned,
  type Planner,
  type PlanOptions,
  unwrapParens,
  wrapScalar,
  wrapVector,
} from './planning.ts'

/** The plan of a query. Throws `bad_data` where the tree does not type-check, `unsupported` for a function without an operator. */
export function planQuery(expr: Expr, options: PlanOptions): QueryPlan {
  const planner = createPlanner(options, statsSelectors(expr))
  const type = valueType(expr)
  switch (type) {
    case 'scalar':
      return { type, plan: wrapScalar(planner.scalar(expr, noHint)) }
    case 'vector':
      return { type, plan: wrapVector(planner.vector(expr, noHint)) }
    case 'matrix':
      return { type, plan: planner.matrix(expr, noHint).plan }
    case 'string':
      return { type, value: planner.string(expr) }
    default:
      return type satisfies never
  }
}

function createPlanner(options: PlanOptions, withoutBuckets: ReadonlySet<VectorSelector>): Planner {
  const planner: Planner = {
    options,
    withoutBuckets,
    scalar: (expr, hint) => planScalar(expr, planner, hint),
    vector: (expr, hint) => planVector(expr, planner, hint),
    matrix: (expr, hint) => planMatrix(expr, planner, hint),
    times: (expr, shows, hint) => planSelector(expr, planner, { hint, shows }),
    string: (expr) => {
      const literal = unwrapParens(expr)
      if (literal.kind !== 'string') throw mistyped(expr, 'string')
      return literal.value
    },
  }
  return planner
}

function mistyped(expr: Expr, want: string): MnemoError {
  return new MnemoError('bad_data', `cannot plan ${expr.kind}: got type ${valueType(expr)}, want ${want}`)
}

function planScalar(expr: Expr, planner: Planner, hint: Hint): Planned<ScalarPlan> {
  switch (expr.kind) {
    case 'number':
      return { plan: { kind: 'number', value: expr.value }, invariant: true }
    case 'paren':
      return planScalar(expr.expr, planner, hint)
    case 'unary':
      return planScalarUnary(expr, planner, hint)
    case 'binary':
      return planScalarBinary(expr, planner)
    case 'call': {
      const { plan, invariant } = planCall(expr, planner)
      if (plan.type === 'scalar') return { plan: plan.plan, invariant }
    }
  }
  throw mistyped(expr, 'scalar')
}

function planScalarUnary(expr: Unary, planner: Planner, hint: Hint): Planned<ScalarPlan> {
  const child = planScalar(expr.expr, planner, hint)
  if (expr.op === '+') return child
  const plan: ScalarPlan = { kind: 'scalar_call', func: 'negate', args: [child.plan] }
  return { plan, invariant: child.invariant }
}

function planScalarBinary(expr: Binary, planner: Planner): Planned<ScalarPlan> {
  const lhs = planner.scalar(expr.lhs, noHint)
  const rhs = planner.scalar(expr.rhs, noHint)
  const invariant = lhs.invariant && rhs.invariant
  const plan: ScalarPlan = {
    kind: 'scalar_binary',
    op: expr.op as ElementOp,
    lhs: invariant ? lhs.plan : wrapScalar(lhs),
    rhs: invariant ? rhs.plan : wrapScalar(rhs),
  }
  return { plan, invariant }
}

function planVector(expr: Expr, planner: Planner, hint: Hint): Planned<VectorPlan> {
  switch (expr.kind) {
    case 'paren':
      return planVector(expr.expr, planner, hint)
    case 'vector_selector':
      return planSelector(expr, planner, { hint, shows: 'value' })
    case 'unary':
      return planVectorUnary(expr, planner, hint)
    case 'aggregate':
      return planAggregate(expr, planner)
    case 'binary':
      return planBinary(expr, planner)
    case 'call': {
      const { plan, invariant } = planCall(expr, planner)
      if (plan.type === 'vector') return { plan: plan.plan, invariant }
    }
  }
  throw mistyped(expr, 'vector')
}

function planVectorUnary(expr: Unary, planner: Planner, hint: Hint): Planned<VectorPlan> {
  if (expr.op === '+') return planVector(expr.expr, planner, hint)
  // The smallest of negated values is no minimum: what is above has no say in what is read.
  const child = planVector(expr.expr, planner, noHint)
  const oneName = staticName(child.plan) !== undefined
  return { plan: { kind: 'negate', child: child.plan, oneName }, invariant: child.invariant }
}

function planSelector(
  expr: VectorSelector,
  planner: Planner,
  { hint, shows }: { hint: Hint; shows: SelectorPlan['shows'] },
): Planned<VectorPlan> {
  const plain = planSelect(expr, planner, hint)
  const select = shows === 'startTime' ? { ...plain, startTimestamps: true } : plain
  const oneName = selectedName(select) !== undefined
  const plan: SelectorPlan = { kind: 'selector', select, shows, oneName, pos: expr.pos }
  return { plan, invariant: select.atMs !== undefined }
}

function planSelect(expr: VectorSelector, planner: Planner, hint: Hint): Select {
  const { matchers, extended } = expr
  const withoutBuckets = planner.withoutBuckets.has(expr)
  return { matchers, extended, withoutBuckets, ...resolveTime(expr, planner.options), ...hint }
}

function resolveTime(modifiers: TimeModifiers, options: PlanOptions): { offsetMs: number; atMs: number | undefined } {
  const { at, offsetMs } = modifiers
  const atMs = at === 'start' ? options.startMs : at === 'end' ? options.endMs : at
  // There is nothing so far away, and arithmetic on it is exact.
  const exact = atMs && Math.max(-Number.MAX_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, atMs))
  return { offsetMs, atMs: exact }
}

function planMatrix(expr: Expr, planner: Planner, hint: Hint): Planned<MatrixPlan> {
  switch (expr.kind) {
    case 'paren':
      return planMatrix(expr.expr, planner, hint)
    case 'matrix_selector':
      return planRangeSelector(expr, planner, hint)
    case 'subquery':
      return planSubquery(expr, planner, hint)
  }
  throw mistyped(expr, 'range vector')
}

/** Functions over ranges that start timestamps have a say in. */
const readsStarts: ReadonlySet<string> = new Set(['rate', 'irate', 'increase', 'resets'])

function planRangeSelector(expr: MatrixSelector, planner: Planner, hint: Hint): Planned<MatrixPlan> {
  const { selector, rangeMs } = expr
  const plain = planSelect(selector, planner, hint)
  const started = planner.options.startTimestamps && readsStarts.has(hint.func)
  const select = started ? { ...plain, startTimestamps: true } : plain
  return { plan: { kind: 'range_selector', select, rangeMs }, invariant: select.atMs !== undefined }
}

// What is invariant inside a subquery runs once for all of the subquery's steps; the subquery itself is so by its own @.
function planSubquery(expr: Subquery, planner: Planner, hint: Hint): Planned<MatrixPlan> {
  const child = wrapVector(planner.vector(expr.expr, { func: hint.func, grouping: undefined }))
  const { rangeMs, stepMs } = expr
  const time = resolveTime(expr, planner.options)
  return { plan: { kind: 'subquery', child, rangeMs, stepMs, ...time }, invariant: time.atMs !== undefined }
}

function planAggregate(expr: Aggregate, planner: Planner): Planned<VectorPlan> {
  const grouping: Grouping = { labels: expr.grouping, without: expr.without }
  const child = planner.vector(unwrapParens(expr.expr), { func: expr.op, grouping })
  // As in Prometheus, the parameter has no say in whether an aggregation is the same at every step.
  return { plan: aggregatePlan(expr, child.plan, grouping, planner), invariant: child.invariant }
}

function aggregatePlan(expr: Aggregate, child: VectorPlan, grouping: Grouping, planner: Planner): VectorPlan {
  const param = expr.param === undefined ? undefined : unwrapParens(expr.param)
  const childPos = unwrapParens(expr.expr).pos
  switch (expr.op) {
    case 'topk':
    case 'bottomk':
    case 'limitk':
    case 'limit_ratio':
    case 'quantile': {
      if (param === undefined) throw new MnemoError('bad_data', `cannot plan ${expr.op}: got no parameter, want one`)
      const ranked = { child, param: planner.scalar(param, noHint).plan, paramPos: param.pos, grouping }
      if (expr.op === 'quantile') return { kind: 'quantile', ...ranked, childPos }
      return { kind: 'rank', op: expr.op, ...ranked, pos: expr.pos }
    }
    case 'count_values':
      if (param === undefined) throw new MnemoError('bad_data', 'cannot plan count_values: got no label, want one')
      return { kind: 'count_values', child, label: planner.string(param), grouping }
    default:
      return { kind: 'aggregate', op: expr.op, child, childPos, grouping }
  }
}

function planBinary(expr: Binary, planner: Planner): Planned<VectorPlan> {
  const scalarLeft = valueType(expr.lhs) === 'scalar'
  if (scalarLeft || valueType(expr.rhs) === 'scalar') return planVectorScalar(expr, scalarLeft, planner)
  const left = planner.vector(expr.lhs, noHint)
  const right = planner.vector(expr.rhs, noHint)
  const invariant = left.invariant && right.invariant
  const lhs = invariant ? left.plan : wrapVector(left)
  const rhs = invariant ? right.plan : wrapVector(right)
  const { op, bool, pos } = expr
  const matching = expr.matching ?? { card: 'one-to-one', labels: [], on: false, include: [] }
  if (isSetOp(op)) return { plan: { kind: 'set', op, lhs, rhs, matching }, invariant }
  return { plan: { kind: 'vector_binary', op, lhs, rhs, bool, matching, pos }, invariant }
}

function isSetOp(op: string): op is SetOp {
  return op === 'and' || op === 'or' || op === 'unless'
}

function planVectorScalar(expr: Binary, swapped: boolean, planner: Planner): Planned<VectorPlan> {
  const scalar = planner.scalar(swapped ? expr.lhs : expr.rhs, noHint)
  const vector = planner.vector(swapped ? expr.rhs : expr.lhs, noHint)
  const invariant = scalar.invariant && vector.invariant
  const plan: VectorPlan = {
    kind: 'vector_scalar',
    op: expr.op as ElementOp,
    vector: invariant ? vector.plan : wrapVector(vector),
    scalar: invariant ? scalar.plan : wrapScalar(scalar),
    swapped,
    bool: expr.bool,
    pos: expr.pos,
    oneName: staticName(vector.plan) !== undefined,
  }
  return { plan, invariant }
}
