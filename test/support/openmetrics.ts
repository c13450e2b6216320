// Made-up metrics of a small fleet as OpenMetrics text, for promtool's backfill: counters with resets, gauges, classic
// histograms, target changes and holes. Seeded: the same text everywhere.
// Owns the shapes. Sample times lie off every whole second: what a window's edge means differs between versions of Prometheus.
import { Random } from './random.ts'

export interface FleetOptions {
  readonly seed: number
  /** First and last time, ms. */
  readonly fromMs: number
  readonly toMs: number
  readonly intervalMs: number
}

type NextValue = (timeMs: number) => number

/** One series: its name with labels, and what comes next at each scrape. */
interface MadeSeries {
  readonly id: string
  readonly next: NextValue
}

interface Target {
  readonly job: string
  readonly instance: string
  /** Milliseconds that its scrapes lie after the interval's start; never whole seconds. */
  readonly phaseMs: number
  /** Scrapes in [from, to) did not happen. */
  readonly holes: readonly (readonly [number, number])[]
  readonly series: readonly MadeSeries[]
}

const jobs = { api: 4, web: 3, node: 3 } as const
const paths = ['/', '/api/users', '/api/orders', '/login', '/static/*'] as const
const codes = ['200', '404', '500'] as const
const bounds = ['0.005', '0.025', '0.1', '0.5', '2.5', '+Inf'] as const

/** The whole text, `# EOF` included; series after series. */
export function openMetricsText(options: FleetOptions): string {
  const lines: string[] = []
  for (const target of makeTargets(options)) writeTarget(target, options, lines)
  lines.push('# EOF', '')
  return lines.join('\n')
}

function writeTarget(target: Target, { fromMs, toMs, intervalMs }: FleetOptions, lines: string[]): void {
  for (const { id, next } of target.series) {
    for (let timeMs = fromMs + target.phaseMs; timeMs < toMs; timeMs += intervalMs) {
      const value = next(timeMs)
      if (target.holes.some(([from, to]) => timeMs >= from && timeMs < to)) continue
      lines.push(`${id} ${value} ${(timeMs / 1000).toFixed(3)}`)
    }
  }
}

function makeTargets({ seed, fromMs, toMs, intervalMs }: FleetOptions): Target[] {
  const random = new Random(seed)
  return Object.entries(jobs).flatMap(([job, instances]) =>
    Array.from({ length: instances }, (_, i): Target => {
      const instance = `host-${i}:9100`
      const phaseMs = 1000 * random.below(intervalMs / 1000) + 1 + random.below(998)
      // Long holes make series vanish; the short ones are missed scrapes.
      const holes = Array.from({ length: 4 }, (_, k): [number, number] => {
        const start = fromMs + random.below(toMs - fromMs)
        return [start, start + (k === 0 ? 40 : 1 + random.below(5)) * intervalMs]
      })
      const series = makeSeries(job, instance, random)
      return { job, instance, phaseMs, holes, series }
    }),
  )
}

function makeSeries(job: string, instance: string, random: Random): MadeSeries[] {
  const id = (name: string, labels: Readonly<Record<string, string>> = {}) => {
    const pairs = Object.entries({ instance, job, ...labels }).map(([label, value]) => `${label}="${value}"`)
    return `${name}{${pairs.join(',')}}`
  }
  const made: MadeSeries[] = [
    { id: id('up'), next: () => (random.chance(0.97) ? 1 : 0) },
    { id: id('build_info', { version: random.pick(['1.0', '1.1']) }), next: () => 1 },
    { id: id('process_start_time_seconds'), next: () => 1_700_000_000 + random.below(2) },
    { id: id('temperature_celsius', { sensor: 'cpu' }), next: wave(random, 45, 20) },
    { id: id('temperature_celsius', { sensor: 'disk' }), next: wave(random, -1, 4) },
    { id: id('queue_length'), next: () => (random.chance(0.01) ? Number.NaN : random.below(40)) },
    { id: id('memory_bytes'), next: walk(random, 2e9, 1e7) },
  ]
  if (job === 'node') return made
  for (const path of paths)
    for (const code of codes)
      made.push({ id: id('http_requests_total', { code, path }), next: counter(random, code === '200' ? 40 : 3) })
  for (const path of paths.slice(0, 3))
    made.push(...makeHistogram((name, labels) => id(name, { ...labels, path }), random))
  return made
}

/** A counter that starts again now and then, not at 0: there Prometheus's own versions extrapolate differently. */
function counter(random: Random, most: number): NextValue {
  let value = 10_000 + random.below(100_000)
  return () => {
    value = random.chance(0.004) ? 1000 + random.below(50) : value + random.below(most)
    return value
  }
}

function wave(random: Random, mean: number, height: number): NextValue {
  const periodMs = 3_600_000 * (1 + 3 * random.float())
  return (timeMs) => mean + height * Math.sin((2 * Math.PI * timeMs) / periodMs) + random.float()
}

function walk(random: Random, start: number, step: number): NextValue {
  let value = start
  return () => {
    value += (random.float() - 0.5) * step
    return value
  }
}

/** `_bucket`, `_sum` and `_count` that belong together: one state, stepped by the first of its series at each time. */
function makeHistogram(
  id: (name: string, labels?: Readonly<Record<string, string>>) => string,
  random: Random,
): MadeSeries[] {
  const weights = bounds.map(() => 1 + random.below(20))
  const seed = random.u32()
  const name = 'request_duration_seconds'
  /** Each series replays the same seeded state, as they are written one after another. */
  const replay = (pick: (counts: readonly number[], sum: number) => number): NextValue => {
    const own = new Random(seed)
    const counts = bounds.map(() => 5000)
    let sum = 100
    return () => {
      if (own.chance(0.003)) {
        counts.fill(500)
        sum = 10
      }
      for (const [i, weight] of weights.entries()) {
        const more = own.below(weight)
        counts[i]! += more
        sum += more * 0.003 * 4 ** i
      }
      return pick(counts, sum)
    }
  }
  const total = (counts: readonly number[], upTo: number) => counts.slice(0, upTo).reduce((a, b) => a + b, 0)
  return [
    ...bounds.map((le, i) => ({ id: id(`${name}_bucket`, { le }), next: replay((counts) => total(counts, i + 1)) })),
    { id: id(`${name}_count`), next: replay((counts) => total(counts, bounds.length)) },
    { id: id(`${name}_sum`), next: replay((_, sum) => sum) },
  ]
}
