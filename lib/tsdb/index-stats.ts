// How large a block's series entries and chunks are at most: a store reads that much where it does not know better.
// Specification: Thanos pkg/block/index.go (GatherIndexHealthStats): distances between references, so what is last is not counted.
// Owns the tally.
import { chunkPosition } from './chunk-format.ts'
import { seriesAlignment } from './index-format.ts'

/** In bytes; absent where the block has too little to tell. */
export interface IndexStats {
  readonly seriesMaxSize?: number
  readonly chunkMaxSize?: number
}

export class IndexStatsTally {
  #lastSeries = 0
  #seriesMaxSize = 0
  #chunkMaxSize = 0

  /** Each series, in the index's order: its reference and those of its chunks. */
  add(seriesRef: number, chunkRefs: ArrayLike<number>): void {
    if (this.#lastSeries > 0)
      this.#seriesMaxSize = Math.max(this.#seriesMaxSize, (seriesRef - this.#lastSeries) * seriesAlignment)
    this.#lastSeries = seriesRef
    // Thanos leaves out the last two chunks: so do we, that both say the same of one block.
    for (let i = 0; i < chunkRefs.length - 2; i++) {
      const bytes = chunkRefs[i + 1]! - chunkRefs[i]!
      if (bytes > this.#chunkMaxSize && isOneSegment(chunkRefs[i]!, chunkRefs[i + 1]!)) this.#chunkMaxSize = bytes
    }
  }

  /** As add() of each of several series. */
  addAll(series: {
    readonly firstRef: number
    readonly lastRef: number
    readonly seriesMaxSize: number
    readonly chunkMaxSize: number
  }): void {
    this.add(series.firstRef, [])
    this.#lastSeries = series.lastRef
    this.#seriesMaxSize = Math.max(this.#seriesMaxSize, series.seriesMaxSize)
    this.#chunkMaxSize = Math.max(this.#chunkMaxSize, series.chunkMaxSize)
  }

  get stats(): IndexStats {
    return {
      ...(this.#seriesMaxSize > 0 && { seriesMaxSize: this.#seriesMaxSize }),
      ...(this.#chunkMaxSize > 0 && { chunkMaxSize: this.#chunkMaxSize }),
    }
  }
}

function isOneSegment(a: number, b: number): boolean {
  return chunkPosition(a).segment === chunkPosition(b).segment
}
