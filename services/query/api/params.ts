// A request's parameters, of the query string and of a form body alike, and how Prometheus reads times, durations, limits and booleans.
// Specification: Prometheus 3.14, web/api/v1/api.go (parseTime, parseDuration, parseLimitParam), with its messages.
// Owns the reading of texts; what they mean for a query is requests.ts.
import { MnemoError } from '../../../lib/kit/errors.ts'
import { quoteGo } from '../../../lib/promql/functions/go-format.ts'
import { readDuration, readNumber } from '../../../lib/promql/parse/numbers.ts'

export class Params {
  readonly #body: URLSearchParams
  readonly #query: URLSearchParams

  /** `body` is what a form was sent with; it comes before the query string, as in Go. */
  constructor(queryString: string, body: string) {
    this.#body = readPairs(body)
    this.#query = readPairs(queryString)
  }

  /** The first value, '' where there is none. */
  get(name: string): string {
    return this.#body.get(name) ?? this.#query.get(name) ?? ''
  }

  all(name: string): readonly string[] {
    return [...this.#body.getAll(name), ...this.#query.getAll(name)]
  }
}

// As in Go, a pair that is ill-formed is none: one with a semicolon, or a percent sign that escapes nothing.
function readPairs(text: string): URLSearchParams {
  if (!/;|%(?![\da-f]{2})/i.test(text)) return new URLSearchParams(text)
  const pairs = text.split('&').filter((pair) => !/;|%(?![\da-f]{2})/i.test(pair))
  return new URLSearchParams(pairs.join('&'))
}

/** Runs a reading; what it throws names the parameter: `invalid parameter "start": …`. */
export function inParameter<T>(name: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof MnemoError) || error.code !== 'bad_data') throw error
    throw new MnemoError('bad_data', `invalid parameter ${quoteGo(name)}: ${error.message}`, { cause: error })
  }
}

const bad = (message: string) => new MnemoError('bad_data', message)

/** What the look-ups' start and end are by default, spelled as clients of Go send them back. */
const farTimes: Readonly<Record<string, number>> = {
  '-292273086-05-16T16:47:06Z': -Number.MAX_SAFE_INTEGER,
  '292277025-08-18T07:12:54.999999999Z': Number.MAX_SAFE_INTEGER,
}

/** ms of Unix seconds (a fraction to the millisecond) or RFC 3339. Throws `bad_data`. */
export function parseTimeMs(text: string): number {
  const timeMs = unixMs(text) ?? rfc3339Ms(text) ?? farTimes[text]
  if (timeMs === undefined) throw bad(`cannot parse ${quoteGo(text)} to a valid timestamp`)
  return Math.max(-Number.MAX_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, timeMs))
}

function unixMs(text: string): number | undefined {
  const seconds = parseFloatParam(text)
  if (seconds === undefined || !Number.isFinite(seconds)) return undefined
  const whole = Math.trunc(seconds)
  // In Prometheus's own steps: to the millisecond, then to whole nanoseconds, then down.
  const fraction = seconds - whole
  const rounded = (Math.sign(fraction) * Math.round(Math.abs(fraction) * 1000)) / 1000
  return whole * 1000 + Math.floor(Math.trunc(rounded * 1e9) / 1e6)
}

const rfc3339 = /^(\d{4})-(\d\d)-(\d\d)T(\d\d?):(\d\d):(\d\d)(?:[.,](\d+))?(?:Z|([+-])(\d\d):(\d\d))$/

function rfc3339Ms(text: string): number | undefined {
  const match = rfc3339.exec(text)
  if (!match) return undefined
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  if (month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59) return undefined
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  if (date.getUTCDate() !== day) return undefined
  date.setUTCHours(hour, minute, second, Number((match[7] ?? '').padEnd(3, '0').slice(0, 3)))
  const [sign, zoneHours, zoneMinutes] = [match[8], Number(match[9] ?? 0), Number(match[10] ?? 0)]
  if (zoneHours > 24 || zoneMinutes > 60) return undefined
  const offsetMs = (zoneHours * 60 + zoneMinutes) * 60_000
  return date.getTime() + (sign === '-' ? offsetMs : -offsetMs)
}

/** Nanoseconds of seconds or of 1h30m; may be negative. Throws `bad_data`. */
export function parseDurationNs(text: string): number {
  const seconds = parseFloatParam(text)
  if (seconds !== undefined && !Number.isNaN(seconds)) {
    const ns = seconds * 1e9
    if (Math.abs(ns) > 2 ** 63) throw bad(`cannot parse ${quoteGo(text)} to a valid duration. It overflows int64`)
    return Math.trunc(ns)
  }
  const reading = /^(?:\d+(?:ms|[ywdhms]))+$/.test(text) ? readDuration(text) : { problem: '' }
  if ('problem' in reading) throw bad(`cannot parse ${quoteGo(text)} to a valid duration`)
  return Math.round(reading.value * 1e9)
}

/** strconv.ParseFloat: a sign, then a number as in PromQL, in decimal. */
function parseFloatParam(text: string): number | undefined {
  const [, sign = '', digits = ''] = /^([+-]?)(.*)$/s.exec(text) ?? []
  const decimal = digits.toLowerCase() === 'infinity' ? 'inf' : digits.replace(/^0+(?=\d)/, '')
  if (!/^(?:[\d.][\d._eE+-]*|inf|nan)$/i.test(decimal)) return undefined
  const reading = readNumber(decimal)
  if ('problem' in reading) return undefined
  return sign === '-' ? -reading.value : reading.value
}

/** A count of at least 0; 0, also where the text is empty: no limit. Throws `bad_data`. */
export function parseLimit(text: string): number {
  if (text === '') return 0
  if (!/^[+-]?\d+$/.test(text)) throw bad(`strconv.Atoi: parsing ${quoteGo(text)}: invalid syntax`)
  const limit = Number(text)
  if (Math.abs(limit) >= 2 ** 63) throw bad(`strconv.Atoi: parsing ${quoteGo(text)}: value out of range`)
  if (limit < 0) throw bad('limit must be non-negative')
  return Math.min(limit, Number.MAX_SAFE_INTEGER)
}

const booleans: Readonly<Record<string, boolean>> = {
  ...Object.fromEntries(['1', 't', 'T', 'true', 'TRUE', 'True'].map((text) => [text, true])),
  ...Object.fromEntries(['0', 'f', 'F', 'false', 'FALSE', 'False'].map((text) => [text, false])),
}

/** A boolean as Go reads it; `byDefault` where the parameter is empty. Throws `bad_data` with Thanos's message, or `problem` before Go's. */
export function parseBool(params: Params, name: string, byDefault: boolean, problem = `'${name}' parameter`): boolean {
  const text = params.get(name)
  if (text === '') return byDefault
  const value = Object.hasOwn(booleans, text) ? booleans[text] : undefined
  if (value === undefined) throw bad(`${problem}: strconv.ParseBool: parsing ${quoteGo(text)}: invalid syntax`)
  return value
}
