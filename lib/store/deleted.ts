// Keeps what a block's tombstones delete out of answers.
// Specification: Prometheus tsdb/querier.go: deleted samples are gone, whatever the chunk's bytes say.
// Owns a kernel instance, made when the first chunk has to be encoded anew.
import { dropIntervals, isTouched } from '../chunkenc/drop-intervals.ts'
import { sampleCount } from '../chunkenc/encoding.ts'
import { createKernels } from '../kernels/instance.ts'
import type { Kernels } from '../kernels/kernels.ts'
import { xxhash64 } from '../kernels/xxhash.ts'
import type { AggrChunk } from '../storeapi/types.ts'
import type { Tombstones } from '../tsdb/tombstones.ts'

export class Deleted {
  readonly #tombstones: Tombstones
  #kernels: Kernels | undefined

  constructor(tombstones: Tombstones) {
    this.#tombstones = tombstones
  }

  /**
   * A series' chunks without its deleted samples: untouched ones as they are, wholly deleted ones left out. Windows of
   * downsampled blocks stay. Throws `corrupt`.
   */
  without(ref: number, chunks: AggrChunk[]): AggrChunk[] {
    const intervals = this.#tombstones.get(ref)
    if (!intervals) return chunks
    return chunks.flatMap((chunk) => {
      const { raw } = chunk
      if (!raw || !isTouched(chunk, intervals)) return [chunk]
      this.#kernels ??= createKernels()
      const encoding = raw.type + 1
      const { minTime, maxTime } = chunk
      const numSamples = sampleCount(encoding, raw.data)
      const left = dropIntervals({ minTime, maxTime, numSamples, encoding, data: raw.data }, intervals, this.#kernels)
      return left.map(({ minTime, maxTime, encoding, data }) => {
        return { minTime, maxTime, raw: { type: encoding - 1, data, hash: xxhash64(data) } }
      })
    })
  }
}
