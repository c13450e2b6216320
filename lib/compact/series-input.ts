// One input block's series in order, each with its chunks as bytes: what compaction and downsampling read.
// Specification: a block's series ascend, chunks of a series follow each other, all of them inside the block's time.
// Owns those checks; a block that breaks them, or whose bytes are bad, is named by a BlockError.
import { dropIntervals } from '../chunkenc/drop-intervals.ts'
import { sampleCount } from '../chunkenc/encoding.ts'
import { createKernels } from '../kernels/instance.ts'
import type { Kernels } from '../kernels/kernels.ts'
import { compareStrings, formatLabels } from '../labels/labels.ts'
import { BlockError, isOfBlock } from '../tsdb/block-error.ts'
import type { BlockChunk } from '../tsdb/block-writer.ts'
import { ChunkRun } from '../tsdb/chunk-run.ts'
import type { IndexedSeries } from '../tsdb/index-reader.ts'
import type { SeriesRecord } from '../tsdb/series-entry.ts'
import type { SeriesScan } from '../tsdb/series-scan.ts'
import type { InputBlock } from './input-block.ts'

export interface SeriesInputOptions {
  /** To be shared among inputs of one thread. */
  readonly kernels?: Kernels
  /** The caller has seen that the block's symbols are in order, so that their numbers tell that of series. */
  readonly ascendingSymbols?: boolean
}

/** One source's series in order, one at hand. */
export class SeriesInput {
  /** Where the series at hand was read from; undefined before the first and behind the last. */
  record: SeriesRecord | undefined
  /** The chunks that findRun() or takeRun() has found. */
  readonly run: ChunkRun
  readonly #source: InputBlock
  readonly #scan: SeriesScan
  readonly #signal: AbortSignal
  readonly #ascendingSymbols: boolean
  readonly #kernels: Kernels
  #series: IndexedSeries | undefined
  /** The label symbols of the series before. */
  #last = new Uint32Array(32)
  #lastLength = 0

  constructor(source: InputBlock, signal: AbortSignal, options: SeriesInputOptions = {}) {
    const { kernels = createKernels(), ascendingSymbols = false } = options
    this.#source = source
    this.#signal = signal
    this.#kernels = kernels
    this.run = new ChunkRun(kernels)
    this.#ascendingSymbols = ascendingSymbols
    this.#scan = source.index.scan(signal)
  }

  /** The block. */
  get ulid(): string {
    return this.#source.meta.ulid
  }

  /** The series at hand as an object. */
  get series(): IndexedSeries | undefined {
    if (this.record === undefined) return undefined
    this.#series ??= this.#naming(() => this.#source.index.seriesOf(this.#scan))
    return this.#series
  }

  /** The labels' symbols, borrowed until the next series. */
  get labelRefs(): Uint32Array {
    const { labelRefs, labelCount } = this.#scan.record
    return labelRefs.subarray(0, labelCount * 2)
  }

  async next(): Promise<void> {
    await this.advance()
  }

  /** Moves to the next series. A promise only where bytes must be awaited. */
  advance(): void | Promise<void> {
    this.#keepLast()
    try {
      const more = this.#scan.next()
      if (typeof more !== 'boolean') return this.#takeLater(more)
      this.#take(more)
    } catch (error) {
      throw this.#blamed(error)
    }
  }

  async #takeLater(more: Promise<boolean>): Promise<void> {
    this.#take(await this.#namingLater(more))
  }

  #keepLast(): void {
    if (this.record === undefined) return
    const { labelRefs, labelCount } = this.record
    const length = labelCount * 2
    if (this.#last.length < length) this.#last = new Uint32Array(length * 2)
    for (let i = 0; i < length; i++) this.#last[i] = labelRefs[i]!
    this.#lastLength = length
  }

  #take(isThere: boolean): void {
    const isFirst = this.record === undefined
    this.#series = undefined
    this.record = isThere ? this.#scan.record : undefined
    if (!isThere) return
    this.#checkSymbols()
    if (!isFirst) this.#checkOrder()
  }

  #checkSymbols(): void {
    const { labelRefs, labelCount } = this.#scan.record
    const { count } = this.#source.index.symbols
    // Asking for the texts says which one is not there.
    const length = labelCount * 2
    for (let i = 0; i < length; i++) if (labelRefs[i]! >= count) void this.series
  }

  /** By the first symbols that differ; by their texts where the table may not be in order. */
  #checkOrder(): void {
    const { labelRefs, labelCount } = this.#scan.record
    const length = labelCount * 2
    const common = Math.min(length, this.#lastLength)
    for (let i = 0; i < common; i++) {
      if (labelRefs[i] === this.#last[i]) continue
      if (this.#ascendingSymbols && labelRefs[i]! > this.#last[i]!) return
      const order = compareStrings(this.#text(this.#last[i]!), this.#text(labelRefs[i]!))
      if (order < 0) return
      if (order > 0) throw this.#outOfOrder()
    }
    if (length <= this.#lastLength) throw this.#outOfOrder()
  }

  #text(ref: number): string {
    return this.#naming(() => this.#source.index.symbols.lookup(ref))
  }

  #outOfOrder(): BlockError {
    const last = Array.from(this.#last.subarray(0, this.#lastLength), (ref) => this.#text(ref))
    return this.#bad(
      `got series ${formatLabels(this.series!.labels)} after ${formatLabels(last)}, want ascending order`,
    )
  }

  /** As findRun(), with their checksums verified. */
  takeRun(): boolean | Promise<boolean> {
    const found = this.findRun()
    return typeof found === 'boolean'
      ? found && this.run.isWhole()
      : found.then((isThere) => isThere && this.run.isWhole())
  }

  /**
   * Finds the chunks of the series at hand, at least one, as a run, checked as chunks() checks them but for their checksums; false
   * where they are not as simple as that, or not as they should be: chunks() gives or tells them. The bytes are borrowed until the
   * next call of any of the three.
   */
  findRun(): boolean | Promise<boolean> {
    const { ref, record } = this.#scan
    this.#source.release()
    if (record.chunkCount === 0 || !this.#timesAreRight(record) || this.#source.tombstones.has(ref)) return false
    try {
      const found = this.#source.findRun(record, this.run, this.#signal)
      return typeof found === 'boolean' ? found : this.#namingLater(found)
    } catch (error) {
      throw this.#blamed(error)
    }
  }

  #timesAreRight({ chunkCount, minTimes, maxTimes }: SeriesRecord): boolean {
    const { minTime, maxTime } = this.#source.meta
    let last = minTime - 1
    for (let i = 0; i < chunkCount; i++) {
      if (!(minTimes[i]! > last && minTimes[i]! <= maxTimes[i]! && maxTimes[i]! < maxTime)) return false
      last = maxTimes[i]!
    }
    return true
  }

  /**
   * The chunks of the series at hand, checked against the block's time, without what has been deleted. Their bytes are
   * borrowed until the next call.
   */
  async chunks(): Promise<BlockChunk[]> {
    const taken = this.takeRun()
    if (typeof taken === 'boolean' ? taken : await taken) return this.#chunksOfRun()
    const { ref, chunks: metas } = this.series!
    this.#checkTimes()
    const reading = this.#source.chunks.read(
      metas.map(({ ref }) => ref),
      this.#signal,
    )
    const encoded = await this.#namingLater(reading)
    return this.#naming(() => {
      const chunks = metas.map(({ minTime, maxTime }, i): BlockChunk => {
        const { encoding, data, record } = encoded[i]!
        const numSamples = sampleCount(encoding, data)
        if (record === undefined) return { minTime, maxTime, encoding, data, numSamples }
        return { minTime, maxTime, encoding, data, numSamples, record }
      })
      const deleted = this.#source.tombstones.get(ref)
      if (!deleted) return chunks
      return chunks.flatMap((chunk) => dropIntervals(chunk, deleted, this.#kernels))
    })
  }

  #chunksOfRun(): BlockChunk[] {
    const { minTimes, maxTimes } = this.#scan.record
    const chunks: BlockChunk[] = []
    for (let i = 0; i < this.run.count; i++)
      chunks.push({ minTime: minTimes[i]!, maxTime: maxTimes[i]!, ...this.run.borrowChunk(i) })
    return chunks
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
    await this.#scan.close()
  }

  #naming<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      throw this.#blamed(error)
    }
  }

  async #namingLater<T>(work: Promise<T>): Promise<T> {
    try {
      return await work
    } catch (error) {
      throw this.#blamed(error)
    }
  }

  /** What is wrong with the block itself, by its name; anything else as it is. */
  #blamed(error: unknown): unknown {
    const { ulid } = this.#source.meta
    if (error instanceof BlockError || !isOfBlock(error)) return error
    return new BlockError(error.code, ulid, `cannot read block ${ulid}`, { cause: error })
  }

  #bad(what: string): BlockError {
    return new BlockError('corrupt', this.#source.meta.ulid, `cannot merge block ${this.#source.meta.ulid}: ${what}`)
  }
}
