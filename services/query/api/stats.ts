// The `stats` of a query's data: what its stages took, how many samples it looked at; by step where that feature is on.
// Specification: Prometheus 3.14, util/stats/query_stats.go and web/api/v1/api.go (stats=true, stats=all; anything else is deprecated).
// Owns the JSON; stages that we do not have take nothing.
import { quoteGo } from '../../../lib/promql/functions/go-format.ts'
import type { EncodedResult } from './encode.ts'
import type { Params } from './params.ts'

/** Whether a request wants statistics. */
export function wantsStats(params: Params): boolean {
  return params.get('stats') !== ''
}

/** A warning for a value that Prometheus will refuse one day. */
export function statsWarning(params: Params): readonly string[] {
  const stats = params.get('stats')
  if (stats === '' || stats === 'true' || stats === 'all') return []
  const why = 'is deprecated and will be rejected in the next major release, use "true" or "all"'
  return [`value ${quoteGo(stats)} for parameter "stats" ${why}`]
}

/** The JSON; `totalMs` from the request's arrival on. */
export function encodeStats(
  { stats }: Pick<EncodedResult, 'stats'>,
  { totalMs, perStep }: { totalMs: number; perStep: boolean },
): string {
  const { evalMs = totalMs, samples } = stats ?? {}
  const timings = {
    evalTotalTime: evalMs / 1000,
    resultSortTime: 0,
    queryPreparationTime: 0,
    innerEvalTime: evalMs / 1000,
    execQueueTime: Math.max(0, totalMs - evalMs) / 1000,
    execTotalTime: totalMs / 1000,
  }
  if (samples === undefined) return JSON.stringify({ timings })
  const { times, total, read, peak } = samples
  const isByStep = perStep && stats?.isByStep
  const sum = (values: Float64Array) => values.reduce((a, b) => a + b, 0)
  const steps = (values: Float64Array) => Array.from(values, (value, i) => [times[i]! / 1000, value])
  return JSON.stringify({
    timings,
    samples: {
      ...(isByStep && { totalQueryableSamplesPerStep: steps(total) }),
      totalQueryableSamples: sum(total),
      ...(isByStep && { samplesReadPerStep: steps(read) }),
      samplesRead: sum(read),
      peakSamples: peak,
    },
  })
}
