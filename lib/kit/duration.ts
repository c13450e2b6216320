// Durations as Prometheus and Go write them: 5m, 1h30m, 2d, 500ms; 1.5h, -2h45m, 10us.
// Follows prometheus/common model.ParseDuration and Go's time.ParseDuration; the result is a number of milliseconds.
// Owns both directions, for flags, configuration files and HTTP parameters.
import { MnemoError } from './errors.ts'

const unitMs = { y: 31_536_000_000, w: 604_800_000, d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const
const prometheusForm = /^(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$/
const prometheusUnits = ['y', 'w', 'd', 'h', 'm', 's', 'ms'] as const

const goForm = /^[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/
const goTerm = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g
const goUnitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}

/** What int64 nanoseconds hold: both grammars end there. */
const longestMs = 9_223_372_036_854

/** Milliseconds (a fraction where the text names less than one) of a duration in either spelling; throws `bad_data`. */
export function parseDurationMs(text: string): number {
  const ms = parsePrometheus(text) ?? parseGo(text)
  if (ms === undefined)
    throw new MnemoError('bad_data', `cannot parse duration: got "${text}", want e.g. 30s, 1h30m, 2d`)
  if (Math.abs(ms) > longestMs)
    throw new MnemoError('bad_data', `cannot parse duration: got "${text}", want at most 292 years`)
  return ms
}

function parsePrometheus(text: string): number | undefined {
  if (text === '0') return 0
  const match = text === '' ? null : prometheusForm.exec(text)
  if (!match) return undefined
  return prometheusUnits.reduce((sum, unit, i) => sum + Number(match[i + 1] ?? 0) * unitMs[unit], 0)
}

function parseGo(text: string): number | undefined {
  if (!goForm.test(text)) return undefined
  let ms = 0
  for (const [, amount, unit] of text.matchAll(goTerm)) ms += Number(amount) * goUnitMs[unit!]!
  return text.startsWith('-') ? -ms : ms
}

/** Prometheus's spelling of a duration: years and weeks only where nothing remains (90d, not 12w6d). */
export function formatDurationMs(durationMs: number): string {
  let rest = Math.trunc(Math.abs(durationMs))
  if (rest === 0) return '0s'
  let text = durationMs < 0 ? '-' : ''
  for (const unit of prometheusUnits) {
    if ((unit === 'y' || unit === 'w') && rest % unitMs[unit] !== 0) continue
    const count = Math.floor(rest / unitMs[unit])
    if (count > 0) text += `${count}${unit}`
    rest -= count * unitMs[unit]
  }
  return text
}
