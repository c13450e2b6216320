// Sample values and timestamps as Prometheus's HTTP API writes them.
// Specification: Prometheus 3.14, util/jsonutil/marshal.go: Go's shortest digits, with an exponent below 1e-6 and from 1e21 on.
// Owns these two spellings. JavaScript changes to exponents at the same two borders, and writes them with fewer digits.

/** A value of a vector or matrix: `1.5`, `1e-07`, `1e+21`, `-0`, `NaN`, `+Inf`. (Scalars never have an exponent: formatDecimal.) */
export function formatValue(value: number): string {
  if (value === 0) return Object.is(value, -0) ? '-0' : '0'
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf'
  const text = `${value}`
  const magnitude = Math.abs(value)
  if (magnitude >= 1e-6 && magnitude < 1e21) return text
  // 1e-7 is 1e-07 in Go: two digits at least.
  return text.replace(/e([+-])(\d)$/, 'e$10$2')
}

/** Seconds with milliseconds where there are some: `1700006400`, `1700006400.05`… as a JSON number, three digits or none. */
export function formatTimestamp(timeMs: number): string {
  const magnitude = Math.abs(timeMs)
  const rest = magnitude % 1000
  const seconds = `${timeMs < 0 ? '-' : ''}${(magnitude - rest) / 1000}`
  return rest === 0 ? seconds : `${seconds}.${String(rest).padStart(3, '0')}`
}
