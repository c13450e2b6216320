// What each store gives to one select of a query that is analysed: counted on the way from its stream.
// Specification: Thanos's fan-out entries of an analysis (pkg/api/query/v1.go).
// Owns the counts of one select.
import type { StoreRead } from '../../lib/promql/queryable.ts'
import type { Endpoint } from '../../lib/storeapi/endpoints.ts'
import type { SeriesResponse, StoreApi } from '../../lib/storeapi/types.ts'
import { chunkDataBytes } from '../../lib/storeapi/types.ts'

type Counts = { -readonly [K in keyof StoreRead]: StoreRead[K] }

export class StoreReads {
  readonly #counts: Counts[] = []

  /** In the order in which stores were asked. */
  get reads(): readonly StoreRead[] {
    return this.#counts
  }

  /** The same clients, their series counted. */
  counting(client: (endpoint: Endpoint) => StoreApi): (endpoint: Endpoint) => StoreApi {
    return (endpoint) => {
      const api = client(endpoint)
      return {
        info: (signal) => api.info(signal),
        labelNames: (request, signal) => api.labelNames(request, signal),
        labelValues: (label, request, signal) => api.labelValues(label, request, signal),
        series: (request, signal) => this.#counted(endpoint.address, api.series(request, signal)),
      }
    }
  }

  async *#counted(address: string, responses: AsyncIterable<SeriesResponse>): AsyncGenerator<SeriesResponse> {
    const counts: Counts = { address, durationMs: 0, responses: 0, series: 0, chunks: 0, bytes: 0 }
    this.#counts.push(counts)
    const startMs = performance.now()
    try {
      for await (const response of responses) {
        counts.responses++
        if (response.kind === 'series') {
          const { chunks } = response.series
          counts.series++
          counts.chunks += chunks.length
          for (const chunk of chunks) counts.bytes += chunkDataBytes(chunk)
        }
        yield response
      }
    } finally {
      counts.durationMs = performance.now() - startMs
    }
  }
}
