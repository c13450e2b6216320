// Functions from a sample's value (and scalar parameters) to a value: mathematics, trigonometry, rounding, dates.
// Specification: Prometheus 3.14, promql/functions.go; Go's math package.
// Owns the table of them, a line a function.

/** Parameters not given are undefined. */
export type ValueFunction = (value: number, first?: number, second?: number) => number

/** value → value, by PromQL's name. */
export const valueFunctions: Readonly<Record<string, ValueFunction>> = {
  abs: Math.abs,
  ceil: Math.ceil,
  floor: Math.floor,
  exp: Math.exp,
  sqrt: Math.sqrt,
  ln: Math.log,
  log2: Math.log2,
  log10: Math.log10,
  sin: Math.sin,
  cos: Math.cos,
  tan: Math.tan,
  asin: Math.asin,
  acos: Math.acos,
  atan: Math.atan,
  sinh: Math.sinh,
  cosh: Math.cosh,
  tanh: Math.tanh,
  asinh: Math.asinh,
  acosh: Math.acosh,
  atanh: Math.atanh,
  rad: (v) => (v * Math.PI) / 180,
  deg: (v) => (v * 180) / Math.PI,
  sgn: (v) => (v < 0 ? -1 : v > 0 ? 1 : v),
  // Ties go up; the inverse is taken first because it loses less.
  round: (v, nearest = 1) => Math.floor(v * (1 / nearest) + 0.5) / (1 / nearest),
  clamp: (v, min, max) => Math.max(min!, Math.min(max!, v)),
  clamp_min: (v, min) => Math.max(min!, v),
  clamp_max: (v, max) => Math.min(max!, v),
  minute: (v) => utc(v).getUTCMinutes(),
  hour: (v) => utc(v).getUTCHours(),
  day_of_week: (v) => utc(v).getUTCDay(),
  day_of_month: (v) => utc(v).getUTCDate(),
  day_of_year: (v) => dayOfYear(utc(v)),
  days_in_month: (v) => daysInMonth(utc(v)),
  month: (v) => utc(v).getUTCMonth() + 1,
  year: (v) => utc(v).getUTCFullYear(),
}

const dayMs = 86_400_000

function utc(seconds: number): Date {
  return new Date(Math.trunc(seconds) * 1000)
}

function dayOfYear(date: Date): number {
  const yearStart = new Date(date)
  yearStart.setUTCMonth(0, 1)
  return Math.round((date.getTime() - yearStart.getTime()) / dayMs) + 1
}

function daysInMonth(date: Date): number {
  const monthEnd = new Date(date)
  monthEnd.setUTCMonth(date.getUTCMonth() + 1, 0)
  return monthEnd.getUTCDate()
}
