// What the cluster's querier answers, over HTTP as anyone asks it.
// Specification: Prometheus's HTTP API, /api/v1/query and /api/v1/query_range.
// Owns nothing; every request is given ten seconds.
import { isDeepStrictEqual } from 'node:util'

export interface InstantSeries {
  readonly metric: Readonly<Record<string, string>>
  readonly value: readonly [number, string]
}

interface RangeSeries {
  readonly metric: Readonly<Record<string, string>>
  readonly values: readonly (readonly [number, string])[]
}

/** A query over a range of the past, to be asked again. */
export interface History {
  readonly query: string
  readonly fromMs: number
  readonly untilMs: number
  /** Ordered by labels. */
  readonly series: readonly RangeSeries[]
  readonly points: number
}

const stepSeconds = 5

export class ClusterQueries {
  readonly #url: string

  constructor(url: string) {
    this.#url = url
  }

  async instant(query: string, more = ''): Promise<readonly InstantSeries[]> {
    return this.#ask(`query?query=${encodeURIComponent(query)}${more}`)
  }

  async history(query: string, fromMs: number, untilMs: number): Promise<History> {
    const range = `start=${fromMs / 1000}&end=${untilMs / 1000}&step=${stepSeconds}`
    const found = await this.#ask<readonly RangeSeries[]>(`query_range?query=${encodeURIComponent(query)}&${range}`)
    const series = found.toSorted((a, b) => (JSON.stringify(a.metric) < JSON.stringify(b.metric) ? -1 : 1))
    return { query, fromMs, untilMs, series, points: series.reduce((sum, { values }) => sum + values.length, 0) }
  }

  /** Asks the same again, for two minutes at most until the answer is the same. */
  async expectSame(was: History): Promise<string> {
    const now = await this.until(120_000, was.query, async () => {
      const now = await this.history(was.query, was.fromMs, was.untilMs)
      return sameAnswer(was, now) ? now : `got ${now.series.length} series, ${now.points} points, want ${was.points}`
    })
    return `${now.series.length} series, ${now.points} points`
  }

  /** Tries until `attempt` returns something else than a text, which says what is missing. */
  async until<T extends object>(limitMs: number, what: string, attempt: () => Promise<T | string>): Promise<T> {
    const deadlineMs = Date.now() + limitMs
    for (;;) {
      const got = await attempt().catch((error: unknown) => String(error))
      if (typeof got !== 'string') return got
      if (Date.now() > deadlineMs) throw new Error(`${what}, after ${limitMs / 1000} s: ${got}`)
      await new Promise((resolve) => setTimeout(resolve, 1_000))
    }
  }

  async #ask<T>(path: string): Promise<T> {
    const response = await fetch(`${this.#url}/api/v1/${path}`, { signal: AbortSignal.timeout(10_000) })
    const answer = (await response.json()) as { status: string; error?: string; data?: { result: T } }
    if (answer.status !== 'success' || !answer.data) throw new Error(answer.error ?? `status ${response.status}`)
    return answer.data.result
  }
}

/** Whether both have the same series with the same points. */
export function sameAnswer(a: History, b: History): boolean {
  return isDeepStrictEqual(a.series, b.series)
}
