// What the sidecar asks of its Prometheus over HTTP: configuration, flags, metrics, series, labels, remote read.
// Specification: Prometheus's HTTP API. Every answer is bounded in time and size.
// Owns the requests; what is made of the answers is the caller's.
import { parse as parseYaml } from 'yaml'
import { parseDurationMs } from '../../lib/kit/duration.ts'
import { MnemoError } from '../../lib/kit/errors.ts'
import { type Labels, labelsOf } from '../../lib/labels/labels.ts'
import type { LabelMatcher } from '../../lib/labels/matcher.ts'
import { noBoundMs } from '../../lib/storeapi/types.ts'

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
  /** 0: no limit. */
  readonly limit: number
}

/** Seconds on either side that Prometheus's API takes for a time; beyond it there is no bound worth sending. */
const maxApiTimeMs = 9_007_199_254_740_000

export class PrometheusClient {
  readonly #base: string
  readonly #timeoutMs: number

  /** `url` may carry a path prefix. */
  constructor(url: string, timeoutMs: number) {
    this.#base = url.replace(/\/+$/, '')
    this.#timeoutMs = timeoutMs
  }

  async externalLabels(signal: AbortSignal): Promise<Labels> {
    const { yaml } = await this.#api<{ yaml: string }>('/api/v1/status/config', signal)
    const config = parseYaml(yaml) as { global?: { external_labels?: Record<string, unknown> } } | null
    const labels = config?.global?.external_labels ?? {}
    return labelsOf(Object.entries(labels).map(([name, value]) => [name, String(value)] as const))
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
    const text = await (await this.#get('/metrics', signal)).text()
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

  /** The answer to an encoded ReadRequest; its body is a stream. No timeout of its own: the caller's signal ends it. */
  async remoteRead(body: Uint8Array, signal: AbortSignal): Promise<Response> {
    const headers = {
      'Content-Encoding': 'snappy',
      'Content-Type': 'application/x-stream-protobuf',
      'X-Prometheus-Remote-Read-Version': '0.1.0',
    }
    return this.#fetch('/api/v1/read', { method: 'POST', headers, body: Uint8Array.from(body), signal })
  }

  async #api<T>(path: string, signal: AbortSignal): Promise<T> {
    const response = await this.#get(path, signal)
    const answer = (await response.json()) as { status?: string; data?: T }
    if (answer.status !== 'success' || answer.data === undefined)
      throw new MnemoError(
        'unavailable',
        `cannot ask ${this.#base}${path}: got status "${answer.status}", want "success"`,
      )
    return answer.data
  }

  #get(path: string, signal: AbortSignal): Promise<Response> {
    return this.#fetch(path, { signal: AbortSignal.any([signal, AbortSignal.timeout(this.#timeoutMs)]) })
  }

  async #fetch(path: string, init: RequestInit): Promise<Response> {
    const url = this.#base + path
    let response: Response
    try {
      response = await fetch(url, init)
    } catch (cause) {
      if (init.signal?.aborted && (init.signal.reason as Error).name !== 'TimeoutError')
        throw new MnemoError('canceled', `cannot ask ${url}: the request was canceled`, { cause })
      throw new MnemoError('unavailable', `cannot ask ${url}`, { cause })
    }
    if (response.ok) return response
    const said = (await response.text()).slice(0, 500)
    const code = response.status === 400 ? 'bad_data' : response.status === 422 ? 'execution' : 'unavailable'
    throw new MnemoError(code, `cannot ask ${url}: got HTTP ${response.status}: ${said}`)
  }
}

function searchParams({ matchers, minTime, maxTime, limit }: LabelQuery): string {
  const params = new URLSearchParams()
  if (matchers.length > 0) params.set('match[]', formatMatchers(matchers))
  params.set('start', formatSeconds(minTime))
  params.set('end', formatSeconds(maxTime))
  if (limit > 0) params.set('limit', String(limit))
  return params.toString()
}

function formatSeconds(ms: number): string {
  return (Math.min(maxApiTimeMs, Math.max(-maxApiTimeMs, ms)) / 1000).toFixed(3)
}

/** A selector as PromQL writes it; names that need quotes are refused by older versions of Prometheus, others pass. */
function formatMatchers(matchers: readonly LabelMatcher[]): string {
  const texts = matchers.map(({ name, type, value }) => {
    const spelled = /^[a-zA-Z_]\w*$/.test(name) ? name : JSON.stringify(name)
    return `${spelled}${type}${JSON.stringify(value)}`
  })
  return `{${texts.join(',')}}`
}
