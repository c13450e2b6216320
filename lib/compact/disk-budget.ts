// How much of the disk blocks that are being written may take together: those that do not fit wait for others to be gone.
// Owns the count. What a block will take is estimated from its inputs; one that is too large for the budget is written alone.
import type { BlockMeta } from '../blocks/meta.ts'
import { defaultSegmentBytes } from '../tsdb/chunk-format.ts'
import { indexBytes } from './plan.ts'

export class DiskBudget {
  readonly #limitBytes: number
  readonly #waiting: (() => void)[] = []
  #usedBytes = 0

  /** 0: no limit. */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  /** Does the work once there is room for it; first come, first served. Throws the signal's reason where it aborts meanwhile. */
  async within<T>(bytes: number, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    if (this.#waiting.length > 0 || !this.#fits(bytes)) await this.#wait(signal)
    // Woken in turn, one at a time: whoever does not fit yet stays in front.
    while (!this.#fits(bytes)) await this.#wait(signal, true)
    this.#usedBytes += bytes
    this.#wakeNext()
    try {
      return await work()
    } finally {
      this.#usedBytes -= bytes
      this.#wakeNext()
    }
  }

  #fits(bytes: number): boolean {
    return this.#limitBytes === 0 || this.#usedBytes === 0 || this.#usedBytes + bytes <= this.#limitBytes
  }

  #wakeNext(): void {
    this.#waiting.shift()?.()
  }

  #wait(signal: AbortSignal, isFirst = false): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const onAbort = () => {
      this.#waiting.splice(this.#waiting.indexOf(wake), 1)
      reject(signal.reason)
    }
    const wake = () => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    }
    if (isFirst) this.#waiting.unshift(wake)
    else this.#waiting.push(wake)
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
    return promise
  }
}

/** What writing a block of these inputs takes of the disk, at most: two chunk segments (whole ones are uploaded and go), the index and its parts. */
export function diskBytes(inputs: readonly BlockMeta[]): number {
  const index = inputs.reduce((sum, meta) => sum + indexBytes(meta), 0)
  const chunks = inputs
    .flatMap(({ thanos }) => thanos.files)
    .reduce((sum, { relPath, sizeBytes = 0 }) => sum + (relPath.startsWith('chunks/') ? sizeBytes : 0), 0)
  return Math.min(chunks, 2 * defaultSegmentBytes) + 2 * index
}
