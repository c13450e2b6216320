// A constant load of one query whose answer is known, and what its users saw: right, right with a warning, partly with a warning,
// an error, or wrong without a word, which must never be.
// Owns its loops until `stop`.
import { isDeepStrictEqual } from 'node:util'
import { type ClusterQueries, type History, sortSeries } from './cluster-queries.ts'

export interface Seen {
  queries: number
  right: number
  rightWithWarning: number
  partWithWarning: number
  errors: number
  wrong: number
  /** Longest time without an answer that was whole. */
  longestGapMs: number
  readonly texts: Set<string>
}

const users = 4
const pauseMs = 50

export class QueryLoad {
  readonly #cluster: ClusterQueries
  readonly #want: History
  readonly #loops: Promise<void>[]
  #stopped = false
  #seen: Seen = nothingSeen()
  #lastWholeMs = performance.now()

  constructor(cluster: ClusterQueries, want: History) {
    this.#cluster = cluster
    this.#want = want
    this.#loops = Array.from({ length: users }, () => this.#loop())
  }

  /** What was seen since the last call. */
  take(): Seen {
    const seen = this.#seen
    seen.longestGapMs = Math.max(seen.longestGapMs, performance.now() - this.#lastWholeMs)
    this.#seen = nothingSeen()
    this.#lastWholeMs = performance.now()
    return seen
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all(this.#loops)
  }

  async #loop(): Promise<void> {
    while (!this.#stopped) {
      await this.#ask()
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
  }

  async #ask(): Promise<void> {
    let whole = false
    try {
      const { result, warnings } = await this.#cluster.range(this.#want)
      whole = isDeepStrictEqual(sortSeries(result), this.#want.series)
      for (const warning of warnings) this.#note(warning)
      if (whole) this.#seen[warnings.length > 0 ? 'rightWithWarning' : 'right']++
      else this.#seen[warnings.length > 0 ? 'partWithWarning' : 'wrong']++
    } catch (error) {
      this.#seen.errors++
      const { cause, message } = error as Error
      this.#note(cause instanceof Error ? cause.message : message)
    }
    this.#seen.queries++
    const nowMs = performance.now()
    if (!whole) return
    this.#seen.longestGapMs = Math.max(this.#seen.longestGapMs, nowMs - this.#lastWholeMs)
    this.#lastWholeMs = nowMs
  }

  #note(text: string): void {
    if (this.#seen.texts.size < 20) this.#seen.texts.add(text.slice(0, 160))
  }
}

function nothingSeen(): Seen {
  return {
    queries: 0,
    right: 0,
    rightWithWarning: 0,
    partWithWarning: 0,
    errors: 0,
    wrong: 0,
    longestGapMs: 0,
    texts: new Set(),
  }
}
