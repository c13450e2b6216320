// Where the chunks of a batch of series lie, in columns: thousands a call, and never an object each.
// Owns the choice of a series' chunks by time, and how many bytes each is planned with: known from the index, else assumed.
import { highWord } from '../bytes/varint.ts'
import { maxChunkLengthBytes } from '../tsdb/chunk-format.ts'
import { chunkStride, type EntryRange } from './series-entry.ts'

/** Length field, encoding and checksum. */
const maxFrameBytes = maxChunkLengthBytes + 1 + 4
/** Assumed for the last chunk of a series where nothing tells more; Thanos's estimate for all. */
export const defaultChunkBytes = 16 << 10
const maxPlannedBytes = 0xffff_ffff

export class ChunkPlaces {
  length = 0
  /** Segments are counted from 0; offsets are in the segment's file. */
  segments: Uint32Array
  offsets: Uint32Array
  /** To read for each: from its length field to its checksum, or somewhat more. */
  plannedBytes: Uint32Array
  /** Inclusive, ms. */
  minTimes: Float64Array
  maxTimes: Float64Array

  constructor(room = 64) {
    this.segments = new Uint32Array(room)
    this.offsets = new Uint32Array(room)
    this.plannedBytes = new Uint32Array(room)
    this.minTimes = new Float64Array(room)
    this.maxTimes = new Float64Array(room)
  }

  /**
   * Appends the chunks of a series (IndexedSeries.chunks) that overlap the range; returns the sum of what is planned for them.
   * `chunkMaxBytes` is the meta's index_stats.chunk_max_size, where it has one.
   */
  add(chunks: Float64Array, { minTime, maxTime }: EntryRange, chunkMaxBytes: number | undefined): number {
    const first = this.length
    if (first + chunks.length / chunkStride > this.segments.length) this.#grow(chunks.length / chunkStride)
    let at = first
    let largest = 0
    for (let i = 0; i < chunks.length; i += chunkStride) {
      if (chunks[i]! > maxTime || chunks[i + 1]! < minTime) continue
      const ref = chunks[i + 2]!
      const segment = Math.floor(ref / highWord)
      this.segments[at] = segment
      this.offsets[at] = ref - segment * highWord
      this.minTimes[at] = chunks[i]!
      this.maxTimes[at] = chunks[i + 1]!
      // To the next chunk of the series, which is its size where that one follows at once.
      const next = i + chunkStride < chunks.length ? chunks[i + chunkStride + 2]! : 0
      const known = next > ref && Math.floor(next / highWord) === segment ? next - ref : 0
      this.plannedBytes[at] = known
      if (known > largest) largest = known
      at++
    }
    this.length = at
    const most = chunkMaxBytes ? Math.min(chunkMaxBytes + maxFrameBytes, maxPlannedBytes) : defaultChunkBytes
    return this.#assume(first, Math.min(most, 2 * largest || Infinity))
  }

  #assume(first: number, bytes: number): number {
    let sum = 0
    for (let at = first; at < this.length; at++) {
      if (this.plannedBytes[at] === 0) this.plannedBytes[at] = bytes
      sum += this.plannedBytes[at]!
    }
    return sum
  }

  #grow(more: number): void {
    const room = 2 * (this.length + more)
    const wider = <T extends Uint32Array | Float64Array>(from: T, to: T): T => {
      to.set(from)
      return to
    }
    this.segments = wider(this.segments, new Uint32Array(room))
    this.offsets = wider(this.offsets, new Uint32Array(room))
    this.plannedBytes = wider(this.plannedBytes, new Uint32Array(room))
    this.minTimes = wider(this.minTimes, new Float64Array(room))
    this.maxTimes = wider(this.maxTimes, new Float64Array(room))
  }
}
