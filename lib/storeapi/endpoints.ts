// What a querier knows of a store, which stores a query needs, and which of them cannot be told apart.
// Pruning follows Thanos (pkg/store/proxy.go): by time, by external labels, by storeMatch[] over __address__.
// Owns the choice; an Endpoint is plain data that may travel to a worker. Who learns it is endpoint-set.ts.
import type { ClientTls } from '../kit/grpc.ts'
import { type Labels, labelsKey, labelValue } from '../labels/labels.ts'
import type { LabelMatcher } from '../labels/matcher.ts'
import { compileMatcher } from '../labels/regex.ts'
import type { PeerApi } from './types.ts'

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
  /** Which other APIs it serves; absent: none. */
  readonly apis?: readonly PeerApi[]
  /** What requests to it become, as flags have selected from it or labelled it; absent: they stay. */
  readonly narrowing?: Narrowing
  /** How it is connected to; absent: plain text. */
  readonly tls?: ClientTls
  /** Why it cannot be asked now; absent: it answered the last Info call. What else is known is from before. */
  readonly lastError?: string
}

/** See tsdb-selector.ts. */
export interface Narrowing {
  /** Added to every request: some of the endpoint's TSDBs alone are meant. */
  readonly matchers: readonly LabelMatcher[]
  /** Matchers on these are met here: the endpoint does not know them. */
  readonly selectorLabels: Labels
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

/** Whether an endpoint may know series that match, as far as its external labels say. */
export function mayKnow({ labelSets }: Pick<Endpoint, 'labelSets'>, matchers: readonly LabelMatcher[]): boolean {
  const compiled = matchers.map((matcher) => ({ name: matcher.name, matches: compileMatcher(matcher) }))
  return labelSets.length === 0 || labelSets.some((labels) => mayMatch(labels, compiled))
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

/** Which of the endpoints are producers of their own: the others hold what these produce, and may announce the same labels. */
const producerTypes = new Set(['sidecar', 'rule'])

/**
 * Groups of two or more sidecars (or rulers) that announce one label set: two Prometheus with identical external labels,
 * whose series cannot be told apart. Ascending by the labels.
 */
export function indistinguishable(
  endpoints: readonly Endpoint[],
): { readonly labels: Labels; readonly addresses: readonly string[] }[] {
  const byLabels = new Map<string, { labels: Labels; addresses: string[] }>()
  for (const { componentType, labelSets, address } of endpoints) {
    if (!producerTypes.has(componentType)) continue
    for (const labels of labelSets) {
      const key = labelsKey(labels)
      const group = byLabels.get(key) ?? { labels, addresses: [] }
      if (!group.addresses.includes(address)) group.addresses.push(address)
      byLabels.set(key, group)
    }
  }
  const groups = [...byLabels.entries()].filter(([, { addresses }]) => addresses.length > 1)
  return groups
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { labels, addresses }]) => ({ labels, addresses: addresses.sort() }))
}
