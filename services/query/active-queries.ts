// The queries that wait or run now, as /api/v1/status/active_queries shows them; ending one is aborting its signal.
// Owns the list and the ids.
import { MnemoError } from '../../lib/kit/errors.ts'
import type { ActiveQuery, QueryRequest } from './api/backend.ts'
import { Fetched } from './fetched.ts'

/** A query from its arrival to its answer. */
interface Entry {
  readonly request: QueryRequest
  readonly arrivedMs: number
  readonly fetched: Fetched
  readonly abort: AbortController
  isRunning: boolean
}

interface StartedQuery {
  readonly signal: AbortSignal
  readonly fetched: Fetched
  run(): void
  done(): void
}

export class ActiveQueries {
  readonly #entries = new Map<string, Entry>()
  #nextId = 1

  /** Adds a query that waits; `run()` tells that it is its turn, `done()` takes it off. */
  start(request: QueryRequest): StartedQuery {
    const id = String(this.#nextId++)
    const abort = new AbortController()
    const fetched = new Fetched()
    const entry = { request, arrivedMs: performance.now(), fetched, abort, isRunning: false }
    this.#entries.set(id, entry)
    const run = () => {
      entry.isRunning = true
    }
    return { signal: abort.signal, fetched, run, done: () => this.#entries.delete(id) }
  }

  /** Oldest first. */
  list(): readonly ActiveQuery[] {
    const now = performance.now()
    return [...this.#entries].map(([id, { request, arrivedMs, fetched, isRunning }]) => ({
      id,
      state: isRunning ? 'running' : 'waiting',
      query: request.query,
      startMs: request.startMs,
      endMs: request.endMs,
      stepMs: request.stepMs,
      ageMs: now - arrivedMs,
      series: fetched.series,
      bytes: fetched.bytes,
    }))
  }

  /** Ends a query: who asked it gets `canceled`. Throws `not_found` where there is none of this id. */
  end(id: string): void {
    const entry = this.#entries.get(id)
    if (entry === undefined)
      throw new MnemoError('not_found', `cannot end query: got id ${id}, want one that is active`)
    entry.abort.abort(new MnemoError('canceled', 'query was ended by an operator'))
  }
}
