// Several stores' Series streams as one: sorted by labels, equal label sets as one series, each chunk once.
// Pull-based: a stream is asked for what comes next only when the last of it was taken, and is at most one batch ahead.
// Owns what becomes of a stream that fails or falls silent: a warning that names the store, or an error.
import { asMnemoError, describeError, type ErrorCode, MnemoError } from '../kit/errors.ts'
import { compareLabels, formatLabels, type Labels, withoutLabels } from '../labels/labels.ts'
import { joinSeries } from './chunk-order.ts'
import { removeTop, siftDown, siftUp } from './series-heap.ts'
import { checkHashes } from './shard.ts'
import type { SeriesResponse, StoreSeries } from './types.ts'
import { relabelled, WireSeries } from './wire-series.ts'

/** One store's answer to a Series call. */
export interface SeriesSource {
  /** The store's address; every warning and error carries it. */
  readonly store: string
  /** Starts the call. The signal ends it: on failure, on timeout, or when the merge's reader leaves. */
  open(signal: AbortSignal): AsyncIterable<SeriesResponse>
  /** The same, several responses at a time; asked in place of the other where it is there. */
  openBatches?(signal: AbortSignal): AsyncIterable<readonly SeriesResponse[]>
  /** Labels to take off here, for a store that cannot: its whole answer is buffered and sorted anew. */
  readonly removeLabels?: ReadonlySet<string>
}

export interface MergeOptions {
  /** True: a failing store becomes a warning and what it gave so far counts. False: it ends the merge with an error. */
  readonly partialResponse: boolean
  /** The longest silence of one store, from when it is asked for what comes next and not in all, ms; 0: no limit. */
  readonly responseTimeoutMs: number
  readonly onWarning: (warning: string) => void
  /** Told which blocks a store says it has queried. */
  readonly onHints?: (queriedBlocks: readonly string[]) => void
  readonly signal: AbortSignal
}

/** The most series of one store that are buffered to sort them anew. */
export const maxResortedSeries = 1_000_000

/**
 * The sources' series in ascending order of labels, no label set twice, chunks in order (chunk-order.ts) and without duplicates.
 * Leaving the iteration ends all calls. Throws `canceled` on the signal and, without partial response, the first store's error by its code.
 */
export function mergeSeries(sources: readonly SeriesSource[], options: MergeOptions): AsyncGenerator<StoreSeries> {
  return oneByOne(mergeBatches(sources, options))
}

export async function* oneByOne<T>(batches: AsyncIterable<readonly T[]>): AsyncGenerator<T> {
  for await (const batch of batches) yield* batch
}

/** The same, several series at a time: those that are here when the next one has to be waited for, and not too many. */
export async function* mergeBatches(
  sources: readonly SeriesSource[],
  options: MergeOptions,
): AsyncGenerator<readonly StoreSeries[]> {
  const cursors = sources.map((source) => new Cursor(source, options))
  try {
    const heap: Cursor[] = []
    for (const cursor of cursors) if (await cursor.advance()) siftUp(heap, cursor)
    let batch: StoreSeries[] = []
    while (heap.length > 0) {
      // The smallest label set off all cursors that are at it.
      const found = [heap[0]!.series]
      const { labels } = found[0]!
      for (;;) {
        const cursor = heap[0]!
        if (!cursor.isNextHere && batch.length > 0) {
          yield batch
          batch = []
        }
        const isThere = cursor.isNextHere ? cursor.step() : await cursor.advance()
        if (!isThere) removeTop(heap)
        else if (heap.length > 1) siftDown(heap)
        if (heap.length === 0 || compareLabels(heap[0]!.series.labels, labels) !== 0) break
        found.push(heap[0]!.series)
      }
      batch.push(joinSeries(found))
      if (batch.length < maxBatch) continue
      yield batch
      batch = []
    }
    if (batch.length > 0) yield batch
  } finally {
    for (const cursor of cursors) cursor.close()
  }
}

const maxBatch = 64

type Step = IteratorResult<readonly SeriesResponse[]> | { readonly error: unknown }

/** One stream at its current series. */
class Cursor {
  series!: StoreSeries
  readonly #source: SeriesSource
  readonly #options: MergeOptions
  readonly #abort = new AbortController()
  readonly #onAbort = () => this.#abort.abort(this.#options.signal.reason)
  #iterator: AsyncIterator<readonly SeriesResponse[]> | undefined
  /** What is here, and from where on it has not been taken. */
  #batch: readonly SeriesResponse[] = []
  #at = 0
  /** The batch after that, asked for already, with its clock; never rejects. */
  #ahead: Promise<Step>
  #last: Labels | undefined

  constructor(source: SeriesSource, options: MergeOptions) {
    this.#source = source
    this.#options = options
    options.signal.addEventListener('abort', this.#onAbort, { once: true })
    if (options.signal.aborted) this.#onAbort()
    this.#ahead = this.#request()
  }

  /** Whether step() does what advance() does. */
  get isNextHere(): boolean {
    return this.#batch[this.#at]?.kind === 'series'
  }

  /** To the next series; false at the end, which a failure is too where partial response allows it. */
  async advance(): Promise<boolean> {
    try {
      for (;;) {
        while (this.#at < this.#batch.length) if (this.#accept(this.#batch[this.#at++]!)) return true
        const step = await this.#ahead
        if ('error' in step) throw step.error
        if (step.done) return this.#ended()
        this.#batch = step.value
        this.#at = 0
        this.#ahead = this.#request()
      }
    } catch (error) {
      return this.#failed(error)
    }
  }

  /** To the next series, which is here. */
  step(): boolean {
    try {
      return this.#accept(this.#batch[this.#at++]!)
    } catch (error) {
      return this.#failed(error)
    }
  }

  close(): void {
    this.#options.signal.removeEventListener('abort', this.#onAbort)
    this.#abort.abort()
    // A stream that waits to be asked sees no abort. How it ends concerns no one any more.
    void this.#iterator?.return?.().catch(() => undefined)
  }

  #request(): Promise<Step> {
    const asked = this.#ask()
    return this.#source.removeLabels ? asked : withinSilence(asked, this.#options.responseTimeoutMs)
  }

  async #ask(): Promise<Step> {
    try {
      this.#iterator ??= this.#start()[Symbol.asyncIterator]()
      return await this.#iterator.next()
    } catch (error) {
      return { error }
    }
  }

  #start(): AsyncIterable<readonly SeriesResponse[]> {
    const { removeLabels, store } = this.#source
    const { signal } = this.#abort
    if (removeLabels === undefined) return this.#source.openBatches?.(signal) ?? inBatches(this.#source.open(signal))
    // The silence that counts is the store's: what is sorted anew comes when all of it is here.
    const responses = withoutSilence(this.#source.open(signal), this.#options.responseTimeoutMs)
    return inBatches(resort(responses, store, removeLabels))
  }

  #accept(response: SeriesResponse): boolean {
    if (response.kind === 'warning') {
      this.#warn(response.warning)
      return false
    }
    if (response.kind === 'hints') {
      this.#options.onHints?.(response.queriedBlocks)
      return false
    }
    const { labels } = response.series
    if (this.#last !== undefined && compareLabels(labels, this.#last) < 0) {
      const got = `got ${formatLabels(labels)} after ${formatLabels(this.#last)}`
      throw new MnemoError('corrupt', `${got}, want series in ascending order of labels`)
    }
    // Those of a wire series have been held against its hashes already.
    if (!(response.series instanceof WireSeries)) checkHashes(response.series)
    this.#last = labels
    this.series = response.series
    return true
  }

  #warn(warning: string): void {
    if (!this.#options.partialResponse) throw new MnemoError('unavailable', warning)
    this.#options.onWarning(`store ${this.#source.store}: ${warning}`)
  }

  #ended(): false {
    this.close()
    return false
  }

  #failed(cause: unknown): false {
    this.close()
    const { signal, partialResponse, onWarning } = this.#options
    if (signal.aborted) throw abortReason(signal)
    const error = storeError(this.#source.store, cause)
    if (!partialResponse) throw error
    onWarning(describeError(error))
    return false
  }
}

async function* inBatches(responses: AsyncIterable<SeriesResponse>): AsyncGenerator<readonly SeriesResponse[]> {
  for await (const response of responses) yield [response]
}

/** The step, or after `timeoutMs` (0: never) the error of a store that says nothing. Never rejects. */
function withinSilence<S>(step: Promise<S>, timeoutMs: number): Promise<S | { readonly error: unknown }> {
  if (timeoutMs === 0) return step
  return new Promise((resolve) => {
    const accuse = () =>
      resolve({ error: new MnemoError('timeout', `got nothing for ${timeoutMs} ms, want a series or the end`) })
    // A turn of the event loop before and after: the request leaves in the one, what came while this thread was busy is read in the other.
    let timer: NodeJS.Timeout | undefined
    const asked = setImmediate(() => {
      timer = setTimeout(() => setImmediate(accuse), timeoutMs)
    })
    void step.then((result) => {
      clearImmediate(asked)
      clearTimeout(timer)
      resolve(result)
    })
  })
}

/** The responses, until none comes for `timeoutMs`. Throws `timeout`. */
async function* withoutSilence(
  responses: AsyncIterable<SeriesResponse>,
  timeoutMs: number,
): AsyncGenerator<SeriesResponse> {
  const iterator = responses[Symbol.asyncIterator]()
  const ask = () => iterator.next().catch((error: unknown) => ({ error }))
  for (;;) {
    const step = await withinSilence(ask(), timeoutMs)
    if ('error' in step) throw step.error
    if (step.done) return
    yield step.value
  }
}

/** What a store's failure is to the caller: its own code, with the store's address; a peer that cancels by itself is `unavailable`. */
export function storeError(store: string, cause: unknown): MnemoError {
  const { code } = asMnemoError(cause)
  const ours: ErrorCode = code === 'canceled' || code === 'internal' ? 'unavailable' : code
  return new MnemoError(ours, `store ${store} failed`, { cause })
}

/** A signal's reason as an error with a code: `canceled` unless the reason says more. */
export function abortReason(signal: AbortSignal): MnemoError {
  const { reason } = signal
  if (reason instanceof Error && reason.name === 'TimeoutError')
    return new MnemoError('timeout', 'the query took longer than its timeout', { cause: reason })
  return asMnemoError(reason)
}

/** The series without some labels, in the order that they have then; all are read before the first is given. */
async function* resort(
  responses: AsyncIterable<SeriesResponse>,
  store: string,
  remove: ReadonlySet<string>,
): AsyncGenerator<SeriesResponse> {
  const all: Extract<SeriesResponse, { kind: 'series' }>[] = []
  let failure: { readonly error: unknown } | undefined
  try {
    for await (const response of responses) {
      if (response.kind !== 'series') yield response
      else if (all.length === maxResortedSeries) throw tooMany(store)
      else {
        all.push({ kind: 'series', series: relabelled(response.series, withoutLabels(response.series.labels, remove)) })
      }
    }
  } catch (error) {
    failure = { error }
  }
  all.sort((a, b) => compareLabels(a.series.labels, b.series.labels))
  yield* all
  if (failure !== undefined) throw failure.error
}

function tooMany(store: string): MnemoError {
  const limit = `want at most ${maxResortedSeries} from a store that cannot remove replica labels itself`
  return new MnemoError('resource_exhausted', `cannot sort the series of store ${store}: got more, ${limit}`)
}
