// Reads one batch ahead: while a batch is worked on, the next one is under way.
// Owns the promise of that next batch, so that leaving early neither loses an error nor leaves work behind.

/** A stream of batches that is read by one reader, and ended by `return`. */
export type Batches<T> = AsyncIterableIterator<T, void> & { return(): Promise<IteratorResult<T, void>> }

type Step<T> = { readonly result: IteratorResult<T, void> } | { readonly error: unknown }

/**
 * The generator's batches: the first is asked for at once, each further one as soon as the one before is taken.
 * `return` resolves when the running step has ended, which the caller's AbortSignal should cut short.
 */
export function prefetch<T>(batches: AsyncGenerator<T, void>): Batches<T> {
  return new Prefetch(batches)
}

class Prefetch<T> implements Batches<T> {
  readonly #batches: AsyncGenerator<T, void>
  #ahead: Promise<Step<T>>
  #ended = false

  constructor(batches: AsyncGenerator<T, void>) {
    this.#batches = batches
    this.#ahead = this.#step()
  }

  /** Never rejects: an error waits in the step until it is asked for. */
  async #step(): Promise<Step<T>> {
    try {
      return { result: await this.#batches.next() }
    } catch (error) {
      return { error }
    }
  }

  async next(): Promise<IteratorResult<T, void>> {
    if (this.#ended) return { done: true, value: undefined }
    const step = await this.#ahead
    if ('error' in step) {
      this.#ended = true
      throw step.error
    }
    if (step.result.done) this.#ended = true
    else this.#ahead = this.#step()
    return step.result
  }

  async return(): Promise<IteratorResult<T, void>> {
    this.#ended = true
    await this.#ahead
    return this.#batches.return()
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
