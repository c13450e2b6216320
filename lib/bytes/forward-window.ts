// A source that is read front to back through one window: what is at hand is borrowed without waiting.
// Memory is the window. What a window held goes when the caller says so: garbage of this size would wait for a collection
// that comes late. Owns the window's bytes.
import { Crc32cRanges } from './crc32c.ts'
import type { RandomAccess } from './random-access.ts'

const windowBytes = 2 * 1024 * 1024

/** Bytes at hand. */
export interface Window {
  /** Offset in the source of the first byte. */
  readonly start: number
  readonly bytes: Uint8Array
  /** Checksums of ranges of `bytes`. */
  readonly checksums: Crc32cRanges
}

/**
 * Serves reads that move forward from a window of the source; any other read goes through. Reads are views of the window.
 * A `releasable` one keeps the windows that it has moved past until release() frees them, ahead of the garbage collector.
 */
export class ForwardWindow implements RandomAccess {
  readonly name: string
  readonly sizeBytes: number
  readonly #source: RandomAccess
  readonly #releasable: boolean
  readonly #past: Uint8Array[] = []
  #window: Window = windowOf(new Uint8Array(), 0)

  constructor(source: RandomAccess, { releasable = false }: { readonly releasable?: boolean } = {}) {
    this.name = source.name
    this.sizeBytes = source.sizeBytes
    this.#source = source
    this.#releasable = releasable
  }

  async read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    let window = this.#window
    if (offset < window.start || offset + length > window.start + window.bytes.length) {
      if (length >= windowBytes) return this.#source.read(offset, length, signal)
      // Another read may move on before this one goes on: its bytes are those that it has read itself.
      window = await this.#move(offset, length, signal)
    }
    return window.bytes.subarray(offset - window.start, offset - window.start + length)
  }

  /** What is at hand now: valid until the window moves and release() is called. */
  get atHand(): Window {
    return this.#window
  }

  /** Has the window begin at the offset, which is in the source. */
  async moveTo(offset: number, signal?: AbortSignal): Promise<void> {
    await this.#move(offset, 0, signal)
  }

  async #move(offset: number, atLeast: number, signal: AbortSignal | undefined): Promise<Window> {
    const length = Math.max(atLeast, Math.min(windowBytes, this.sizeBytes - offset))
    const next = await this.#source.read(offset, length, signal)
    if (this.#releasable) this.#past.push(this.#window.bytes)
    this.#window = windowOf(next, offset)
    return this.#window
  }

  /** Frees what is at hand, too: nothing is read any more. */
  close(): void {
    this.#past.push(this.#window.bytes)
    this.#window = windowOf(new Uint8Array(), 0)
    this.release()
  }

  /** Frees what reads have moved past. */
  release(): void {
    if (this.#past.length === 0) return
    for (const { buffer, byteLength } of this.#past.splice(0))
      if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0)
  }
}

function windowOf(bytes: Uint8Array, start: number): Window {
  return { start, bytes, checksums: new Crc32cRanges(bytes) }
}
