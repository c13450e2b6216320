// What one Series call may answer at most: a StoreApi that fails with resource_exhausted beyond its limits.
// Flags and metric are Thanos's (pkg/store/limiter.go); samples are counted as chunks say, not guessed at 120 a chunk.
// Owns the counting. Nothing is cut in silence: an answer over a limit is an error that says which.
import { MnemoError } from '../kit/errors.ts'
import { intFlag } from '../kit/flags.ts'
import { counter, type Registry } from '../kit/metrics.ts'
import type { AggrChunk, Chunk, SeriesRequest, SeriesResponse, StoreApi, StoreSeries } from './types.ts'
import { WireSeries } from './wire-series.ts'

export const limitFlags = {
  maxRequestSeries: intFlag('store.limits.request-series', {
    help: 'The maximum series allowed for a single Series request. The Series call fails if this limit is exceeded. 0 means no limit.',
    default: 0,
  }),
  maxRequestSamples: intFlag('store.limits.request-samples', {
    help: 'The maximum samples allowed for a single Series request. The Series call fails if this limit is exceeded. 0 means no limit.',
    default: 0,
  }),
}

export interface SeriesLimits {
  /** 0: no limit. */
  readonly maxRequestSeries: number
  readonly maxRequestSamples: number
}

/** Throws `config` for limits that cannot be. */
export function checkLimits({ maxRequestSeries, maxRequestSamples }: SeriesLimits): void {
  for (const [flag, value] of [
    [limitFlags.maxRequestSeries, maxRequestSeries],
    [limitFlags.maxRequestSamples, maxRequestSamples],
  ] as const)
    if (value < 0) throw new MnemoError('config', `flag --${flag.name}: got ${value}, want at least 0`)
}

/** The metric of calls that a limit has ended. */
export function droppedSelects(registry: Registry) {
  return counter(registry, {
    name: 'thanos_store_selects_dropped_total',
    help: 'Number of select queries that were dropped due to configured limits.',
    labelNames: ['reason'],
  })
}

/** The API with its Series calls limited; counts the calls that a limit has ended. */
export function limitSeries<Api extends Pick<StoreApi, 'series' | 'seriesBatches'>>(
  api: Api,
  limits: SeriesLimits,
  registry: Registry,
): Api {
  const dropped = droppedSelects(registry)
  const counterOfCall = () => new CallCounter(limits, (reason) => dropped.inc({ reason }))
  return {
    ...api,
    async *series(request: SeriesRequest, signal: AbortSignal) {
      const counter = counterOfCall()
      for await (const response of api.series(request, signal)) {
        counter.add(response)
        yield response
      }
    },
    ...(api.seriesBatches && {
      async *seriesBatches(request: SeriesRequest, signal: AbortSignal) {
        const counter = counterOfCall()
        for await (const batch of api.seriesBatches!(request, signal)) {
          for (const response of batch) counter.add(response)
          yield batch
        }
      },
    }),
  }
}

/** What one call has answered. */
class CallCounter {
  readonly #limits: SeriesLimits
  readonly #onDrop: (reason: 'series' | 'samples') => void
  #series = 0
  #samples = 0

  constructor(limits: SeriesLimits, onDrop: (reason: 'series' | 'samples') => void) {
    this.#limits = limits
    this.#onDrop = onDrop
  }

  /** Throws `resource_exhausted` where that is more than it may. */
  add(response: SeriesResponse): void {
    if (response.kind !== 'series') return
    const { maxRequestSeries, maxRequestSamples } = this.#limits
    this.#check('series', ++this.#series, maxRequestSeries)
    if (maxRequestSamples > 0) this.#samples += samplesOf(response.series)
    this.#check('samples', this.#samples, maxRequestSamples)
  }

  #check(what: 'series' | 'samples', got: number, max: number): void {
    if (max === 0 || got <= max) return
    this.#onDrop(what)
    const want = `want at most ${max} (--store.limits.request-${what})`
    throw new MnemoError('resource_exhausted', `cannot send ${what}: got ${got} or more, ${want}`)
  }
}

function samplesOf(series: StoreSeries): number {
  if (series instanceof WireSeries) return series.samples
  return series.chunks.reduce((sum, chunk) => sum + chunkSamples(chunk), 0)
}

/** Of a raw chunk, or of the aggregates together. */
function chunkSamples({ raw, count, sum, min, max, counter }: AggrChunk): number {
  return [raw, count, sum, min, max, counter].reduce((total, chunk) => total + (chunk ? countOf(chunk) : 0), 0)
}

/** Every encoding begins with the number of samples, as u16. */
function countOf({ data }: Chunk): number {
  return data.length < 2 ? 0 : (data[0]! << 8) | data[1]!
}
