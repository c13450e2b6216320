// Bytes in memory that are read by position and answer later: notes its reads, and fails those that a test names.
import { bufferRandomAccess, type RandomAccess } from '../../lib/bytes/random-access.ts'

export class NotingSource implements RandomAccess {
  readonly name = 'source'
  readonly sizeBytes: number
  readonly reads: { readonly offset: number; readonly length: number }[] = []
  /** Reads that fail, by their number. */
  readonly failing = new Set<number>()
  readonly #given: Uint8Array[] = []
  readonly #inner: RandomAccess

  constructor(bytes: Uint8Array) {
    this.sizeBytes = bytes.length
    this.#inner = bufferRandomAccess(this.name, bytes)
  }

  async read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    const number = this.reads.push({ offset, length }) - 1
    await new Promise((resolve) => setImmediate(resolve))
    if (this.failing.has(number)) throw new Error(`read ${number} failed`)
    const bytes = await this.#inner.read(offset, length, signal)
    this.#given.push(bytes)
    return bytes
  }

  /** How many of the answers have not been freed. */
  held(): number {
    return this.#given.filter(({ length }) => length > 0).length
  }
}
