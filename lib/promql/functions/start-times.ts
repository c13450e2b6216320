// What start timestamps tell of a counter: whether it began anew between two samples, whether two samples overlap.
// Specification: Prometheus 3.14, promql/functions.go (isStartTimestampReset, checkStartTimeOverlap).
// Owns these two rules and the shape of a sample that has such a time.

/** A sample's time and when its counting began: ms; absent or 0 where that is not known. */
export interface Started {
  readonly timeMs: number
  readonly startTimeMs?: number
}

/** Whether counting began anew between two samples. A start at the sample's own time, or after it, says nothing. */
export function startedAnew(before: Started, sample: Started): boolean {
  const start = sample.startTimeMs ?? 0
  if (start === 0 || start >= sample.timeMs || start < before.timeMs) return false
  if (start > before.timeMs) return true
  // A start at the sample before: a delta, unless that one's own start is not known.
  const startBefore = before.startTimeMs ?? 0
  return startBefore !== 0 && startBefore < before.timeMs
}

/** Whether a sample began before the one before it ended, and not along with it. */
export function startsOverlap(before: Started, sample: Started): boolean {
  const start = sample.startTimeMs ?? 0
  return start !== 0 && start < before.timeMs && start !== (before.startTimeMs ?? 0)
}
