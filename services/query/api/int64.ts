// int64's extremes in JSON: what stands for "no bound" in memory is written as Go writes it, beyond the numbers of JavaScript.
// Source: Thanos's and Prometheus's answers (math.MaxInt64, math.MinInt64 as times).
// Owns that spelling.
import { noBoundMs } from '../../../lib/storeapi/types.ts'

/** JSON.rawJSON of ECMAScript's "JSON.parse source text access", which TypeScript does not know as yet. */
const { rawJSON } = JSON as unknown as { rawJSON(text: string): object }

/** For JSON.stringify. */
export function int64Json(value: number): number | object {
  if (value >= noBoundMs) return rawJSON('9223372036854775807')
  if (value <= -noBoundMs) return rawJSON('-9223372036854775808')
  return value
}
