// Series entries that were decoded for one call, kept for the next: a dashboard asks for the same series again and again.
// Two generations: what is used moves to the young one; when that is full, the old one is let go of. Bounded in bytes.
// Owns the entries of all blocks of a thread.
import type { IndexedSeries } from './series-entry.ts'

/** An entry costs so much besides its numbers: objects, the strings' places in two label sets, the map's place. */
const overheadBytes = 400
const bytesPerNumber = 8
const bytesPerSymbol = 20

export class SeriesCache {
  readonly maxBytes: number
  readonly #blocks = new Set<BlockSeriesCache>()
  #youngBytes = 0
  #oldBytes = 0

  /** `maxBytes` 0 keeps nothing. */
  constructor(maxBytes: number) {
    this.maxBytes = maxBytes
  }

  /** As estimated. */
  get bytes(): number {
    return this.#youngBytes + this.#oldBytes
  }

  /** The place for one block's series, until its close(). */
  ofBlock(): BlockSeriesCache {
    const block = new BlockSeriesCache(
      (bytes) => this.#added(bytes),
      () => this.#blocks.delete(block),
    )
    this.#blocks.add(block)
    return block
  }

  /** False where nothing is kept. */
  #added(bytes: number): boolean {
    if (bytes > this.maxBytes / 2) return false
    this.#youngBytes += bytes
    if (this.#youngBytes <= this.maxBytes / 2) return true
    for (const block of this.#blocks) block.age()
    this.#oldBytes = this.#youngBytes
    this.#youngBytes = bytes
    return true
  }
}

export class BlockSeriesCache {
  readonly #added: (bytes: number) => boolean
  readonly #onClose: () => void
  #young = new Map<number, IndexedSeries>()
  #old = new Map<number, IndexedSeries>()

  constructor(added: (bytes: number) => boolean, onClose: () => void) {
    this.#added = added
    this.#onClose = onClose
  }

  get(ref: number): IndexedSeries | undefined {
    const series = this.#young.get(ref)
    if (series !== undefined) return series
    const old = this.#old.get(ref)
    if (old !== undefined) this.keep(old)
    return old
  }

  keep(series: IndexedSeries): void {
    const { symbols, chunks } = series
    const bytes = overheadBytes + symbols.length * bytesPerSymbol + chunks.length * bytesPerNumber
    if (this.#added(bytes)) this.#young.set(series.ref, series)
  }

  /** What has not been used since the last time is let go of. */
  age(): void {
    this.#old = this.#young
    this.#young = new Map()
  }

  close(): void {
    this.#onClose()
    this.#young.clear()
    this.#old.clear()
  }
}
