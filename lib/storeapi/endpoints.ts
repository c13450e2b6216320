// The stores a querier asks: their health, label sets and time ranges, learned by Info calls, and which of them a query needs.
// Pruning follows Thanos (pkg/store/proxy.go): by time, by external labels, by storeMatch[] over __address__.
// Owns the discovery; a query gets a snapshot, plain data that may travel to a worker.
import { setTimeout as sleep } from 'node:timers/promises'
import { describeError, MnemoError } from '../kit/errors.ts'
import { type Labels, labelValue } from '../labels/labels.ts'
import type { LabelMatcher } from '../labels/matcher.ts'
import { compileMatcher } from '../labels/regex.ts'
import { noBoundMs, type StoreApi, type StoreInfo } from './types.ts'

/** What is known of a store at one moment. */
export interface Endpoint {
  /** host:port */
  readonly address: string
  readonly componentType: string
  readonly labelSets: readonly Labels[]
  readonly minTime: number
  readonly maxTime: number
  /** False: it serves no StoreAPI and is never asked. */
  readonly hasStore: boolean
  readonly supportsWithoutReplicaLabels: boolean
  /** Why it cannot be asked now; absent: it answered the last Info call. What else is known is from before. */
  readonly lastError?: string
}

/** An entry of /api/v1/stores, named as in Thanos's answer. */
export interface EndpointStatus {
  readonly name: string
  /** RFC 3339; the last Info call that was answered. */
  readonly lastCheck: string
  readonly lastError: string | null
  readonly labelSets: readonly Labels[]
  readonly minTime: number
  readonly maxTime: number
}

export interface EndpointSetOptions {
  readonly addresses: readonly string[]
  readonly connect: (address: string) => StoreApi
  /** Longest wait for an Info answer, ms. */
  readonly infoTimeoutMs: number
  /** How long a lost store stays on the stores page, ms. Queries name it as long as it is configured. */
  readonly unhealthyTimeoutMs: number
  /** Called where a store comes up (no error) or is lost. */
  readonly onChange?: (endpoint: Endpoint) => void
}

interface Entry {
  readonly api: StoreApi
  endpoint: Endpoint
  /** Unix ms of the last answered Info call, or of the start. */
  seenMs: number
  asked: boolean
  answered: boolean
}

/** Name of the component type while a store has never answered. */
const unknownComponent = 'unknown-store-api'
const neverChecked = '0001-01-01T00:00:00Z'

/** The configured stores. */
export class EndpointSet {
  readonly #entries: readonly Entry[]
  readonly #options: EndpointSetOptions

  constructor(options: EndpointSetOptions) {
    this.#options = options
    this.#entries = [...new Set(options.addresses)].map((address) => ({
      api: options.connect(address),
      endpoint: { ...unknownEndpoint, address },
      seenMs: Date.now(),
      asked: false,
      answered: false,
    }))
  }

  /** What is known now. */
  get endpoints(): readonly Endpoint[] {
    return this.#entries.map(({ endpoint }) => endpoint)
  }

  /** For the stores page: by component type, then by address; without those that have been lost for too long. */
  get statuses(): Readonly<Record<string, readonly EndpointStatus[]>> {
    const statuses: Record<string, EndpointStatus[]> = {}
    const oldestMs = Date.now() - this.#options.unhealthyTimeoutMs
    for (const entry of this.#entries.toSorted((a, b) => (a.endpoint.address < b.endpoint.address ? -1 : 1))) {
      if (entry.endpoint.lastError !== undefined && entry.seenMs <= oldestMs) continue
      statuses[entry.endpoint.componentType] ??= []
      statuses[entry.endpoint.componentType]!.push(statusOf(entry))
    }
    return statuses
  }

  /** Asks all stores once, side by side; resolves when each has answered or failed. Throws nothing but the signal's abort. */
  async refresh(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#entries.map((entry) => this.#refreshOne(entry, signal)))
  }

  /** Refreshes every `intervalMs` until the signal. */
  async keepFresh(intervalMs: number, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(intervalMs, undefined, { signal }).catch(ignoreAbort)
      if (!signal.aborted) await this.refresh(signal)
    }
  }

  async #refreshOne(entry: Entry, signal: AbortSignal): Promise<void> {
    const wasHealthy = entry.answered && entry.endpoint.lastError === undefined
    const { infoTimeoutMs, onChange } = this.#options
    const { address } = entry.endpoint
    const abort = new AbortController()
    const timeout = new MnemoError('timeout', `got no answer to Info for ${infoTimeoutMs} ms`)
    const timer = setTimeout(() => abort.abort(timeout), infoTimeoutMs)
    try {
      const info = await entry.api.info(AbortSignal.any([signal, abort.signal]))
      entry.endpoint = endpointOf(address, info)
      entry.seenMs = Date.now()
      entry.answered = true
    } catch (error) {
      if (signal.aborted) return
      const lastError = describeError(abort.signal.aborted ? abort.signal.reason : error)
      entry.endpoint = { ...entry.endpoint, lastError }
    } finally {
      clearTimeout(timer)
    }
    const isHealthy = entry.endpoint.lastError === undefined
    if (isHealthy !== wasHealthy || !entry.asked) onChange?.(entry.endpoint)
    entry.asked = true
  }
}

/** Before the first answer: may hold anything. */
const unknownEndpoint: Omit<Endpoint, 'address'> = {
  componentType: unknownComponent,
  labelSets: [],
  minTime: -noBoundMs,
  maxTime: noBoundMs,
  hasStore: true,
  supportsWithoutReplicaLabels: false,
  lastError: 'it has not been asked yet',
}

function endpointOf(address: string, info: StoreInfo): Endpoint {
  return {
    address,
    componentType: info.componentType || unknownComponent,
    labelSets: info.labelSets.filter((labels) => labels.length > 0),
    minTime: info.store?.minTime ?? -noBoundMs,
    maxTime: info.store?.maxTime ?? noBoundMs,
    hasStore: info.store !== undefined,
    supportsWithoutReplicaLabels: info.store?.supportsWithoutReplicaLabels ?? false,
  }
}

function statusOf({ endpoint, seenMs, answered }: Entry): EndpointStatus {
  return {
    name: endpoint.address,
    lastCheck: answered ? new Date(seenMs).toISOString() : neverChecked,
    lastError: endpoint.lastError ?? null,
    labelSets: endpoint.labelSets,
    minTime: endpoint.minTime,
    maxTime: endpoint.maxTime,
  }
}

function ignoreAbort(error: unknown): void {
  if (!(error instanceof Error && error.name === 'AbortError')) throw error
}

export interface EndpointQuery {
  readonly minTime: number
  readonly maxTime: number
  readonly matchers: readonly LabelMatcher[]
  /** storeMatch[]: where not empty, a store must match one of the sets, over its `__address__` alone. */
  readonly storeMatchers: readonly (readonly LabelMatcher[])[]
}

/**
 * The stores that may hold what is asked for: those to ask, and those that would have been but are down.
 * Matchers meet external labels whole, replica labels included: a store applies them before it takes labels off.
 * A store that is down is pruned by its label sets alone, for its time range may have moved.
 */
export function selectEndpoints(
  endpoints: readonly Endpoint[],
  query: EndpointQuery,
): { readonly ask: readonly Endpoint[]; readonly down: readonly Endpoint[] } {
  const matchers = query.matchers.map((matcher) => ({ name: matcher.name, matches: compileMatcher(matcher) }))
  const storeMatchers = query.storeMatchers.map((set) =>
    set.filter(({ name }) => name === '__address__').map((matcher) => compileMatcher(matcher)),
  )
  const eligible = endpoints.filter(
    ({ hasStore, address, labelSets }) =>
      hasStore &&
      (storeMatchers.length === 0 || storeMatchers.some((set) => set.every((matches) => matches(address)))) &&
      (labelSets.length === 0 || labelSets.some((labels) => mayMatch(labels, matchers))),
  )
  return {
    ask: eligible.filter(
      ({ lastError, minTime, maxTime }) =>
        // An empty store announces a range that ends before it starts.
        lastError === undefined && minTime <= maxTime && query.minTime <= maxTime && query.maxTime >= minTime,
    ),
    down: eligible.filter(({ lastError }) => lastError !== undefined),
  }
}

/** A matcher on a name that is no external label says nothing: the series themselves may have it. */
function mayMatch(
  labels: Labels,
  matchers: readonly { readonly name: string; readonly matches: (value: string) => boolean }[],
): boolean {
  return matchers.every(({ name, matches }) => {
    const value = labelValue(labels, name)
    return value === '' || matches(value)
  })
}
