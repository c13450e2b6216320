// A querier as a StoreAPI: what its stores hold, merged, for a querier above it.
// Meaning: Thanos pkg/store/proxy.go. A store that fails is a warning or an error as the request says, and travels on.
// Owns nothing; each call goes over the stores as they are then.
import { compareLabels, type Labels, labelsKey } from '../labels/labels.ts'
import type { Endpoint } from './endpoints.ts'
import { Fanout } from './fanout.ts'
import { shardPredicate } from './shard.ts'
import {
  type LabelsRequest,
  type LabelsResponse,
  noBoundMs,
  type PeerApi,
  type SeriesRequest,
  type SeriesResponse,
  type StoreApi,
  type StoreInfo,
  type TsdbInfo,
} from './types.ts'

export interface ProxyOptions {
  readonly stores: { readonly endpoints: readonly Endpoint[]; readonly tsdbInfos: readonly TsdbInfo[] }
  readonly client: (endpoint: Endpoint) => StoreApi
  /** The longest silence of a store, ms; 0: no limit. */
  readonly responseTimeoutMs: number
  /** What is served beside. */
  readonly apis: readonly PeerApi[]
}

export function createProxy(options: ProxyOptions): StoreApi {
  const { stores, client, responseTimeoutMs, apis } = options
  const fanoutOf = (
    { partialResponseDisabled = false }: Pick<SeriesRequest, 'partialResponseDisabled'>,
    listeners: { onWarning: (warning: string) => void; onHints?: (blocks: readonly string[]) => void },
  ) =>
    new Fanout({
      endpoints: stores.endpoints,
      client,
      partialResponse: !partialResponseDisabled,
      responseTimeoutMs,
      storeMatchers: [],
      ...listeners,
    })
  const labels = async (
    request: LabelsRequest,
    ask: (fanout: Fanout) => Promise<readonly string[]>,
  ): Promise<LabelsResponse> => {
    const warnings = new Set<string>()
    const values = await ask(fanoutOf(request, { onWarning: (warning) => warnings.add(warning) }))
    return { values, warnings: [...warnings] }
  }
  return {
    info: async () => proxyInfo(stores.endpoints, stores.tsdbInfos, apis),
    series: (request, signal) => series(request, signal, (listeners) => fanoutOf(request, listeners)),
    labelNames: (request, signal) => labels(request, (fanout) => fanout.labelNames(request, signal)),
    labelValues: (label, request, signal) => labels(request, (fanout) => fanout.labelValues(label, request, signal)),
  }
}

async function* series(
  request: SeriesRequest,
  signal: AbortSignal,
  open: (listeners: { onWarning: (warning: string) => void; onHints: (blocks: readonly string[]) => void }) => Fanout,
): AsyncGenerator<SeriesResponse> {
  if (request.matchers.length === 0) return
  const warnings = new Set<string>()
  const told = new Set<string>()
  const queriedBlocks = new Set<string>()
  const fanout = open({
    onWarning: (warning) => warnings.add(warning),
    onHints: (blocks) => {
      for (const block of blocks) queriedBlocks.add(block)
    },
  })
  // Stores know shards too, but old ones do not, and one that leaves replica labels to us would cut other shards.
  const inShard = shardPredicate(request.shard)
  const { shard: _ours, ...asked } = request
  let sent = 0
  for await (const one of fanout.series(inShard ? { ...asked, limit: 0 } : asked, signal)) {
    yield* untold(warnings, told)
    if (inShard && !inShard(one.labels)) continue
    yield { kind: 'series', series: one }
    if (++sent === request.limit) break
  }
  yield* untold(warnings, told)
  if (queriedBlocks.size > 0) yield { kind: 'hints', queriedBlocks: [...queriedBlocks].sort() }
}

function* untold(warnings: ReadonlySet<string>, told: Set<string>): Generator<SeriesResponse> {
  if (warnings.size === told.size) return
  for (const warning of warnings) {
    if (told.has(warning)) continue
    told.add(warning)
    yield { kind: 'warning', warning }
  }
}

/**
 * What all stores together announce. A store that is down is among them as it was, for its absence has to be told; where
 * one has never answered nothing can be ruled out, and no label set is announced, which is how "anything" is said.
 */
function proxyInfo(
  endpoints: readonly Endpoint[],
  tsdbInfos: readonly TsdbInfo[],
  apis: readonly PeerApi[],
): StoreInfo {
  const known = endpoints.filter(({ hasStore }) => hasStore)
  const isAnything = known.some(({ labelSets, minTime, maxTime }) => labelSets.length === 0 && minTime <= maxTime)
  const sets = new Map<string, Labels>()
  if (!isAnything) for (const { labelSets } of known) for (const set of labelSets) sets.set(labelsKey(set), set)
  return {
    labelSets: [...sets.values()].sort(compareLabels),
    componentType: 'query',
    store: {
      minTime: known.reduce((min, { minTime }) => Math.min(min, minTime), noBoundMs),
      maxTime: known.reduce((max, { maxTime }) => Math.max(max, maxTime), -noBoundMs),
      supportsSharding: true,
      supportsWithoutReplicaLabels: true,
      tsdbInfos,
    },
    apis,
  }
}
