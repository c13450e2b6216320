// What the cluster's querier answers, over HTTP as anyone asks it.
// Specification: Prometheus's HTTP API, /api/v1/query and /api/v1/query_range.
// Owns nothing; every request is given ten seconds.
import { isDeepStrictEqual } from 'node:util'

export interface InstantSeries {
  readonly metric: Readonly<Record<string, string>>
  readonly value: readonly [number, string]
}

export interface RangeSeries {
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

interface Answer<T> {
  readonly result: T
  readonly warnings: readonly string[]
}

const stepSeconds = 5

export class ClusterQueries {
  readonly #url: string

  constructor(url: string) {
    this.#url = url
  }

  async instant(query: string, more = ''): Promise<readonly InstantSeries[]> {
    return (await this.#ask<InstantSeries[]>(`query?query=${encodeURIComponent(query)}${more}`)).result
  }

  async history(query: string, fromMs: number, untilMs: number): Promise<History> {
    const series = sortSeries((await this.range({ query, fromMs, untilMs })).result)
    return { query, fromMs, untilMs, series, points: series.reduce((sum, { values }) => sum + values.length, 0) }
  }

  /** A query over a range as it is answered, with its warnings. */
  range({ query, fromMs, untilMs }: Pick<History, 'query' | 'fromMs' | 'untilMs'>): Promise<Answer<RangeSeries[]>> {
    const range = `start=${fromMs / 1000}&end=${untilMs / 1000}&step=${stepSeconds}`
    return this.#ask(`query_range?query=${encodeURIComponent(query)}&${range}`)
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

  async #ask<T>(path: string): Promise<Answer<T>> {
    const response = await fetch(`${this.#url}/api/v1/${path}`, { signal: AbortSignal.timeout(10_000) })
    const answer = (await response.json()) as {
      status: string
      error?: string
      warnings?: string[]
      data?: { result: T }
    }
    if (answer.status !== 'success' || !answer.data) throw new Error(answer.error ?? `status ${response.status}`)
    return { result: answer.data.result, warnings: answer.warnings ?? [] }
  }
}

/** In order of their labels. */
export function sortSeries(series: readonly RangeSeries[]): readonly RangeSeries[] {
  return series.toSorted((a, b) => (JSON.stringify(a.metric) < JSON.stringify(b.metric) ? -1 : 1))
}

/** Whether both have the same series with the same points. */
export function sameAnswer(a: History, b: History): boolean {
  return isDeepStrictEqual(a.series, b.series)
}
