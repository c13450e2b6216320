// Durations and times as Go prints them, which Thanos's tools show.
// Specification: Go's time.Duration.String and time.RFC3339, in UTC.
// Owns these two spellings.

/** `2h0m0s`, `-20h0m0s`, `1m0.5s`, `500ms`, `0s`. */
export function formatGoDuration(durationMs: number): string {
  const magnitude = Math.abs(durationMs)
  const sign = durationMs < 0 ? '-' : ''
  if (magnitude === 0) return '0s'
  if (magnitude < 1000) return `${sign}${magnitude}ms`
  const hours = Math.floor(magnitude / 3_600_000)
  const minutes = Math.floor(magnitude / 60_000) % 60
  const seconds = (magnitude % 60_000) / 1000
  const parts = [...(hours > 0 ? [`${hours}h`] : []), ...(hours > 0 || minutes > 0 ? [`${minutes}m`] : [])]
  return `${sign}${parts.join('')}${seconds}s`
}

/** Whole seconds. Times beyond JavaScript's calendar stand as milliseconds. */
export function formatRfc3339(timeMs: number): string {
  const date = new Date(Math.floor(timeMs / 1000) * 1000)
  return Number.isNaN(date.getTime()) ? `${timeMs}ms` : date.toISOString().replace('.000Z', 'Z')
}
