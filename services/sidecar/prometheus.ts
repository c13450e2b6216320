// What the sidecar asks of its Prometheus over HTTP: configuration, flags, metrics, series, labels, remote read.
// Specification: Prometheus's HTTP API. Every answer is bounded in time and size.
// Owns the requests; what is made of the answers is the caller's.
import { parse as parseYaml } from 'yaml'
import { parseDurationMs } from '../../lib/kit/duration.ts'
import { MnemoError } from '../../lib/kit/errors.ts'
import { type HttpClient, type HttpRequest, type HttpResponse, plainHttpClient } from '../../lib/kit/http-client.ts'
import { type Labels, labelsOf } from '../../lib/labels/labels.ts'
import { formatSelector, type LabelMatcher } from '../../lib/labels/matcher.ts'
import type { MetricMeta } from '../../lib/storeapi/metadata.ts'
import { noBoundMs } from '../../lib/storeapi/types.ts'
import type { ApiRuleGroup, ApiSeriesExemplars, ApiTargets, ApiTsdbStatus } from './prometheus-answers.ts'

export interface PrometheusFlags {
  readonly minBlockDurationMs: number
  readonly maxBlockDurationMs: number
  /** `--storage.tsdb.delay-compact-file.path`, '' where unset or unknown to this version. */
  readonly delayCompactFile: string
}

export interface LabelQuery {
  readonly matchers: readonly LabelMatcher[]
  readonly minTime: number
  readonly maxTime: number
  /** Absent: no limit. */
  readonly limit?: number
}

/** The furthest time that is sent to Prometheus's API, whole seconds in a safe integer of ms. */
const maxApiTimeMs = 9_007_199_254_740_000
/** Largest answer that is read whole: some million label sets. What is streamed has its own cap, of a frame. */
const maxAnswerBytes = 256 << 20

export class PrometheusClient {
  readonly #base: string
  readonly #timeoutMs: number
  readonly #http: HttpClient
  /** The configuration as last read: it may be large, and seldom changes. */
  #config: { readonly yaml: string; readonly labels: Labels } | undefined

  /** `url` may carry a path prefix. */
  constructor(url: string, timeoutMs: number, http: HttpClient = plainHttpClient) {
    this.#base = url.replace(/\/+$/, '')
    this.#timeoutMs = timeoutMs
    this.#http = http
  }

  async externalLabels(signal: AbortSignal): Promise<Labels> {
    const { yaml } = await this.#api<{ yaml: string }>('/api/v1/status/config', signal)
    if (this.#config?.yaml !== yaml) this.#config = { yaml, labels: externalLabelsOf(yaml) }
    return this.#config.labels
  }

  async flags(signal: AbortSignal): Promise<PrometheusFlags> {
    const flags = await this.#api<Record<string, string>>('/api/v1/status/flags', signal)
    return {
      minBlockDurationMs: parseDurationMs(flags['storage.tsdb.min-block-duration'] ?? '2h'),
      maxBlockDurationMs: parseDurationMs(flags['storage.tsdb.max-block-duration'] ?? '36h'),
      delayCompactFile: flags['storage.tsdb.delay-compact-file.path'] ?? '',
    }
  }

  /** Time of the oldest sample in ms; -noBoundMs for an empty TSDB (which announces the largest int64), so that it is asked all the same. */
  async lowestTimestampMs(signal: AbortSignal): Promise<number> {
    const text = (await this.#get('/metrics', signal)).toString()
    const match = /^prometheus_tsdb_lowest_timestamp_seconds ([-+.\deE]+)$/m.exec(text)
    if (!match)
      throw new MnemoError(
        'unavailable',
        `cannot read ${this.#base}/metrics: got no prometheus_tsdb_lowest_timestamp_seconds`,
      )
    const ms = Number(match[1]) * 1000
    return Math.abs(ms) >= noBoundMs ? -noBoundMs : Math.floor(ms)
  }

  series(query: LabelQuery, signal: AbortSignal): Promise<Record<string, string>[]> {
    return this.#api(`/api/v1/series?${searchParams(query)}`, signal)
  }

  labelNames(query: LabelQuery, signal: AbortSignal): Promise<string[]> {
    return this.#api(`/api/v1/labels?${searchParams(query)}`, signal)
  }

  labelValues(label: string, query: LabelQuery, signal: AbortSignal): Promise<string[]> {
    return this.#api(`/api/v1/label/${encodeURIComponent(label)}/values?${searchParams(query)}`, signal)
  }

  /** What metrics are, by name. `metric` '': every one. */
  metadata(metric: string, signal: AbortSignal): Promise<Record<string, MetricMeta[]>> {
    return this.#api(`/api/v1/metadata?${new URLSearchParams({ metric })}`, signal)
  }

  /** Groups of rules; `type` 'alert', 'record', or '' for both. */
  async rules(type: string, signal: AbortSignal): Promise<readonly ApiRuleGroup[]> {
    const { groups } = await this.#api<{ groups?: ApiRuleGroup[] | null }>(`/api/v1/rules${search({ type })}`, signal)
    return groups ?? []
  }

  /** `state` 'active', 'dropped', or '' for both. */
  targets(state: string, signal: AbortSignal): Promise<ApiTargets> {
    return this.#api(`/api/v1/targets${search({ state })}`, signal)
  }

  /** None where exemplars are not stored. */
  async exemplars(
    { query, startMs, endMs }: { readonly query: string; readonly startMs: number; readonly endMs: number },
    signal: AbortSignal,
  ): Promise<readonly ApiSeriesExemplars[]> {
    const params = { query, start: formatSeconds(startMs), end: formatSeconds(endMs) }
    return (
      (await this.#api<ApiSeriesExemplars[] | null>(`/api/v1/query_exemplars${search(params)}`, signal, null)) ?? []
    )
  }

  /** `limit` 0: Prometheus's own, which versions before 2.46 always take. */
  tsdbStatus(limit: number, signal: AbortSignal): Promise<ApiTsdbStatus> {
    return this.#api(`/api/v1/status/tsdb${search({ limit: limit > 0 ? String(limit) : '' })}`, signal)
  }

  /** Whether the configuration that was read last was good, and when the last good one was loaded (unix ms). */
  async configStatus(signal: AbortSignal): Promise<{ isLoaded: boolean; loadedMs: number }> {
    const info = await this.#api<Record<string, unknown>>('/api/v1/status/runtimeinfo', signal)
    return { isLoaded: info.reloadConfigSuccess === true, loadedMs: Date.parse(String(info.lastConfigTime)) }
  }

  /** Has it read its configuration again; throws what it says where it cannot. */
  async reload(signal: AbortSignal): Promise<void> {
    const url = `${this.#base}/-/reload`
    await readWhole(bodyOf(url, await this.#request(url, { method: 'POST', signal }), signal), url)
  }

  /** The answer to an encoded ReadRequest. No timeout of its own: the caller's signal ends it. */
  async remoteRead(body: Uint8Array, signal: AbortSignal): Promise<RemoteReadAnswer> {
    const headers = {
      'Content-Encoding': 'snappy',
      'Content-Type': 'application/x-stream-protobuf',
      'X-Prometheus-Remote-Read-Version': '0.1.0',
    }
    const url = `${this.#base}/api/v1/read`
    const response = await this.#request(url, { method: 'POST', headers, body: Uint8Array.from(body), signal })
    return { contentType: response.headers.get('content-type') ?? '', body: bodyOf(url, response, signal) }
  }

  /** `data` of an answer; `whenAbsent` where there is none, which is an error unless told. */
  async #api<T>(path: string, signal: AbortSignal, whenAbsent?: T): Promise<T> {
    const bytes = await this.#get(path, signal)
    let answer: { status?: string; data?: T } | null
    try {
      answer = JSON.parse(bytes.toString()) as typeof answer
    } catch (cause) {
      throw new MnemoError('unavailable', `cannot ask ${this.#base}${path}: got no JSON`, { cause })
    }
    const data = answer?.data ?? whenAbsent
    if (answer?.status !== 'success' || data === undefined)
      throw new MnemoError(
        'unavailable',
        `cannot ask ${this.#base}${path}: got status "${answer?.status}", want "success" and data`,
      )
    return data
  }

  async #get(path: string, signal: AbortSignal): Promise<Buffer> {
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(this.#timeoutMs)])
    const url = this.#base + path
    return readWhole(bodyOf(url, await this.#request(url, { signal: bounded }), bounded), url)
  }

  /** A response with a status of 2xx; anything else is an error with what Prometheus said. */
  async #request(url: string, request: HttpRequest): Promise<HttpResponse> {
    let response: HttpResponse
    try {
      response = await this.#http.fetch(url, request)
    } catch (error) {
      throw failure(url, error, request.signal)
    }
    if (response.ok) return response
    const said = await readStart(bodyOf(url, response, request.signal))
    const code = response.status === 400 ? 'bad_data' : response.status === 422 ? 'execution' : 'unavailable'
    throw new MnemoError(code, `cannot ask ${url}: got HTTP ${response.status}: ${said}`)
  }
}

export interface RemoteReadAnswer {
  readonly contentType: string
  readonly body: AsyncIterable<Uint8Array>
}

/** The bytes of a body, at most maxAnswerBytes. Throws `resource_exhausted`. */
export async function readWhole(body: AsyncIterable<Uint8Array>, url: string): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  let length = 0
  for await (const piece of body) {
    length += piece.length
    if (length > maxAnswerBytes)
      throw new MnemoError('resource_exhausted', `cannot ask ${url}: got more than ${maxAnswerBytes} bytes`)
    pieces.push(piece)
  }
  return Buffer.concat(pieces, length)
}

async function* bodyOf(url: string, response: HttpResponse, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  if (!response.body) return
  try {
    yield* response.body
  } catch (error) {
    throw failure(url, error, signal)
  }
}

/** What an error answer says, as far as a message has room for it. */
async function readStart(body: AsyncIterable<Uint8Array>): Promise<string> {
  for await (const piece of body) return Buffer.from(piece).toString().slice(0, 500).trim()
  return '(nothing)'
}

function failure(url: string, cause: unknown, signal: AbortSignal): MnemoError {
  if (!signal.aborted) return new MnemoError('unavailable', `cannot ask ${url}`, { cause })
  const reason: unknown = signal.reason
  if (reason instanceof Error && reason.name === 'TimeoutError')
    return new MnemoError('timeout', `cannot ask ${url}: got no whole answer in time`, { cause })
  return new MnemoError('canceled', `cannot ask ${url}: the request was canceled`, { cause })
}

/** Scalars stay text: a value such as 1.10 is a label as it is written. */
function externalLabelsOf(yaml: string): Labels {
  let config: { global?: { external_labels?: Record<string, string> | null } } | null
  try {
    config = parseYaml(yaml, { schema: 'failsafe' })
  } catch (cause) {
    throw new MnemoError('unavailable', 'cannot read the configuration of Prometheus: got no YAML', { cause })
  }
  return labelsOf(config?.global?.external_labels || {})
}

/** The parameters that are given, as the end of a URL. */
function search(params: Readonly<Record<string, string>>): string {
  const given = Object.entries(params).filter(([, value]) => value !== '')
  return given.length === 0 ? '' : `?${new URLSearchParams(given)}`
}

function searchParams({ matchers, minTime, maxTime, limit }: LabelQuery): string {
  const params = new URLSearchParams()
  if (matchers.length > 0) params.set('match[]', formatSelector(matchers))
  params.set('start', formatSeconds(minTime))
  params.set('end', formatSeconds(maxTime))
  if (limit !== undefined) params.set('limit', String(limit))
  return params.toString()
}

function formatSeconds(ms: number): string {
  return (Math.min(maxApiTimeMs, Math.max(-maxApiTimeMs, ms)) / 1000).toFixed(3)
}
