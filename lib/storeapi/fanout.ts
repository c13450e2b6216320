// One StoreAPI call to all stores that may answer it, their answers as one.
// What a store that is down, fails or is slow means to the answer stands here: a warning by its address, or an error.
// Owns the choice of stores and the merging of label names and values; streams are merged in merge.ts.
import { describeError, MnemoError } from '../kit/errors.ts'
import { formatLabels, type Labels } from '../labels/labels.ts'
import type { LabelMatcher } from '../labels/matcher.ts'
import { SortedUnion } from '../labels/sorted-union.ts'
import { type Endpoint, indistinguishable, selectEndpoints } from './endpoints.ts'
import { abortReason, mergeBatches, oneByOne, type SeriesSource, storeError } from './merge.ts'
import { narrowMatchers } from './tsdb-selector.ts'
import type { LabelsRequest, LabelsResponse, SeriesRequest, StoreApi, StoreSeries } from './types.ts'

export interface FanoutOptions {
  readonly endpoints: readonly Endpoint[]
  readonly client: (endpoint: Endpoint) => StoreApi
  /** True: a store that cannot answer is a warning. False: it is an error. */
  readonly partialResponse: boolean
  /** The longest silence of a store, ms; 0: no limit. */
  readonly responseTimeoutMs: number
  /** See EndpointQuery. */
  readonly storeMatchers: readonly (readonly LabelMatcher[])[]
  /** Each text may come several times. */
  readonly onWarning: (warning: string) => void
  /** Told which blocks a store says it has queried. */
  readonly onHints?: (queriedBlocks: readonly string[]) => void
}

type Times = Pick<SeriesRequest, 'minTime' | 'maxTime' | 'matchers'>

/** The stores as one. Errors: `canceled` on the signal, and without partial response a store's own code with its address. */
export class Fanout {
  readonly #options: FanoutOptions

  constructor(options: FanoutOptions) {
    this.#options = options
  }

  /** Series in ascending order of labels (without the request's replica labels), none twice; see mergeSeries. */
  series(request: SeriesRequest, signal: AbortSignal): AsyncIterable<StoreSeries> {
    return oneByOne(this.seriesBatches(request, signal))
  }

  /** The same, several series at a time. */
  seriesBatches(request: SeriesRequest, signal: AbortSignal): AsyncGenerator<readonly StoreSeries[]> {
    const { partialResponse, responseTimeoutMs, onWarning, onHints, client } = this.#options
    const remove = new Set(request.withoutReplicaLabels)
    const sources = this.#select(request).map((endpoint): SeriesSource => {
      const { address: store, supportsWithoutReplicaLabels } = endpoint
      const asked = { ...narrowed(request, endpoint), partialResponseDisabled: !partialResponse }
      if (remove.size === 0 || supportsWithoutReplicaLabels) {
        const api = client(endpoint)
        return {
          store,
          open: (streamSignal) => api.series(asked, streamSignal),
          ...(api.seriesBatches && { openBatches: (streamSignal) => api.seriesBatches!(asked, streamSignal) }),
        }
      }
      // Its first series are not the first ones without replica labels: no limit.
      const unlimited = { ...asked, limit: 0 }
      return { store, open: (streamSignal) => client(endpoint).series(unlimited, streamSignal), removeLabels: remove }
    })
    return mergeBatches(sources, { partialResponse, responseTimeoutMs, onWarning, signal, ...(onHints && { onHints }) })
  }

  /** Names of labels, ascending by bytes, without the replica labels that the request names. */
  async labelNames(request: LabelsRequest, signal: AbortSignal): Promise<readonly string[]> {
    const remove = new Set(request.withoutReplicaLabels)
    // No limit for the stores: replica labels may be among the first.
    const names = await this.#labels({ ...request, limit: 0 }, signal, (api, asked, callSignal) =>
      api.labelNames(asked, callSignal),
    )
    return limited(
      names.filter((name) => !remove.has(name)),
      request.limit,
    )
  }

  /** Values of a label, ascending by bytes; none for a replica label that the request takes off. */
  async labelValues(label: string, request: LabelsRequest, signal: AbortSignal): Promise<readonly string[]> {
    if (request.withoutReplicaLabels?.includes(label)) return []
    return this.#labels(request, signal, (api, asked, callSignal) => api.labelValues(label, asked, callSignal))
  }

  async #labels(
    request: LabelsRequest,
    signal: AbortSignal,
    call: (api: StoreApi, asked: LabelsRequest, signal: AbortSignal) => Promise<LabelsResponse>,
  ): Promise<readonly string[]> {
    const { partialResponse, client } = this.#options
    const abort = new AbortController()
    const all = new SortedUnion(request.limit)
    const ask = async (endpoint: Endpoint) => {
      const { address } = endpoint
      const asked = { ...narrowed(request, endpoint), partialResponseDisabled: !partialResponse }
      try {
        const callSignal = AbortSignal.any([signal, abort.signal, ...this.#timeout()])
        const { values, warnings } = await call(client(endpoint), asked, callSignal)
        for (const warning of warnings) this.#warn(`store ${address}: ${warning}`)
        all.add(values)
      } catch (error) {
        if (signal.aborted) throw abortReason(signal)
        if (!partialResponse) throw storeError(address, error)
        this.#warn(describeError(storeError(address, error)))
      }
    }
    try {
      await Promise.all(this.#select(request).map(ask))
    } finally {
      abort.abort()
    }
    return all.values()
  }

  #timeout(): AbortSignal[] {
    const { responseTimeoutMs } = this.#options
    return responseTimeoutMs === 0 ? [] : [AbortSignal.timeout(responseTimeoutMs)]
  }

  #select({ minTime, maxTime, matchers }: Times): readonly Endpoint[] {
    const { endpoints, storeMatchers } = this.#options
    if (endpoints.length === 0) this.#warn('no store is configured: want --endpoint')
    const { ask, down } = selectEndpoints(endpoints, { minTime, maxTime, matchers, storeMatchers })
    for (const { address, lastError } of down) this.#warn(`store ${address} is down: ${lastError}`)
    // Nothing is missing, so that it is never an error; but samples of two Prometheus are mixed into one series.
    for (const { labels, addresses } of indistinguishable([...ask, ...down]))
      this.#options.onWarning(sameLabelsWarning(labels, addresses))
    return ask
  }

  #warn(warning: string): void {
    if (!this.#options.partialResponse) throw new MnemoError('unavailable', warning)
    this.#options.onWarning(warning)
  }
}

function narrowed<R extends Times>(request: R, { narrowing }: Endpoint): R {
  return narrowing === undefined ? request : { ...request, matchers: narrowMatchers(request.matchers, narrowing) }
}

/** What is said of sidecars with identical external labels. */
export function sameLabelsWarning(labels: Labels, addresses: readonly string[]): string {
  const who = `stores ${addresses.join(' and ')} have the same external labels ${formatLabels(labels)}`
  return `${who}: their series cannot be told apart and are mixed`
}

function limited(values: readonly string[], limit: number | undefined): readonly string[] {
  return limit === undefined || limit === 0 ? values : values.slice(0, limit)
}
