// What one Series call read: counts and bytes by kind of data, as Thanos's store counts them.
// "Touched" is what the answer needed, "fetched" what came out of the bucket for it (merged gaps included).
// Owns the counters of one call, which metrics.ts shows, and the limit of what a call may fetch.
import { MnemoError } from '../kit/errors.ts'

export const dataKinds = ['postings', 'series', 'chunks'] as const
export type DataKind = (typeof dataKinds)[number]

export interface KindStats {
  touched: number
  touchedBytes: number
  fetched: number
  fetchedBytes: number
  /** Range reads of the bucket, from when they are planned. */
  reads: number
  /** Reads made because an estimated size was too small. */
  refetches: number
  /** Called before a range read; throws `resource_exhausted` where the call would fetch more than it may. */
  readonly reserve: (bytes: number) => void
}

export type ReadStats = Readonly<Record<DataKind, KindStats>>

/** `maxFetchedBytes` is of all kinds together; 0: no limit. */
export function newReadStats(maxFetchedBytes = 0): ReadStats {
  let fetchedBytes = 0
  const reserve = (bytes: number): void => {
    fetchedBytes += bytes
    if (maxFetchedBytes === 0 || fetchedBytes <= maxFetchedBytes) return
    const want = `want at most ${maxFetchedBytes} bytes (--store.grpc.downloaded-bytes-limit)`
    throw new MnemoError('resource_exhausted', `cannot read more of the bucket: got ${fetchedBytes}, ${want}`)
  }
  const zero = (): KindStats => ({
    touched: 0,
    touchedBytes: 0,
    fetched: 0,
    fetchedBytes: 0,
    reads: 0,
    refetches: 0,
    reserve,
  })
  return { postings: zero(), series: zero(), chunks: zero() }
}
