// The functions of PromQL: argument types, result type, and which ones are experimental.
// Specification: Prometheus 3.14, promql/parser/functions.go.
// Owns the signatures; what the functions compute is lib/promql/functions.
import type { ValueType } from './ast.ts'

export interface FunctionSignature {
  readonly name: string
  readonly args: readonly ValueType[]
  /** 0: exactly `args`. n > 0: the last may be missing, or come up to n times. -1: the last may be missing, or come any number of times. */
  readonly variadic: number
  readonly returns: ValueType
  readonly experimental: boolean
}

interface Shape {
  readonly args: readonly ValueType[]
  readonly variadic?: number
  readonly returns?: ValueType
  readonly experimental?: boolean
  readonly names: string
}

const shapes: readonly Shape[] = [
  {
    args: ['vector'],
    names:
      'abs absent acos acosh asin asinh atan atanh ceil cos cosh deg exp floor ln log10 log2 rad sgn sin sinh sort sort_desc ' +
      'sqrt tan tanh timestamp histogram_avg histogram_count histogram_stddev histogram_stdvar histogram_sum',
  },
  {
    args: ['matrix'],
    names:
      'absent_over_time avg_over_time changes count_over_time delta deriv first_over_time idelta increase irate last_over_time ' +
      'max_over_time min_over_time present_over_time rate resets stddev_over_time stdvar_over_time sum_over_time',
  },
  {
    args: ['vector'],
    variadic: 1,
    names: 'day_of_month day_of_week day_of_year days_in_month hour minute month year',
  },
  { args: ['vector', 'scalar'], names: 'clamp_max clamp_min' },
  { args: ['vector', 'scalar', 'scalar'], names: 'clamp' },
  { args: ['vector', 'scalar'], variadic: 1, names: 'round' },
  { args: [], returns: 'scalar', names: 'pi time' },
  { args: ['vector'], returns: 'scalar', names: 'scalar' },
  { args: ['scalar'], names: 'vector' },
  { args: ['scalar', 'scalar', 'vector'], names: 'histogram_fraction' },
  { args: ['scalar', 'vector'], names: 'histogram_quantile' },
  { args: ['scalar', 'matrix'], names: 'quantile_over_time' },
  { args: ['matrix', 'scalar'], names: 'predict_linear' },
  { args: ['vector', 'string', 'string', 'string', 'string'], names: 'label_replace' },
  { args: ['vector', 'string', 'string', 'string'], variadic: -1, names: 'label_join' },
  {
    args: ['matrix'],
    experimental: true,
    names: 'mad_over_time ts_of_first_over_time ts_of_last_over_time ts_of_max_over_time ts_of_min_over_time',
  },
  { args: ['matrix', 'scalar', 'scalar'], experimental: true, names: 'double_exponential_smoothing' },
  { args: [], returns: 'scalar', experimental: true, names: 'end range start step' },
  { args: ['scalar', 'scalar'], returns: 'scalar', experimental: true, names: 'max_of min_of' },
  { args: ['vector', 'string'], variadic: -1, experimental: true, names: 'sort_by_label sort_by_label_desc' },
  { args: ['vector', 'string', 'scalar', 'scalar'], variadic: 9, experimental: true, names: 'histogram_quantiles' },
  { args: ['vector', 'vector'], variadic: 1, experimental: true, names: 'info' },
  { args: ['vector'], experimental: true, names: 'start_timestamp' },
]

/** Every function by name. */
export const functions: ReadonlyMap<string, FunctionSignature> = new Map(
  shapes.flatMap(({ args, variadic = 0, returns = 'vector', experimental = false, names }) =>
    names.split(' ').map((name) => [name, { name, args, variadic, returns, experimental }] as const),
  ),
)
