// Dates in UTC from Unix seconds of any size: the calendar repeats itself every 400 years.
// Specification: Prometheus 3.14, promql/functions.go (dateWrapper); Go's time package, which counts int64 seconds and wraps.
// Owns what lies beyond a Date, and what Go makes of NaN and infinities.

/** A date with the same month, day, weekday and time, and the years that its own year is off. */
export interface WideDate {
  readonly date: Date
  readonly yearsAway: number
}

const daySeconds = 86_400
const dayMs = daySeconds * 1000
const cycleDays = 146_097
const cycleYears = 400
/** Furthest seconds that a Date holds. */
const maxDateSeconds = 8.64e12
/** Unix time in Go's uint64 of seconds: from March 1 of the year −292277022400, 0001-01-01 being 306 days after a March 1. */
const unixEpochSeconds = ((292_277_022_400n / 400n) * BigInt(cycleDays) + 306n + 719_162n) * BigInt(daySeconds)
const minInt64 = -(2n ** 63n)

/** The date of Unix seconds, their fraction cut off. */
export function wideDate(seconds: number): WideDate {
  if (Math.abs(seconds) < maxDateSeconds) return { date: new Date(Math.trunc(seconds) * 1000), yearsAway: 0 }
  // What does not fit an int64 is its least, as amd64 converts it.
  const whole = Math.abs(seconds) < 2 ** 63 ? BigInt(Math.trunc(seconds)) : minInt64
  const wrapped = BigInt.asUintN(64, whole + unixEpochSeconds) - unixEpochSeconds
  const secondOfDay = Number(((wrapped % BigInt(daySeconds)) + BigInt(daySeconds)) % BigInt(daySeconds))
  const days = Number((wrapped - BigInt(secondOfDay)) / BigInt(daySeconds))
  const cycles = Math.floor(days / cycleDays)
  const date = new Date((days - cycles * cycleDays) * dayMs + secondOfDay * 1000)
  return { date, yearsAway: cycles * cycleYears }
}

export function yearOf({ date, yearsAway }: WideDate): number {
  return date.getUTCFullYear() + yearsAway
}

/** 1 on January 1. */
export function dayOfYear({ date }: WideDate): number {
  const sameTimeOnFirst = new Date(date).setUTCMonth(0, 1)
  return Math.round((date.getTime() - sameTimeOnFirst) / dayMs) + 1
}

export function daysInMonth({ date }: WideDate): number {
  return new Date(new Date(date).setUTCMonth(date.getUTCMonth() + 1, 0)).getUTCDate()
}
