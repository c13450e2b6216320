// One input block's series in order, each with its chunks as bytes: what compaction and downsampling read.
// Specification: a block's series ascend, chunks of a series follow each other, all of them inside the block's time.
// Owns those checks; a block that breaks them, or whose bytes are bad, is named by a BlockError.
import { dropIntervals } from '../chunkenc/drop-intervals.ts'
import { sampleCount } from '../chunkenc/encoding.ts'
import { createKernels } from '../kernels/instance.ts'
import type { Kernels } from '../kernels/kernels.ts'
import { type ErrorCode, MnemoError } from '../kit/errors.ts'
import { compareLabels, formatLabels, type Labels } from '../labels/labels.ts'
import type { BlockChunk } from '../tsdb/block-writer.ts'
import type { IndexedSeries } from '../tsdb/index-reader.ts'
import type { InputBlock } from './input-block.ts'

/** One block is why the work failed: the others may still be worked on without it. */
export class BlockError extends MnemoError {
  readonly ulid: string

  constructor(code: ErrorCode, ulid: string, message: string, options?: { cause?: unknown }) {
    super(code, message, options)
    this.ulid = ulid
  }
}

/** What is wrong with the block itself: bad bytes, bytes of a format that we don't know, a file that is missing. */
const blameable: ReadonlySet<ErrorCode> = new Set(['corrupt', 'unsupported', 'not_found'])

/** One source's series in order, one at hand. */
export class SeriesInput {
  series: IndexedSeries | undefined
  readonly #source: InputBlock
  readonly #iterator: AsyncGenerator<IndexedSeries>
  readonly #signal: AbortSignal
  #kernels: Kernels | undefined

  constructor(source: InputBlock, signal: AbortSignal) {
    this.#source = source
    this.#signal = signal
    this.#iterator = source.index.allSeries(signal, { withRefs: true })
  }

  /** The block. */
  get ulid(): string {
    return this.#source.meta.ulid
  }

  async next(): Promise<void> {
    const last: Labels | undefined = this.series?.labels
    const { value, done } = await this.#naming(() => this.#iterator.next())
    this.series = done ? undefined : value
    if (last && this.series && compareLabels(last, this.series.labels) >= 0)
      throw this.#bad(
        `got series ${formatLabels(this.series.labels)} after ${formatLabels(last)}, want ascending order`,
      )
  }

  /**
   * The chunks of the series at hand, checked against the block's time, without what has been deleted. Their bytes are
   * borrowed until the next call.
   */
  async chunks(): Promise<BlockChunk[]> {
    const { ref, chunks: metas } = this.series!
    this.#source.release()
    this.#checkTimes()
    return this.#naming(async () => {
      const encoded = await this.#source.chunks.read(
        metas.map(({ ref }) => ref),
        this.#signal,
      )
      const chunks = metas.map(({ minTime, maxTime }, i): BlockChunk => {
        const { encoding, data, record } = encoded[i]!
        const numSamples = sampleCount(encoding, data)
        if (record === undefined) return { minTime, maxTime, encoding, data, numSamples }
        return { minTime, maxTime, encoding, data, numSamples, record }
      })
      const deleted = this.#source.tombstones.get(ref)
      if (!deleted) return chunks
      this.#kernels ??= createKernels()
      return chunks.flatMap((chunk) => dropIntervals(chunk, deleted, this.#kernels!))
    })
  }

  #checkTimes(): void {
    const { labels, chunks } = this.series!
    const { minTime, maxTime } = this.#source.meta
    let last = Number.NEGATIVE_INFINITY
    for (const chunk of chunks) {
      const inOrder = chunk.minTime > last
      if (!inOrder || chunk.minTime > chunk.maxTime || chunk.minTime < minTime || chunk.maxTime >= maxTime) {
        const want = inOrder ? `it inside [${minTime}, ${maxTime})` : `chunks in order of time after ${last}`
        throw this.#bad(`got chunk ${chunk.minTime} to ${chunk.maxTime} of ${formatLabels(labels)}, want ${want}`)
      }
      last = chunk.maxTime
    }
  }

  async close(): Promise<void> {
    await this.#iterator.return(undefined)
  }

  async #naming<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (error instanceof MnemoError && blameable.has(error.code))
        throw new BlockError(error.code, this.#source.meta.ulid, `cannot read block ${this.#source.meta.ulid}`, {
          cause: error,
        })
      throw error
    }
  }

  #bad(what: string): BlockError {
    return new BlockError('corrupt', this.#source.meta.ulid, `cannot merge block ${this.#source.meta.ulid}: ${what}`)
  }
}
