// StoreAPI over a Prometheus: Series by remote read (streamed chunks passed on undecoded), labels and skip_chunks by its HTTP API.
// Rules: Thanos pkg/store/prometheus.go; external labels override a series' own, then the order of series is mended.
// Owns nothing; what Prometheus is and whether it is up is in prometheus-state.ts.

import type { Kernels } from '../../lib/kernels/kernels.ts'
import { MnemoError } from '../../lib/kit/errors.ts'
import {
  compareStrings,
  type Labels,
  labelsOf,
  labelValue,
  overlayLabels,
  withoutLabels,
} from '../../lib/labels/labels.ts'
import type { LabelMatcher } from '../../lib/labels/matcher.ts'
import { compileMatcher } from '../../lib/labels/regex.ts'
import {
  decodeChunkedResponse,
  decodeSamplesResponse,
  encodeReadRequest,
  type SampledSeries,
  samplesContentType,
  streamedContentType,
} from '../../lib/storeapi/remote-read.ts'
import { SeriesOrder } from '../../lib/storeapi/series-order.ts'
import { hashBytes, shardPredicate } from '../../lib/storeapi/shard.ts'
import type {
  AggrChunk,
  LabelsRequest,
  LabelsResponse,
  SeriesRequest,
  SeriesResponse,
  StoreApi,
  StoreInfo,
} from '../../lib/storeapi/types.ts'
import type { PrometheusClient } from './prometheus.ts'
import type { PrometheusState } from './prometheus-state.ts'

const samplesPerChunk = 120

interface SidecarSeries {
  /** As Prometheus has it. */
  readonly own: Labels
  /** As it is answered. */
  readonly labels: Labels
  readonly chunks: AggrChunk[]
}

export function sidecarStoreApi(client: PrometheusClient, state: PrometheusState, kernels: Kernels): StoreApi {
  const info = async (): Promise<StoreInfo> => {
    const { labels, minTime, maxTime } = state.announced()
    return {
      labelSets: [labels],
      componentType: 'sidecar',
      store: {
        minTime,
        maxTime,
        supportsSharding: true,
        supportsWithoutReplicaLabels: true,
        tsdbInfos: [{ labels, minTime, maxTime }],
      },
    }
  }

  async function* series(request: SeriesRequest, signal: AbortSignal): AsyncGenerator<SeriesResponse> {
    const query = queryOf(request, state)
    if (!query) return
    if (query.matchers.length === 0)
      throw new MnemoError('bad_data', 'cannot select series: got matchers on external labels alone, want one more')
    const inShard = shardPredicate(request.shard)
    const limit = request.limit || Number.POSITIVE_INFINITY
    const source = request.skipChunks
      ? labelSets(client, query, request.limit ?? 0, signal)
      : remoteRead(client, query, kernels, signal)
    let sent = 0
    let last: Labels | undefined
    for await (const item of inOrder(source, query)) {
      if (inShard && !inShard(item.labels)) continue
      if (item.labels !== last && ++sent > limit) return
      last = item.labels
      yield { kind: 'series', series: { labels: item.labels, chunks: item.chunks } }
    }
  }

  const labelNames = async (request: LabelsRequest, signal: AbortSignal): Promise<LabelsResponse> => {
    const query = queryOf(request, state)
    if (!query) return { values: [], warnings: [] }
    const names = new Set(await client.labelNames({ ...query, limit: 0 }, signal))
    if (names.size > 0) for (let i = 0; i < query.external.length; i += 2) names.add(query.external[i]!)
    for (const name of query.removed) names.delete(name)
    return answer(names, request)
  }

  const labelValues = async (label: string, request: LabelsRequest, signal: AbortSignal): Promise<LabelsResponse> => {
    const query = queryOf(request, state)
    if (!query || query.removed.has(label)) return { values: [], warnings: [] }
    const external = labelValue(query.external, label)
    if (external === '')
      return answer(new Set(await client.labelValues(label, { ...query, limit: 0 }, signal)), request)
    if (query.matchers.length === 0) return answer(new Set([external]), request)
    const some = await client.series({ ...query, limit: 1 }, signal)
    return answer(new Set(some.length > 0 ? [external] : []), request)
  }

  return { info, series, labelNames, labelValues }
}

interface Query {
  readonly minTime: number
  readonly maxTime: number
  /** Without those that the external labels decide. */
  readonly matchers: readonly LabelMatcher[]
  readonly external: Labels
  readonly removed: ReadonlySet<string>
}

type Request = Pick<SeriesRequest, 'minTime' | 'maxTime' | 'matchers' | 'withoutReplicaLabels'>

/** What to ask Prometheus; undefined where an external label or the time rules all out. */
function queryOf(request: Request, state: PrometheusState): Query | undefined {
  const { labels: external, minTime } = state.announced()
  const matchers: LabelMatcher[] = []
  for (const matcher of request.matchers) {
    const accepts = compileMatcher(matcher) // checked also where it is not needed: a bad one is an error
    const value = labelValue(external, matcher.name)
    if (value === '') matchers.push(matcher)
    else if (!accepts(value)) return undefined
  }
  const query = { minTime: Math.max(request.minTime, minTime), maxTime: request.maxTime }
  if (query.minTime > query.maxTime) return undefined
  return { ...query, matchers, external, removed: new Set(request.withoutReplicaLabels) }
}

/** In ascending order of the labels that are answered; parts of one series stay neighbours. */
async function* inOrder(
  source: AsyncIterable<SidecarSeries>,
  { external, removed }: Query,
): AsyncGenerator<SidecarSeries> {
  const externalNames = external.filter((_, i) => i % 2 === 0)
  const order = new SeriesOrder<SidecarSeries>({
    added: withoutLabels(external, removed),
    innerNames: [...externalNames, ...removed],
  })
  const out: SidecarSeries[] = []
  for await (const item of source) {
    order.push(item, out)
    yield* out.splice(0)
  }
  order.end(out)
  yield* out
}

async function* remoteRead(
  client: PrometheusClient,
  query: Query,
  kernels: Kernels,
  signal: AbortSignal,
): AsyncGenerator<SidecarSeries> {
  const response = await client.remoteRead(await encodeReadRequest(query), signal)
  const type = response.headers.get('content-type') ?? ''
  if (!response.body) throw new MnemoError('unavailable', 'cannot read from Prometheus: got no body')
  if (type.startsWith(streamedContentType)) {
    for await (const { labels, chunks } of decodeChunkedResponse(response.body, 'Prometheus'))
      yield { own: labels, labels: answered(labels, query), chunks: chunks.map(withHash) }
    return
  }
  if (!type.startsWith(samplesContentType))
    throw new MnemoError(
      'unsupported',
      `cannot read from Prometheus: got content type "${type}", want "${streamedContentType}"`,
    )
  const body = new Uint8Array(await response.arrayBuffer())
  for (const series of await decodeSamplesResponse(body, 'Prometheus'))
    yield {
      own: series.labels,
      labels: answered(series.labels, query),
      chunks: cutChunks(series, kernels).map(withHash),
    }
}

async function* labelSets(
  client: PrometheusClient,
  query: Query,
  limit: number,
  signal: AbortSignal,
): AsyncGenerator<SidecarSeries> {
  const sets = (await client.series({ ...query, limit }, signal)).map((set) => labelsOf(set))
  for (const own of sets) yield { own, labels: answered(own, query), chunks: [] }
}

function answered(own: Labels, { external, removed }: Query): Labels {
  return withoutLabels(overlayLabels(own, external), removed)
}

function withHash(chunk: AggrChunk): AggrChunk {
  const raw = chunk.raw!
  return { ...chunk, raw: { ...raw, hash: hashBytes(raw.data) } }
}

/** Samples as XOR chunks of 120, as a Prometheus before 2.13 answers no others. */
function cutChunks({ labels, times, values, histograms }: SampledSeries, kernels: Kernels): AggrChunk[] {
  if (histograms.length > 0)
    throw new MnemoError(
      'unsupported',
      `cannot read native histograms of ${labels.join(' ')} as samples: want a Prometheus that streams chunks`,
    )
  const columns = kernels.columns()
  try {
    const bits = new BigUint64Array(values.buffer, values.byteOffset, values.length)
    for (let i = 0; i < times.length; i++) columns.pushBits(times[i]!, bits[i]!)
    const chunks: AggrChunk[] = []
    for (let from = 0; from < times.length; from += samplesPerChunk) {
      const to = Math.min(from + samplesPerChunk, times.length)
      const data = kernels.encodeXor(columns, from, to)
      chunks.push({ minTime: times[from]!, maxTime: times[to - 1]!, raw: { type: 0, data, hash: 0n } })
    }
    return chunks
  } finally {
    columns.free()
  }
}

function answer(values: ReadonlySet<string>, { limit }: LabelsRequest): LabelsResponse {
  const sorted = [...values].sort(compareStrings)
  return { values: limit ? sorted.slice(0, limit) : sorted, warnings: [] }
}
