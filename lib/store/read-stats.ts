// What one Series call read: counts and bytes by kind of data, as Thanos's store counts them.
// "Touched" is what the answer needed, "fetched" what came out of the bucket for it (merged gaps included).
// Owns the counters of one call; metrics.ts shows them.

export const dataKinds = ['postings', 'series', 'chunks'] as const
export type DataKind = (typeof dataKinds)[number]

export interface KindStats {
  touched: number
  touchedBytes: number
  fetched: number
  fetchedBytes: number
  /** Range reads of the bucket. */
  reads: number
  /** Reads made because an estimated size was too small. */
  refetches: number
}

export type ReadStats = Readonly<Record<DataKind, KindStats>>

export function newReadStats(): ReadStats {
  const zero = (): KindStats => ({ touched: 0, touchedBytes: 0, fetched: 0, fetchedBytes: 0, reads: 0, refetches: 0 })
  return { postings: zero(), series: zero(), chunks: zero() }
}
