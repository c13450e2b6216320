// Data for the dashboard queries: 2,000 series × 6 hours at 15 s in three blocks of two hours, written by our block writer
// into a bucket in a directory, and twenty queries over them. Fixed seed.
// Owns the shapes of the series, and the queries.
import { compareLabels, type Labels, labelsOf } from '../../lib/labels/labels.ts'
import { type MadeSeries, writeMadeBlock } from '../../test/support/made-blocks.ts'
import { Random } from '../../test/support/random.ts'

const hourMs = 3_600_000
const blockMs = 2 * hourMs
const intervalMs = 15_000
export const fromMs = 1_700_006_400_000
export const toMs = fromMs + 6 * hourMs
/** Of a range query over all of it. */
export const steps = 300

export const dashboardQueries = [
  'sum by (path) (rate(http_requests_total[5m]))',
  'sum(rate(http_requests_total[5m]))',
  'sum by (instance) (rate(http_requests_total{path=~".*-1[0-9]?"}[5m]))',
  'sum(rate(http_requests_total{path="/api/v1/path-7"}[5m])) / sum(rate(http_requests_total[5m]))',
  'topk(5, rate(http_requests_total[5m]))',
  'histogram_quantile(0.99, sum by (le) (rate(request_duration_seconds_bucket[5m])))',
  'request_duration_seconds_bucket',
  '100 * (1 - avg by (instance) (rate(cpu_seconds_total{mode="idle"}[5m])))',
  'avg by (group) (memory_bytes)',
  'max_over_time(memory_bytes[10m])',
  'count by (path) (http_requests_total)',
  'max_over_time(sum(rate(http_requests_total{path="/api/v1/path-3"}[5m]))[30m:1m])',
  'quantile(0.9, rate(cpu_seconds_total[5m]))',
  'rate(cpu_seconds_total[5m])',
  'sum by (instance) (cpu_seconds_total) / on (instance) group_left () sum by (instance) (http_requests_total)',
  'avg_over_time(cpu_seconds_total[1h])',
  'sum by (instance) (increase(http_requests_total{instance=~"host-0[0-4].*"}[1h]))',
  'quantile_over_time(0.5, memory_bytes[15m])',
  'http_requests_total > 500000',
  'sum by (path) (http_requests_total{path!~".*-1.*"})',
]

const bounds = ['0.005', '0.01', '0.025', '0.05', '0.1', '0.25', '0.5', '1', '2.5', '+Inf']
const modes = ['idle', 'iowait', 'system', 'user']

interface Source {
  readonly labels: Labels
  next(): number
}

/** Writes the blocks below `folder`; resolves with the number of samples. */
export async function writeDashboardBlocks(folder: string): Promise<number> {
  const random = new Random(1)
  const sources = makeSources(random).sort((a, b) => compareLabels(a.labels, b.labels))
  let samples = 0
  for (let minTime = fromMs; minTime < toMs; minTime += blockMs) {
    const maxTime = minTime + blockMs
    const series = sources.map((source) => scrape(source, random, minTime, maxTime))
    const meta = await writeMadeBlock(folder, { minTime, maxTime, series, externalLabels: ['replica', 'a'] })
    samples += meta.stats.numSamples
  }
  return samples
}

function scrape({ labels, next }: Source, random: Random, minTime: number, maxTime: number): MadeSeries {
  const samples: [number, number][] = []
  // A scrape is a millisecond late now and then.
  for (let timeMs = minTime + 1234; timeMs < maxTime; timeMs += intervalMs)
    samples.push([timeMs + (random.chance(0.05) ? 1 : 0), next()])
  return { labels, samples }
}

function makeSources(random: Random): Source[] {
  const sources: Source[] = []
  const add = (name: string, labels: Readonly<Record<string, string>>, next: () => number) =>
    sources.push({ labels: labelsOf({ __name__: name, job: 'api', ...labels }), next })
  for (let path = 0; path < 20; path++)
    for (let host = 0; host < 50; host++)
      add('http_requests_total', { path: `/api/v1/path-${path}`, instance: instance(host) }, counter(random, 100))
  for (let host = 0; host < 40; host++)
    for (const [i, le] of bounds.entries())
      add('request_duration_seconds_bucket', { le, instance: instance(host) }, cumulative(random, i + 1))
  for (let host = 0; host < 100; host++)
    for (const mode of modes) add('cpu_seconds_total', { mode, instance: instance(host) }, seconds(random))
  for (let host = 0; host < 200; host++)
    add('memory_bytes', { instance: instance(host), group: `g${host % 8}` }, () => 1e9 + random.below(1e8))
  return sources
}

function instance(host: number): string {
  return `host-${String(host).padStart(3, '0')}.example.org:9100`
}

function counter(random: Random, most: number): () => number {
  let value = random.below(1e6)
  return () => {
    value = random.chance(0.0005) ? 0 : value + random.below(most)
    return value
  }
}

/** A bucket of a histogram: those of higher bounds grow faster. */
function cumulative(random: Random, rank: number): () => number {
  let value = 0
  return () => {
    value += 3 * rank + random.below(3)
    return value
  }
}

function seconds(random: Random): () => number {
  let value = random.float() * 1e5
  return () => {
    value += Math.round(random.float() * 1500) / 100
    return value
  }
}
