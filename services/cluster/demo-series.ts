// Made-up series for a cluster without a Prometheus: a shop's instances, their requests, latencies and gauges.
// Every value is a pure function of series and time, so that a later start goes on where the last one ended.
// Owns the shapes of the curves, the replicas' scrape times and their gaps.
import { compareLabels, type Labels, labelsOf } from '../../lib/labels/labels.ts'

export interface DemoSeries {
  readonly labels: Labels
  valueAt(timeMs: number): number
}

export const replicas = ['a', 'b'] as const
export type Replica = (typeof replicas)[number]

const scrapeMs = 15_000
const minuteMs = 60_000
const dayMs = 86_400_000
const gapCycleMs = 360 * minuteMs
/** In each six hours one replica is away for a while in which the other one is there. */
const gaps: Record<Replica, { fromMs: number; toMs: number }> = {
  a: { fromMs: 60 * minuteMs, toMs: 80 * minuteMs },
  b: { fromMs: 200 * minuteMs, toMs: 230 * minuteMs },
}
const scrapeOffsetMs: Record<Replica, number> = { a: 1_000, b: 8_000 }

/** Times in [fromMs, toMs) at which the replica scraped. */
export function scrapeTimes(replica: Replica, fromMs: number, toMs: number): number[] {
  const times: number[] = []
  const offset = scrapeOffsetMs[replica]
  const { fromMs: gapFrom, toMs: gapTo } = gaps[replica]
  for (let t = Math.ceil((fromMs - offset) / scrapeMs) * scrapeMs + offset; t < toMs; t += scrapeMs) {
    const inCycle = t % gapCycleMs
    if (inCycle < gapFrom || inCycle >= gapTo) times.push(t)
  }
  return times
}

/** Some 500 series in ascending order of labels. */
export function demoSeries(): DemoSeries[] {
  const series: DemoSeries[] = []
  for (let i = 0; i < 7; i++) {
    const common = { job: 'shop', instance: `shop-${i}:8080` }
    const restartMs = (17 + i) * 3_600_000
    const add = (name: string, labels: Record<string, string>, valueAt: (t: number) => number) =>
      series.push({ labels: labelsOf({ __name__: name, ...common, ...labels }), valueAt })
    add('up', {}, () => 1)
    add('shop_queue_length', {}, (t) => Math.round(20 + 15 * wave(t, dayMs, i) + 5 * wave(t, 7 * minuteMs, 3 * i)))
    add('shop_memory_bytes', {}, (t) =>
      Math.round(2e8 + 1e8 * ((t % restartMs) / restartMs) + 1e7 * wave(t, 11 * minuteMs, i)),
    )
    add('shop_temperature_celsius', {}, (t) => 21 + i / 2 + 3 * wave(t, dayMs, i) + 0.3 * wave(t, 13 * minuteMs, 2 * i))
    addRequests(add, i, restartMs)
  }
  return series.sort((a, b) => compareLabels(a.labels, b.labels))
}

type Add = (name: string, labels: Record<string, string>, valueAt: (timeMs: number) => number) => void

const paths = ['/', '/cart', '/checkout', '/login', '/products', '/search']
const codes = { 200: 1, 404: 0.05, 500: 0.01 }
const bucketShare = { '0.005': 0.1, '0.025': 0.4, '0.1': 0.8, '0.5': 0.96, '2.5': 0.995, '+Inf': 1 }

function addRequests(add: Add, instance: number, restartMs: number): void {
  for (const [p, path] of paths.entries()) {
    const perSecond = (4 + 3 * p) * (1 + instance / 10)
    const requests = (t: number) =>
      total(t, perSecond, instance + p) - total(t - (t % restartMs), perSecond, instance + p)
    for (const [code, share] of Object.entries(codes))
      add('shop_http_requests_total', { path, code }, (t) => Math.floor(share * requests(t)))
    for (const [le, share] of Object.entries(bucketShare))
      add('shop_http_request_duration_seconds_bucket', { path, le }, (t) => Math.floor(share * requests(t)))
    add('shop_http_request_duration_seconds_count', { path }, (t) => Math.floor(requests(t)))
    add('shop_http_request_duration_seconds_sum', { path }, (t) => 0.08 * requests(t))
  }
}

/** Integral of perSecond · (1 + day's wave / 2) since 1970: a counter that follows the day. */
function total(timeMs: number, perSecond: number, phase: number): number {
  const angle = (2 * Math.PI * timeMs) / dayMs + phase
  return perSecond * (timeMs / 1000 - (dayMs / 1000 / (4 * Math.PI)) * Math.cos(angle))
}

function wave(timeMs: number, periodMs: number, phase: number): number {
  return Math.sin((2 * Math.PI * (timeMs % periodMs)) / periodMs + phase)
}
