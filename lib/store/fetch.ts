// Runs range reads side by side, with a bound on how many and on how many bytes are under way in the whole process.
// Requests wait in turn; whoever waits no longer (AbortSignal) leaves the queue.
// Owns the bound; what is read is planned by plan.ts, and by whom it is kept is the caller's matter.
import { abortReason } from '../storeapi/merge.ts'

export interface FetchLimits {
  /** Reads under way at once. */
  readonly maxReads: number
  /** Bytes of all reads under way; a single longer read runs alone. */
  readonly maxBytes: number
}

interface Waiter {
  readonly bytes: number
  readonly start: () => void
}

/** A gate for reads: `run` calls its function as soon as a place and its bytes are free, first come first served. */
export class FetchGate {
  readonly #limits: FetchLimits
  readonly #queue = new Set<Waiter>()
  #reads = 0
  #bytes = 0

  constructor(limits: FetchLimits) {
    this.#limits = limits
  }

  /** Runs `read`, which will hold `bytes` of memory; throws `canceled` where the signal ends the wait. */
  async run<T>(bytes: number, signal: AbortSignal, read: () => Promise<T>): Promise<T> {
    const leave = await this.enter(bytes, signal)
    try {
      return await read()
    } finally {
      leave()
    }
  }

  /** Waits for a place; what it gives back is to be called once, when the work is done. */
  async enter(bytes: number, signal: AbortSignal): Promise<() => void> {
    await this.#wait(bytes, signal)
    return () => {
      this.#reads--
      this.#bytes -= bytes
      this.#startWaiters()
    }
  }

  #wait(bytes: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(abortReason(signal))
        return
      }
      const waiter: Waiter = {
        bytes,
        start: () => {
          signal.removeEventListener('abort', leave)
          resolve()
        },
      }
      const leave = (): void => {
        this.#queue.delete(waiter)
        reject(abortReason(signal))
        this.#startWaiters()
      }
      signal.addEventListener('abort', leave, { once: true })
      this.#queue.add(waiter)
      this.#startWaiters()
    })
  }

  #startWaiters(): void {
    for (const waiter of this.#queue) {
      if (this.#reads >= this.#limits.maxReads) return
      if (this.#reads > 0 && this.#bytes + waiter.bytes > this.#limits.maxBytes) return
      this.#queue.delete(waiter)
      this.#reads++
      this.#bytes += waiter.bytes
      waiter.start()
    }
  }
}

/**
 * All results of tasks that run side by side, in order. The first failure aborts the rest,
 * and is thrown once all have ended: nothing goes on in the background.
 */
export async function allOrAbort<T>(
  signal: AbortSignal,
  tasks: readonly ((signal: AbortSignal) => Promise<T>)[],
): Promise<T[]> {
  if (tasks.length === 1) return [await tasks[0]!(signal)]
  const controller = new AbortController()
  const forward = (): void => controller.abort(signal.reason)
  if (signal.aborted) forward()
  else signal.addEventListener('abort', forward, { once: true })
  let failure: { readonly error: unknown } | undefined
  try {
    const results = await Promise.allSettled(
      tasks.map(async (task) => {
        try {
          return await task(controller.signal)
        } catch (error) {
          failure ??= { error }
          controller.abort(error)
          throw error
        }
      }),
    )
    if (failure) throw failure.error
    return results.map((result) => (result as PromiseFulfilledResult<T>).value)
  } finally {
    signal.removeEventListener('abort', forward)
  }
}
