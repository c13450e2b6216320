// From the increase between a window's samples to that of the window: what rate, increase and delta extrapolate by.
// Specification: Prometheus 3.14, promql/functions.go (extrapolatedRate).
// Owns the factor; kernels/assembly/window-rate.ts has the same for windows of floats, all steps at once.

/** What rate (`counter`, `perSecond`), increase (`counter`) and delta differ in. */
export interface RateKind {
  /** Resets are made up for; else (delta) the last is taken less the first. */
  readonly counter: boolean
  readonly perSecond: boolean
}

export interface SampledWindow {
  readonly startMs: number
  readonly endMs: number
  readonly firstMs: number
  readonly lastMs: number
  readonly samples: number
  /** Of the first sample, and by how much it grew until the last: values, or counts of histograms. */
  readonly firstValue: number
  readonly increase: number
  /** The counter is known to have begun at 0 here, within the window: nothing is extrapolated before. */
  readonly zeroAtMs?: number | undefined
}

/** What the increase between the samples is multiplied by. */
export function extrapolation(window: SampledWindow, { counter, perSecond }: RateKind): number {
  const { startMs, endMs, firstMs, lastMs, samples, firstValue, increase, zeroAtMs } = window
  let sampledSeconds = (lastMs - firstMs) / 1000
  const averageSeconds = samples > 1 ? sampledSeconds / (samples - 1) : 0
  const threshold = averageSeconds * 1.1
  let toStart = (firstMs - startMs) / 1000
  let toEnd = (endMs - lastMs) / 1000
  if (zeroAtMs !== undefined) {
    toStart = 0
    sampledSeconds = (lastMs - zeroAtMs) / 1000
  } else {
    if (toStart >= threshold) toStart = averageSeconds / 2
    // A counter does not begin below zero.
    if (counter && increase > 0 && firstValue >= 0)
      toStart = Math.min(toStart, sampledSeconds * (firstValue / increase))
  }
  if (toEnd >= threshold) toEnd = averageSeconds / 2
  const factor = sampledSeconds === 0 ? 1 : (sampledSeconds + toStart + toEnd) / sampledSeconds
  return perSecond ? factor / ((endMs - startMs) / 1000) : factor
}

/** Where a counter began at 0 within the window and before its first sample; undefined where that is not known. */
export function zeroWithin(
  { startMs }: { readonly startMs: number },
  first: { readonly timeMs: number; readonly startTimeMs?: number },
): number | undefined {
  const start = first.startTimeMs ?? 0
  return start !== 0 && start > startMs && start < first.timeMs ? start : undefined
}
