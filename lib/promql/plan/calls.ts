// Plans of function calls: one line a function, from its name to the operator that runs it.
// Specification: Prometheus 3.14, promql/functions.go (FunctionCalls, AtModifierUnsafeFunctions).
// Owns the table of functions; the parser has checked arguments by number and type.

import type { WindowFunction } from '../../kernels/kernels.ts'
import { MnemoError } from '../../kit/errors.ts'
import { type Labels, labelsOf, metricName } from '../../labels/labels.ts'
import type { LabelMatcher } from '../../labels/matcher.ts'
import { compileMatcher } from '../../labels/regex.ts'
import { valueFunctions } from '../functions/value-functions.ts'
import { type Call, type Expr, type Position, valueType } from '../parse/ast.ts'
import { infoNameMatchers, infoTime } from './info.ts'
import { sourceName, staticName } from './names.ts'
import type { HistogramPlan, HistogramValuePlan, MatrixPlan, ScalarPlan, VectorPlan } from './plan.ts'
import { type Hint, type Planned, type Planner, unwrapParens, wrapScalar, wrapVector } from './planning.ts'

type TypedPlan =
  | { readonly type: 'scalar'; readonly plan: ScalarPlan }
  | { readonly type: 'vector'; readonly plan: VectorPlan }

/** A call with its arguments planned, by the type each has. */
interface Arguments {
  readonly call: Call
  readonly planner: Planner
  readonly exprs: readonly Expr[]
  /** In order of appearance among arguments of the type. */
  readonly scalars: readonly ScalarPlan[]
  readonly vectors: readonly VectorPlan[]
  readonly matrices: readonly MatrixPlan[]
}

/** The plan of a call. Throws `unsupported` for a function that has no operator. */
export function planCall(call: Call, planner: Planner): Planned<TypedPlan> {
  const exprs = call.args.map(unwrapParens)
  const first = exprs[0]
  const started = planner.options.startTimestamps ? 'startTime' : 'nothing'
  const shows = call.func === 'timestamp' ? 'time' : call.func === 'start_timestamp' ? started : undefined
  if (shows !== undefined && first?.kind === 'vector_selector') {
    const { plan, invariant } = planner.times(first, shows, hintOf(call))
    return { plan: { type: 'vector', plan }, invariant }
  }
  const build = builders.get(call.func)
  if (build === undefined) throw new MnemoError('unsupported', `function ${call.func}() is not supported`)
  const planned = planArguments(call, exprs, planner)
  return { plan: build({ call, planner, exprs, ...planned.args }), invariant: planned.invariant }
}

function hintOf(call: Call): Hint {
  return { func: call.func, grouping: undefined }
}

function planArguments(call: Call, exprs: readonly Expr[], planner: Planner) {
  const hint = hintOf(call)
  const scalars = exprs.filter((e) => valueType(e) === 'scalar').map((e) => planner.scalar(e, hint))
  const vectors = exprs.filter((e) => valueType(e) === 'vector').map((e) => planner.vector(e, hint))
  const matrices = exprs.filter((e) => valueType(e) === 'matrix').map((e) => planner.matrix(e, hint))
  const invariant = !dependsOnTime.has(call.func) && [...scalars, ...vectors, ...matrices].every((p) => p.invariant)
  const args = {
    scalars: scalars.map((p) => (invariant ? p.plan : wrapScalar(p))),
    vectors: vectors.map((p) => (invariant ? p.plan : wrapVector(p))),
    matrices: matrices.map((p) => p.plan),
  }
  return { args, invariant }
}

// Functions whose result varies with the evaluation time even where their arguments do not.
const dependsOnTime = new Set([
  ...['days_in_month', 'day_of_month', 'day_of_week', 'day_of_year', 'hour', 'minute', 'month', 'year'],
  ...['predict_linear', 'time', 'timestamp'],
])

type Builder = (args: Arguments) => TypedPlan

const scalar = (plan: ScalarPlan): TypedPlan => ({ type: 'scalar', plan })
const vector = (plan: VectorPlan): TypedPlan => ({ type: 'vector', plan })
const number = (value: number): TypedPlan => scalar({ kind: 'number', value })

const scalarBuilders: readonly (readonly [string, Builder])[] = [
  ['time', () => scalar({ kind: 'time' })],
  ['pi', () => number(Math.PI)],
  ['scalar', ({ vectors }) => scalar({ kind: 'scalar_of', child: vectors[0]! })],
  ['max_of', ({ scalars }) => scalar({ kind: 'scalar_call', func: 'max_of', args: scalars })],
  ['min_of', ({ scalars }) => scalar({ kind: 'scalar_call', func: 'min_of', args: scalars })],
  ['start', ({ planner }) => number(planner.options.startMs / 1000)],
  ['end', ({ planner }) => number(planner.options.endMs / 1000)],
  ['range', ({ planner }) => number((planner.options.endMs - planner.options.startMs) / 1000)],
  ['step', ({ planner: { options } }) => number(options.startMs === options.endMs ? 0 : options.stepMs / 1000)],
]

const vectorBuilders: readonly (readonly [string, Builder])[] = [
  ['vector', ({ scalars }) => vector({ kind: 'vector_of', scalar: scalars[0]! })],
  ['timestamp', ({ vectors }) => vector({ kind: 'timestamp', child: vectors[0]!, oneName: hasOneName(vectors[0]!) })],
  ['absent', ({ vectors, exprs }) => vector({ kind: 'absent', child: vectors[0]!, labels: absentLabels(exprs[0]!) })],
  [
    'absent_over_time',
    ({ matrices, exprs }) =>
      vector({ kind: 'absent_over_time', source: matrices[0]!, labels: absentLabels(exprs[0]!) }),
  ],
  ['sort', (args) => sorted(args, false)],
  ['sort_desc', (args) => sorted(args, true)],
  ['sort_by_label', (args) => sortedByLabel(args, false)],
  ['sort_by_label_desc', (args) => sortedByLabel(args, true)],
  ['info', info],
  ['label_replace', labelReplace],
  ['label_join', labelJoin],
  ['histogram_quantile', (args) => histogram(args, { func: 'histogram_quantile', vectorIndex: 1 })],
  ['histogram_fraction', (args) => histogram(args, { func: 'histogram_fraction', vectorIndex: 2 })],
  ['histogram_quantiles', (args) => histogram(args, { func: 'histogram_quantiles', vectorIndex: 0 })],
  ['histogram_count', (args) => histogramValue(args, 'histogram_count')],
  ['histogram_sum', (args) => histogramValue(args, 'histogram_sum')],
  ['histogram_avg', (args) => histogramValue(args, 'histogram_avg')],
  ['histogram_stddev', (args) => histogramValue(args, 'histogram_stddev')],
  ['histogram_stdvar', (args) => histogramValue(args, 'histogram_stdvar')],
  ['start_timestamp', ({ vectors }) => vector({ kind: 'nothing', child: vectors[0]! })],
]

const windowFunctions: readonly WindowFunction[] = [
  ...(['rate', 'increase', 'delta', 'irate', 'idelta', 'changes', 'resets', 'deriv', 'predict_linear'] as const),
  ...(['sum_over_time', 'avg_over_time', 'count_over_time', 'min_over_time', 'max_over_time'] as const),
  ...(['last_over_time', 'first_over_time', 'present_over_time', 'quantile_over_time', 'mad_over_time'] as const),
  ...(['stddev_over_time', 'stdvar_over_time', 'double_exponential_smoothing'] as const),
  ...(['ts_of_first_over_time', 'ts_of_last_over_time', 'ts_of_min_over_time', 'ts_of_max_over_time'] as const),
]

const builders: ReadonlyMap<string, Builder> = new Map([
  ...windowFunctions.map((func) => [func, (args: Arguments) => windowed(args, func)] as const),
  ...Object.keys(valueFunctions).map((func) => [func, mapped] as const),
  ...scalarBuilders,
  ...vectorBuilders,
])

/** Whether this version of the engine has an operator for the function. */
export function isSupportedFunction(name: string): boolean {
  return builders.has(name)
}

function hasOneName(plan: VectorPlan): boolean {
  return staticName(plan) !== undefined
}

function windowed({ matrices, scalars, exprs }: Arguments, func: WindowFunction): TypedPlan {
  const source = matrices[0]!
  const keepsName = func === 'last_over_time' || func === 'first_over_time'
  const oneName = sourceName(source) !== undefined
  // Prometheus puts the subquery's samples in its place, and with it loses the position.
  const pos = exprs[0]!.kind === 'subquery' ? { start: 0, end: 0 } : exprs[0]!.pos
  return vector({ kind: 'window', func, source, params: scalars, keepsName, oneName, pos })
}

// The date functions take the evaluation time where they are given nothing.
function mapped({ call, vectors, scalars }: Arguments): TypedPlan {
  const child: VectorPlan = vectors[0] ?? { kind: 'vector_of', scalar: { kind: 'time' } }
  return vector({ kind: 'map', func: call.func, child, params: scalars, oneName: hasOneName(child) })
}

function sorted({ vectors, call }: Arguments, descending: boolean): TypedPlan {
  return vector({ kind: 'sort', child: vectors[0]!, descending, pos: call.pos })
}

function sortedByLabel({ vectors, call, exprs, planner }: Arguments, descending: boolean): TypedPlan {
  const labels = exprs.slice(1).map((e) => planner.string(e))
  return vector({ kind: 'sort_by_label', child: vectors[0]!, labels, descending, pos: call.pos })
}

function info({ vectors, exprs, planner }: Arguments): TypedPlan {
  const selector = exprs[1]
  const matchers = selector?.kind === 'vector_selector' ? selector.matchers : []
  const { offsetMs, at } = infoTime(exprs[0]!) ?? { offsetMs: 0 }
  const { startMs, endMs } = planner.options
  const atMs = at === 'start' ? startMs : at === 'end' ? endMs : at
  const dataMatchers = matchers.filter(({ name }) => name !== metricName)
  const nameMatchers = infoNameMatchers(matchers)
  return vector({ kind: 'info', child: vectors[0]!, nameMatchers, dataMatchers, offsetMs, atMs })
}

function labelReplace({ vectors, exprs, planner }: Arguments): TypedPlan {
  const [target, replacement, source, regex] = exprs.slice(1).map((e) => planner.string(e)) as [
    string,
    string,
    string,
    string,
  ]
  return vector({ kind: 'label_replace', child: vectors[0]!, target, replacement, sourceLabel: source, regex })
}

function labelJoin({ vectors, exprs, planner }: Arguments): TypedPlan {
  const [target, separator, ...sources] = exprs.slice(1).map((e) => planner.string(e)) as [string, string, ...string[]]
  return vector({ kind: 'label_join', child: vectors[0]!, target, separator, sources })
}

function histogram(
  { vectors, scalars, exprs, planner }: Arguments,
  { func, vectorIndex }: { func: HistogramPlan['func']; vectorIndex: number },
): TypedPlan {
  const child = vectors[0]!
  const labelExpr = exprs.find((e) => valueType(e) === 'string')
  return vector({
    kind: 'histogram',
    func,
    params: scalars,
    paramsPos: exprs.filter((e) => valueType(e) === 'scalar').map((e): Position => e.pos),
    label: labelExpr === undefined ? '' : planner.string(labelExpr),
    child,
    childPos: exprs[vectorIndex]!.pos,
    oneName: hasOneName(child),
  })
}

function histogramValue({ vectors }: Arguments, func: HistogramValuePlan['func']): TypedPlan {
  const child = vectors[0]!
  return vector({ kind: 'histogram_value', func, child, oneName: hasOneName(child) })
}

/** Labels of absent(): those that the selector's matchers fix to one value. */
function absentLabels(expr: Expr): Labels {
  const matchers: readonly LabelMatcher[] =
    expr.kind === 'vector_selector' ? expr.matchers : expr.kind === 'matrix_selector' ? expr.selector.matchers : []
  // Prometheus's storage has put those that take away behind those that choose, and so has the last word.
  const takesAway = (matcher: LabelMatcher) => matcher.type.startsWith('!') && compileMatcher(matcher)('')
  const inOrder = [...matchers.filter((m) => !takesAway(m)), ...matchers.filter(takesAway)]
  const fixed = new Map<string, string>()
  const seen = new Set<string>()
  for (const { name, type, value } of inOrder) {
    if (name === metricName) continue
    if (type === '=' && !seen.has(name)) {
      fixed.set(name, value)
      seen.add(name)
    } else {
      fixed.delete(name)
    }
  }
  return labelsOf(fixed)
}
