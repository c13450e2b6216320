// One input block's series in order, each with its chunks as bytes: what compaction and downsampling read.
// Specification: a block's series ascend, chunks of a series follow each other, all of them inside the block's time.
// Kernels walk (lib/kernels/series-input.ts); here they get what they want, and what they stop at is read again, to be told what is
// wrong. A block that breaks the rules, or whose bytes are bad, is named by a BlockError. Owns what is at hand until close().
import type { RandomAccess } from '../bytes/random-access.ts'
import { maxVarintBytes } from '../bytes/varint.ts'
import { dropIntervals } from '../chunkenc/drop-intervals.ts'
import { sampleCount } from '../chunkenc/encoding.ts'
import type { Kernels } from '../kernels/kernels.ts'
import {
  type FoundChunks,
  type KernelSeriesInput,
  type SeriesCounts,
  type Step,
  step,
} from '../kernels/series-input.ts'
import { compareStrings, formatLabels, type Labels } from '../labels/labels.ts'
import { BlockError, isOfBlock } from '../tsdb/block-error.ts'
import type { BlockChunk } from '../tsdb/block-writer.ts'
import { chunkPosition, chunkRef } from '../tsdb/chunk-format.ts'
import { ChunkReader } from '../tsdb/chunk-reader.ts'
import { maxSeriesEntryBytes, seriesAlignment } from '../tsdb/index-format.ts'
import type { IndexedSeries } from '../tsdb/index-reader.ts'
import type { InputBlock } from './input-block.ts'
import { KernelWindow } from './kernel-window.ts'
import { NumberPages } from './number-pages.ts'
import type { BlockNumbers } from './symbol-merge.ts'

export interface SeriesInputOptions {
  /** The caller has seen that the block's symbols are in order, so that their numbers tell that of series. */
  readonly ascendingSymbols?: boolean
  /** What the symbols are in a list that the caller merges. */
  readonly numbers?: BlockNumbers
}

/** Of what is at hand so much stays as a rule when a piece is joined to it: the beginning of a series. */
const restBytes = 64 * 1024
/** The chunks of a series may be at hand as a run, however small the pieces are. */
const leastRunBytes = 256 * 1024

/** One source's series in order, one at hand. */
export class SeriesInput {
  readonly kernel: KernelSeriesInput
  readonly #kernels: Kernels
  readonly #source: InputBlock
  readonly #signal: AbortSignal
  readonly #sectionEnd: number
  readonly #entries: KernelWindow
  readonly #pages: NumberPages | undefined
  /** The segment of that number. */
  #chunks: KernelWindow | undefined
  #segment = -1
  /** Of chunks that are no run, and of those that are not as they should be. */
  readonly #scattered: ChunkReader
  #isAtHand = false
  #series: IndexedSeries | undefined
  /** Chunks that chunks() gave out are views of this. */
  #lent = new Uint8Array()

  constructor(kernels: Kernels, source: InputBlock, signal: AbortSignal, options: SeriesInputOptions = {}) {
    const { meta, index, tombstones, indexBytes, windowBytes } = source
    this.#kernels = kernels
    this.#source = source
    this.#signal = signal
    this.kernel = kernels.seriesInput({
      minTime: meta.minTime,
      maxTime: meta.maxTime,
      symbolCount: index.symbols.count,
      areAscending: options.ascendingSymbols ?? false,
      deleted: Uint32Array.from(tombstones.keys()).sort(),
    })
    const { series, labelIndices } = index.toc
    this.#sectionEnd = labelIndices
    this.kernel.setEntryOffset(series)
    this.#entries = new KernelWindow(
      kernels,
      { source: indexBytes, end: labelIndices },
      { pieceBytes: Math.ceil(windowBytes / 2), restBytes, mostBytes: 2 * maxSeriesEntryBytes },
    )
    // Their headers were read when the block was opened.
    const segments = source.segments.map((segment, number) => this.#segmentBytes(segment, number))
    this.#scattered = new ChunkReader(segments, { copyable: true })
    if (options.numbers) {
      this.#pages = new NumberPages(kernels, options.numbers)
      this.kernel.setPages(this.#pages.ptr)
    }
  }

  /** The block. */
  get ulid(): string {
    return this.#source.meta.ulid
  }

  /** False before the first series and behind the last. */
  get isAtHand(): boolean {
    return this.#isAtHand
  }

  /** Of the series at hand. */
  get labels(): Labels {
    return this.#naming(() => this.#textsOf(this.kernel.symbols))
  }

  /** The series at hand; undefined before the first and behind the last. */
  get series(): IndexedSeries | undefined {
    if (!this.#isAtHand) return undefined
    this.#series ??= this.#naming(() => this.#readSeries())
    return this.#series
  }

  #readSeries(): IndexedSeries {
    const { kernel } = this
    const { minTimes, maxTimes, chunkRefs } = kernel.chunkMetas
    return {
      ref: kernel.ref,
      labels: this.#textsOf(kernel.symbols),
      chunks: Array.from(chunkRefs, (ref, i) => ({ minTime: minTimes[i]!, maxTime: maxTimes[i]!, ref })),
    }
  }

  /** The labels' symbols, borrowed until the next series. */
  get labelRefs(): Uint32Array {
    return this.kernel.symbols
  }

  /** Moves to the next series. */
  async next(): Promise<void> {
    this.leave()
    for (;;) {
      const reached = this.kernel.next()
      if (reached === step.done) this.stand()
      if (reached === step.done || reached === step.end) return
      await this.provide(reached)
    }
  }

  /** The series at hand has been seen to. */
  leave(): void {
    this.kernel.leave()
    this.#isAtHand = false
    this.#series = undefined
  }

  /** A kernel has stopped at a series, which is at hand. */
  stand(): void {
    this.#isAtHand = true
    this.#series = undefined
  }

  /** Does what a kernel's step wants, so that the next one goes on. Throws a BlockError where the block is why it cannot. */
  async provide(wanted: Step): Promise<void> {
    try {
      await this.#provide(wanted)
    } catch (error) {
      throw this.#blamed(error)
    }
  }

  async #provide(wanted: Step): Promise<void> {
    switch (wanted) {
      case step.entries:
        return this.#provideEntries()
      case step.chunks:
        return this.#provideChunks()
      case step.large:
        return this.kernel.grow()
      case step.numbers:
        return this.#pages!.load(this.kernel.wanted)
      case step.unordered:
        this.#checkOrder()
        return this.kernel.acceptOrder()
      default:
        throw await this.#strange()
    }
  }

  async #provideEntries(): Promise<void> {
    const { entryOffset, wanted } = this.kernel
    if (wanted > Math.max(this.#sectionEnd - entryOffset, maxVarintBytes)) throw await this.#strange()
    await this.#entries.moveTo(entryOffset, wanted, this.#signal)
    const { ptr, length, isLast } = this.#entries.atHand
    this.kernel.setEntries({ ptr, length, isLast })
  }

  async #provideChunks(): Promise<void> {
    const { wanted, chunkMetas } = this.kernel
    const { segment, offset } = chunkPosition(chunkMetas.chunkRefs[0]!)
    // What is wanted may be known up to the first chunk alone, or not at all.
    if (!(await this.#moveTo(segment, { offset, length: Math.max(wanted, 1) }))) this.kernel.setOther()
  }

  /** Has those bytes of a segment at hand; false where they are already, or cannot be. Segments before it are done with. */
  async #moveTo(segment: number, { offset, length }: { offset: number; length: number }): Promise<boolean> {
    const source = this.#source.segments[segment]
    if (source === undefined) return false
    if (this.#segment !== segment) {
      this.#chunks?.close()
      const { windowBytes } = this.#source
      const options = { pieceBytes: windowBytes, restBytes, mostBytes: Math.max(windowBytes, leastRunBytes) }
      this.#chunks = new KernelWindow(this.#kernels, { source, end: source.sizeBytes }, options)
      this.#segment = segment
    }
    const window = this.#chunks!
    if (!window.canMove(offset, length)) return false
    await window.moveTo(offset, length, this.#signal)
    const { atHand } = window
    this.kernel.setChunks({ ...atHand, ref: chunkRef({ segment, offset: atHand.start }) })
    return true
  }

  /** A segment through the same window: each byte of it is read once. */
  #segmentBytes(source: RandomAccess, segment: number): RandomAccess {
    return {
      name: source.name,
      sizeBytes: source.sizeBytes,
      read: async (offset, length, signal) => {
        await this.#moveTo(segment, { offset, length })
        const { ptr, start, length: atHand } = this.#chunks!.atHand
        const at = offset - start
        if (!(at >= 0 && at + length <= atHand)) return source.read(offset, length, signal)
        return this.#kernels.u8(ptr + at, length).slice()
      },
    }
  }

  /** By the texts of the first symbols that differ. */
  #checkOrder(): void {
    const { symbols, lastSymbols } = this.kernel
    const [labels, last] = [this.#textsOf(symbols), this.#textsOf(lastSymbols!)]
    const at = labels.findIndex((text, i) => text !== last[i])
    const isBehind = at >= 0 && (at >= last.length || compareStrings(last[at]!, labels[at]!) < 0)
    if (isBehind) return
    throw this.#bad(`got series ${formatLabels(labels)} after ${formatLabels(last)}, want ascending order`)
  }

  #textsOf(symbols: Uint32Array): string[] {
    const texts: string[] = []
    for (let i = 0; i < symbols.length; i++) texts.push(this.#source.index.symbols.lookup(symbols[i]!))
    return texts
  }

  /** What is wrong with the entry at hand, as the reader of single entries tells it. */
  async #strange(): Promise<unknown> {
    const ref = Math.ceil(this.kernel.entryOffset / seriesAlignment)
    try {
      await this.#source.index.series(ref, this.#signal)
    } catch (error) {
      return error
    }
    return this.#bad(`got a series entry at offset ${ref * seriesAlignment} that is not as its format says`)
  }

  /** As the kernel counts: all series up to one at which it stops, those that are not simple with it; at the end, all of them. */
  async countAll(): Promise<SeriesCounts> {
    let [numSeries, numChunks, numSamples] = [0, 0, 0]
    for (let reached = this.kernel.count(); reached !== step.end; reached = this.kernel.count()) {
      this.#signal.throwIfAborted()
      if (reached !== step.other) {
        await this.provide(reached)
        continue
      }
      this.stand()
      const chunks = await this.chunks()
      numSeries++
      numChunks += chunks.length
      for (const chunk of chunks) numSamples += chunk.numSamples
      this.leave()
    }
    const { counted } = this.kernel
    return {
      numSeries: counted.numSeries + numSeries,
      numChunks: counted.numChunks + numChunks,
      numSamples: counted.numSamples + numSamples,
    }
  }

  /**
   * The chunks of the series at hand, checked against the block's time, without what has been deleted. Their bytes are
   * borrowed until the next call.
   */
  async chunks(): Promise<BlockChunk[]> {
    if (await this.#findRun()) return this.#chunksOfRun()
    const { ref, chunks: metas } = this.series!
    this.#checkTimes()
    const refs = metas.map(({ ref }) => ref)
    const encoded = await this.#namingLater(this.#scattered.read(refs, this.#signal))
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

  /** Whether they lie one behind the other, as in every block that was written in one go, and are whole. */
  async #findRun(): Promise<boolean> {
    let found = this.kernel.findChunks()
    for (; found === step.chunks; found = this.kernel.findChunks()) await this.provide(found)
    return found === step.done && this.kernel.chunksAreWhole()
  }

  /** The records are copied: what is at hand of kernel memory detaches when that grows. */
  #chunksOfRun(): BlockChunk[] {
    const { minTimes, maxTimes } = this.kernel.chunkMetas
    const { count, starts, dataStarts, sampleCounts } = this.kernel.found
    const start = starts[0]!
    const length = starts[count]! - start
    if (this.#lent.length < length) this.#lent = new Uint8Array(Math.max(length, 2 * this.#lent.length))
    this.#lent.set(this.#kernels.u8(start, length))
    const run: LentRun = { bytes: this.#lent, start, minTimes, maxTimes, starts, dataStarts, sampleCounts }
    const chunks: BlockChunk[] = []
    for (let i = 0; i < count; i++) chunks.push(new LentChunk(run, i))
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

  close(): void {
    this.#entries.close()
    this.#chunks?.close()
    this.#pages?.free()
    this.kernel.free()
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

/** Chunks whose records were copied from address `start` on; what is read of them must be read before the next step. */
interface LentRun extends Pick<FoundChunks, 'starts' | 'dataStarts' | 'sampleCounts'> {
  readonly bytes: Uint8Array
  readonly start: number
  readonly minTimes: Float64Array
  readonly maxTimes: Float64Array
}

/** A chunk in lent bytes: a view of its data, and one of its record for whoever copies it. */
class LentChunk implements BlockChunk {
  readonly minTime: number
  readonly maxTime: number
  readonly numSamples: number
  readonly encoding: number
  readonly data: Uint8Array
  private readonly bytes: Uint8Array
  private readonly start: number
  private readonly end: number

  constructor({ bytes, start, minTimes, maxTimes, starts, dataStarts, sampleCounts }: LentRun, number: number) {
    this.minTime = minTimes[number]!
    this.maxTime = maxTimes[number]!
    this.numSamples = sampleCounts[number]!
    this.bytes = bytes
    this.start = starts[number]! - start
    this.end = starts[number + 1]! - start
    const data = dataStarts[number]! - start
    this.encoding = bytes[data - 1]!
    this.data = bytes.subarray(data, this.end - 4)
  }

  get record(): Uint8Array {
    return this.bytes.subarray(this.start, this.end)
  }
}
