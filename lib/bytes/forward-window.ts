// A source that is read front to back through one window: what is at hand is read without waiting.
// Memory is the window. What a window held goes when the caller says so: garbage of this size would wait for a collection that comes
// late. Owns the window's bytes.
import { freeBytes } from './free-bytes.ts'
import type { RandomAccess } from './random-access.ts'

const defaultWindowBytes = 1024 * 1024

export interface ForwardWindowOptions {
  readonly windowBytes?: number
  /** Windows that have been moved past are kept until release() frees them, ahead of the garbage collector. */
  readonly releasable?: boolean
}

/** Serves reads that move forward from a window of the source; any other read goes through. Reads are views of the window. */
export class ForwardWindow implements RandomAccess {
  readonly name: string
  readonly sizeBytes: number
  readonly #source: RandomAccess
  readonly #windowBytes: number
  readonly #releasable: boolean
  readonly #past: Uint8Array[] = []
  /** Offset in the source of the window's first byte. */
  #start = 0
  #window: Uint8Array = new Uint8Array()

  constructor(source: RandomAccess, options: ForwardWindowOptions = {}) {
    this.name = source.name
    this.sizeBytes = source.sizeBytes
    this.#source = source
    this.#windowBytes = options.windowBytes ?? defaultWindowBytes
    this.#releasable = options.releasable ?? false
  }

  async read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    const at = offset - this.#start
    if (at >= 0 && at + length <= this.#window.length) return this.#window.subarray(at, at + length)
    if (length >= this.#windowBytes) return this.#source.read(offset, length, signal)
    const windowBytes = Math.max(length, Math.min(this.#windowBytes, this.sizeBytes - offset))
    const window = await this.#source.read(offset, windowBytes, signal)
    if (this.#releasable) this.#past.push(this.#window)
    this.#window = window
    this.#start = offset
    return window.subarray(0, length)
  }

  /** Frees what reads have moved past: nothing of it is borrowed any more. */
  release(): void {
    if (this.#past.length > 0) this.#past.splice(0).forEach(freeBytes)
  }

  /** Frees what is at hand, too. */
  close(): void {
    this.release()
    freeBytes(this.#window)
    this.#window = new Uint8Array()
  }
}
