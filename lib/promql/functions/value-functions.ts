// Functions from a sample's value (and scalar parameters) to a value: mathematics, trigonometry, rounding, dates.
// Specification: Prometheus 3.14, promql/functions.go; Go's math package.
// Owns the table of them, a line a function.

import { dayOfYear, daysInMonth, wideDate, yearOf } from './dates.ts'
import { exp } from './go-exp.ts'
import { acosh, asinh, atanh, cosh, sinh, tanh } from './go-hyperbolic.ts'
import { log, log2, log10, max, min } from './go-math.ts'
import { acos, asin, atan, cos, sin, tan } from './go-trig.ts'

/** Parameters not given are undefined. */
export type ValueFunction = (value: number, first?: number, second?: number) => number

/** value → value, by PromQL's name. */
export const valueFunctions: Readonly<Record<string, ValueFunction>> = {
  abs: Math.abs,
  ceil: Math.ceil,
  floor: Math.floor,
  exp,
  sqrt: Math.sqrt,
  ln: log,
  log2,
  log10,
  sin,
  cos,
  tan,
  asin,
  acos,
  atan,
  sinh,
  cosh,
  tanh,
  asinh,
  acosh,
  atanh,
  rad: (v) => (v * Math.PI) / 180,
  deg: (v) => (v * 180) / Math.PI,
  sgn: (v) => (v < 0 ? -1 : v > 0 ? 1 : v),
  // Ties go up; the inverse is taken first because it loses less.
  round: (v, nearest = 1) => Math.floor(v * (1 / nearest) + 0.5) / (1 / nearest),
  clamp: (v, low, high) => max(low!, min(high!, v)),
  clamp_min: (v, low) => max(low!, v),
  clamp_max: (v, high) => min(high!, v),
  minute: (v) => wideDate(v).date.getUTCMinutes(),
  hour: (v) => wideDate(v).date.getUTCHours(),
  day_of_week: (v) => wideDate(v).date.getUTCDay(),
  day_of_month: (v) => wideDate(v).date.getUTCDate(),
  day_of_year: (v) => dayOfYear(wideDate(v)),
  days_in_month: (v) => daysInMonth(wideDate(v)),
  month: (v) => wideDate(v).date.getUTCMonth() + 1,
  year: (v) => yearOf(wideDate(v)),
}
