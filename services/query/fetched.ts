// What a query has fetched from the stores so far: counted in its worker, seen by the main thread, held to the limits.
// Owns the shared counters. Limits are those of one query; over one it fails and names the flag.
import { MnemoError } from '../../lib/kit/errors.ts'
import { chunkDataBytes, type StoreSeries } from '../../lib/storeapi/types.ts'
import { WireSeries } from '../../lib/storeapi/wire-series.ts'

export interface FetchLimits {
  /** 0: no limit. */
  readonly maxSeries: number
  readonly maxBytes: number
}

const series = 0
const bytes = 1

/** Counters in memory that both threads see. One writer: the worker that runs the query. */
export class Fetched {
  readonly shared: SharedArrayBuffer
  readonly #counters: BigUint64Array
  /** As the worker knows them, ahead of the shared ones. */
  #series = 0
  #bytes = 0

  /** `shared` of another thread's, or new counters at 0. */
  constructor(shared = new SharedArrayBuffer(16)) {
    this.shared = shared
    this.#counters = new BigUint64Array(shared)
  }

  get series(): number {
    return Number(Atomics.load(this.#counters, series))
  }

  /** Of encoded chunks. */
  get bytes(): number {
    return Number(Atomics.load(this.#counters, bytes))
  }

  /** Counts series. Throws `resource_exhausted` over a limit. */
  add(fetched: readonly StoreSeries[], { maxSeries, maxBytes }: FetchLimits): void {
    for (const one of fetched) {
      this.#series++
      this.#bytes += dataBytesOf(one)
      refuseOver(maxSeries, this.#series, `series (--query.max-series)`)
      refuseOver(maxBytes, this.#bytes, `bytes of chunks (--query.max-fetched-bytes)`)
    }
    Atomics.store(this.#counters, series, BigInt(this.#series))
    Atomics.store(this.#counters, bytes, BigInt(this.#bytes))
  }
}

function dataBytesOf(series: StoreSeries): number {
  if (series instanceof WireSeries) return series.dataBytes
  return series.chunks.reduce((sum, chunk) => sum + chunkDataBytes(chunk), 0)
}

function refuseOver(max: number, got: number, what: string): void {
  if (max === 0 || got <= max) return
  throw new MnemoError(
    'resource_exhausted',
    `query would fetch too much: got ${got} or more, want at most ${max} ${what}`,
  )
}
