// StoreAPI over a Prometheus: Series by remote read (streamed chunks passed on undecoded), labels and skip_chunks by its HTTP API.
// Rules: Thanos pkg/store/prometheus.go; external labels override a series' own, then the order of series is mended.
// Owns nothing; what Prometheus is and whether it is up is in prometheus-state.ts.

import type { Kernels } from '../../lib/kernels/kernels.ts'
import { xxhash64 } from '../../lib/kernels/xxhash.ts'
import { MnemoError } from '../../lib/kit/errors.ts'
import { bounded } from '../../lib/labels/bounded-selector.ts'
import {
  compareLabels,
  compareStrings,
  formatLabels,
  type Labels,
  labelsOf,
  labelValue,
  metricName,
  overlayLabels,
  withoutLabels,
} from '../../lib/labels/labels.ts'
import type { LabelMatcher } from '../../lib/labels/matcher.ts'
import { compileMatcher } from '../../lib/labels/regex.ts'
import {
  decodeChunkedResponse,
  decodeSamplesResponse,
  encodeReadRequest,
  type RemoteSeries,
  type SampledSeries,
  samplesContentType,
  streamedContentType,
} from '../../lib/storeapi/remote-read.ts'
import { SeriesOrder } from '../../lib/storeapi/series-order.ts'
import { shardPredicate } from '../../lib/storeapi/shard.ts'
import type {
  AggrChunk,
  LabelsRequest,
  LabelsResponse,
  SeriesRequest,
  SeriesResponse,
  StoreApi,
  StoreInfo,
} from '../../lib/storeapi/types.ts'
import { sidecarApis } from './peer-apis.ts'
import { type PrometheusClient, readWhole } from './prometheus.ts'
import type { PrometheusState } from './prometheus-state.ts'

const samplesPerChunk = 120

interface AnsweredSeries {
  readonly labels: Labels
  readonly chunks: AggrChunk[]
}

interface SidecarSeries extends AnsweredSeries {
  /** As Prometheus has it, as far as its order of series goes. */
  readonly own: Labels
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
      apis: sidecarApis,
    }
  }

  async function* series(request: SeriesRequest, signal: AbortSignal): AsyncGenerator<SeriesResponse> {
    if (request.matchers.length === 0)
      throw new MnemoError('bad_data', 'cannot select series: got no matchers, want at least one')
    const inShard = shardPredicate(request.shard)
    const query = queryOf(request, state)
    if (!query) return
    const limit = request.limit || Number.POSITIVE_INFINITY
    const source = request.skipChunks
      ? labelSets(client, { ...query, ...(request.limit && !inShard && { limit: request.limit }) }, signal)
      : remoteRead(client, query, kernels, signal)
    let count = 0
    let last: Labels | undefined
    for await (const { labels, chunks } of source) {
      if (inShard && !inShard(labels)) continue
      const order = last ? compareLabels(last, labels) : -1
      if (order > 0)
        throw new MnemoError(
          'unavailable',
          `cannot answer in order: got ${formatLabels(labels)} after ${formatLabels(last!)}; the external labels of Prometheus may just have changed`,
        )
      if (order < 0 && ++count > limit) return
      last = labels
      yield { kind: 'series', series: { labels, chunks } }
    }
  }

  const labelNames = async (request: LabelsRequest, signal: AbortSignal): Promise<LabelsResponse> => {
    const query = queryOf(request, state)
    if (!query) return { values: [], warnings: [] }
    const names = new Set(await client.labelNames(query, signal))
    if (names.size > 0) for (const name of namesOf(query.external)) names.add(name)
    for (const name of query.removed) names.delete(name)
    return answer(names, request)
  }

  const labelValues = async (label: string, request: LabelsRequest, signal: AbortSignal): Promise<LabelsResponse> => {
    if (label === '') throw new MnemoError('bad_data', 'cannot list label values: got no label name')
    const query = queryOf(request, state)
    if (!query || query.removed.has(label)) return { values: [], warnings: [] }
    const external = labelValue(query.external, label)
    if (external === '') return answer(new Set(await client.labelValues(label, query, signal)), request)
    if (request.matchers.length === 0) return answer(new Set([external]), request)
    const some = await client.series({ ...query, limit: 1 }, signal)
    return answer(new Set(some.length > 0 ? [external] : []), request)
  }

  return { info, series, labelNames, labelValues }
}

interface Query {
  readonly minTime: number
  readonly maxTime: number
  /** Without those that the external labels decide; where there was one, at least one that Prometheus takes. */
  readonly matchers: readonly LabelMatcher[]
  readonly external: Labels
  readonly removed: ReadonlySet<string>
}

type Request = Pick<SeriesRequest, 'minTime' | 'maxTime' | 'matchers' | 'withoutReplicaLabels'>

/** What to ask Prometheus; undefined where an external label or the time rules all out. */
function queryOf(request: Request, state: PrometheusState): Query | undefined {
  const { labels: external, minTime } = state.announced()
  const left: LabelMatcher[] = []
  let isMatched = true
  for (const matcher of request.matchers) {
    const accepts = compileMatcher(matcher) // checked also where it is not needed: a bad one is an error
    const value = labelValue(external, matcher.name)
    if (value === '') left.push(matcher)
    else isMatched &&= accepts(value)
  }
  const matchers = request.matchers.length === 0 ? left : bounded(left)
  const query = { minTime: Math.max(request.minTime, minTime), maxTime: request.maxTime }
  if (!isMatched || query.minTime > query.maxTime) return undefined
  return { ...query, matchers, external, removed: new Set(request.withoutReplicaLabels) }
}

async function* remoteRead(
  client: PrometheusClient,
  query: Query,
  kernels: Kernels,
  signal: AbortSignal,
): AsyncGenerator<AnsweredSeries> {
  const { contentType, body } = await client.remoteRead(await encodeReadRequest(query), signal)
  if (contentType.startsWith(streamedContentType)) {
    yield* inOrder(decodeChunkedResponse(body, 'Prometheus'), query, client, signal)
    return
  }
  if (!contentType.startsWith(samplesContentType))
    throw new MnemoError(
      'unsupported',
      `cannot read from Prometheus: got content type "${contentType}", want "${streamedContentType}"`,
    )
  const sampled = await decodeSamplesResponse(await readWhole(body, 'remote read'), 'Prometheus')
  const series = sampled
    .filter(({ times, histograms }) => times.length > 0 || histograms.length > 0)
    .map((item) => ({ labels: answered(item.labels, query), item }))
  for (const { labels, item } of series.sort((a, b) => compareLabels(a.labels, b.labels)))
    yield { labels, chunks: cutChunks(item, kernels).map(withHash) }
}

/** Streamed series in ascending order of the labels that are answered; parts of one series stay neighbours. */
async function* inOrder(
  source: AsyncIterable<RemoteSeries>,
  query: Query,
  client: PrometheusClient,
  signal: AbortSignal,
): AsyncGenerator<AnsweredSeries> {
  const changed = new Set([...namesOf(query.external), ...query.removed])
  let order: SeriesOrder<SidecarSeries> | undefined
  const out: SidecarSeries[] = []
  for await (const { labels: received, chunks } of source) {
    // Asked when the answer has begun: by then it is settled which series are in it.
    order ??= await orderOf(query, changed, client, signal)
    // Prometheus adds its external labels after it has sorted; where they are no series' own they don't count.
    const own = withoutLabels(received, changed)
    order.push({ own, labels: answered(received, query), chunks: chunks.map(withHash) }, out)
    yield* out.splice(0)
  }
  order?.end(out)
  yield* out
}

/**
 * How far the order that Prometheus sends may be from the one that is answered: hardly, unless series have labels of
 * their own that are overridden or removed. Then a metric at a time is held back, or all, where metrics have no names.
 */
async function orderOf(
  query: Query,
  changed: ReadonlySet<string>,
  client: PrometheusClient,
  signal: AbortSignal,
): Promise<SeriesOrder<SidecarSeries>> {
  const { minTime, maxTime, external, removed } = query
  const names = await client.labelNames({ minTime, maxTime, matchers: [] }, signal)
  const isNamed = query.matchers.some((matcher) => matcher.name === metricName && !compileMatcher(matcher)(''))
  return new SeriesOrder<SidecarSeries>({
    added: withoutLabels(external, removed),
    innerNames: names.filter((name) => changed.has(name)),
    lastFirstName: isNamed ? metricName : undefined,
  })
}

/** In order; sorted here, as Prometheus does not sort them. */
async function* labelSets(client: PrometheusClient, query: Query, signal: AbortSignal): AsyncGenerator<AnsweredSeries> {
  const sets = (await client.series(query, signal)).map((set) => answered(labelsOf(set), query))
  let last: Labels | undefined
  for (const labels of sets.sort(compareLabels)) {
    // Where a label of their own was removed, several are one.
    if (last && compareLabels(last, labels) === 0) continue
    last = labels
    yield { labels, chunks: [] }
  }
}

function namesOf(labels: Labels): string[] {
  return labels.filter((_, i) => i % 2 === 0)
}

function answered(own: Labels, { external, removed }: Query): Labels {
  return withoutLabels(overlayLabels(own, external), removed)
}

function withHash(chunk: AggrChunk): AggrChunk {
  const raw = chunk.raw!
  return { ...chunk, raw: { ...raw, hash: xxhash64(raw.data) } }
}

/** Samples as XOR chunks of 120, as a Prometheus before 2.13 answers no others. */
function cutChunks({ labels, times, valueBits, histograms }: SampledSeries, kernels: Kernels): AggrChunk[] {
  if (histograms.length > 0)
    throw new MnemoError(
      'unsupported',
      `cannot read native histograms of ${formatLabels(labels)} as samples: want a Prometheus that streams chunks`,
    )
  const columns = kernels.columns()
  try {
    for (let i = 0; i < times.length; i++) columns.pushBits(times[i]!, valueBits[i]!)
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
