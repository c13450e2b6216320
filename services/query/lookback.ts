// How far back a query's instant selectors look: further where coarser data may answer, but not to show what ended as if it were there.
// After Thanos's LookbackDeltaFactory (cmd/thanos/query.go). Owns no state.
import { lookbackAtMs } from '../../lib/storeapi/reading.ts'
import type { QueryRequest } from './api/backend.ts'

/** Samples are at least so old when they come into a block, let alone a downsampled one. */
const downsampledAfterMs = 2 * 3_600_000

/**
 * A lookback that the request names is taken as it is. An instant query of now looks no further back than over raw samples: a target that
 * went away without a stale marker would be shown for an hour.
 */
export function queryLookbackMs(
  request: Pick<QueryRequest, 'lookbackMs' | 'maxSourceResolutionMs' | 'stepMs' | 'endMs'>,
  { lookbackMs, dynamicLookback }: { readonly lookbackMs: number; readonly dynamicLookback: boolean },
  nowMs: number,
): number {
  if (request.lookbackMs !== undefined) return request.lookbackMs
  const isOfNow = request.stepMs === 0 && nowMs - request.endMs < downsampledAfterMs
  return dynamicLookback && !isOfNow ? lookbackAtMs(lookbackMs, request.maxSourceResolutionMs) : lookbackMs
}
