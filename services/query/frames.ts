// A query's answer as frames of the gRPC Query API: made in a worker, sent as they are.
// A scalar is one series without labels, as in Thanos; a sample of an instant vector is a series of one point.
// Owns that mapping; the bytes are lib/storeapi/query-messages.ts's.
import { MnemoError } from '../../lib/kit/errors.ts'
import type { QueryResult } from '../../lib/promql/exec/result.ts'
import { type AnsweredSeries, encodeQuerySeries } from '../../lib/storeapi/query-messages.ts'
import type { EncodedFrames } from './jobs.ts'

export function encodeFrames(result: QueryResult, batchSize: number): EncodedFrames {
  return { frames: encodeQuerySeries(seriesOf(result), batchSize), warnings: [...result.warnings] }
}

function seriesOf(result: QueryResult): readonly AnsweredSeries[] {
  switch (result.type) {
    case 'matrix':
      return result.series
    case 'vector':
      return result.samples.map(({ labels, timeMs, value, histogram }) =>
        histogram === undefined
          ? { labels, times: [timeMs], values: [value] }
          : { labels, times: [], values: [], histograms: [{ timeMs, histogram }] },
      )
    case 'scalar':
      return [{ labels: [], times: [result.timeMs], values: [result.value] }]
    case 'string':
      throw new MnemoError('unsupported', 'cannot send a string over the gRPC Query API')
    default:
      return result satisfies never
  }
}
