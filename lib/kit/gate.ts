// A bound on work that goes on at once: how many pieces, and how many bytes they take together.
// More wait for their turn, first come first served; whoever waits no longer (AbortSignal) leaves the queue.
// Owns the count and the queue; what the work is, and what is measured of the waiting, is the caller's.
import { asMnemoError } from './errors.ts'

export interface GateLimits {
  /** Pieces of work at once; absent: no limit. */
  readonly maxRunning?: number
  /** Bytes of all of them together, where a single larger one goes alone; absent: no limit. */
  readonly maxBytes?: number
}

interface Waiter {
  readonly bytes: number
  readonly start: () => void
}

export class Gate {
  readonly #maxRunning: number
  readonly #maxBytes: number
  readonly #queue = new Set<Waiter>()
  #running = 0
  #bytes = 0

  constructor({ maxRunning = Number.POSITIVE_INFINITY, maxBytes = Number.POSITIVE_INFINITY }: GateLimits) {
    this.#maxRunning = maxRunning
    this.#maxBytes = maxBytes
  }

  /** Does work that takes `bytes` when it is its turn. Throws the signal's reason, `canceled` unless it says more, where that ends the wait. */
  async run<T>(bytes: number, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const leave = await this.enter(bytes, signal)
    try {
      return await work()
    } finally {
      leave()
    }
  }

  /** Waits as run() does; what it gives back is to be called once, when the work is done. */
  async enter(bytes: number, signal: AbortSignal): Promise<() => void> {
    await this.#wait(bytes, signal)
    return () => {
      this.#running--
      this.#bytes -= bytes
      this.#startWaiters()
    }
  }

  #wait(bytes: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(asMnemoError(signal.reason))
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
        reject(asMnemoError(signal.reason))
        this.#startWaiters()
      }
      signal.addEventListener('abort', leave, { once: true })
      this.#queue.add(waiter)
      this.#startWaiters()
    })
  }

  #startWaiters(): void {
    for (const waiter of this.#queue) {
      if (this.#running >= this.#maxRunning) return
      if (this.#running > 0 && this.#bytes + waiter.bytes > this.#maxBytes) return
      this.#queue.delete(waiter)
      this.#running++
      this.#bytes += waiter.bytes
      waiter.start()
    }
  }
}
