// Writes a block, series by series, in a temporary folder that gets its name only once everything is written, and on disk.
// Specification: Prometheus tsdb/docs/format/README.md.
// Owns the temporary folder: finish() or abort() must be called. What meta.json says is the caller's.
import { existsSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { FileWriter, syncFolder } from '../bytes/file-writer.ts'
import { chunkEncoding } from '../chunkenc/encoding.ts'
import type { WritingPlace, WrittenSeries } from '../kernels/series-merge.ts'
import { MnemoError } from '../kit/errors.ts'
import { makeFolder } from '../kit/make-folder.ts'
import type { Labels } from '../labels/labels.ts'
import { chunksFolder, indexFile } from './block-reader.ts'
import type { EncodedChunk } from './chunk-format.ts'
import { ChunkWriter, type ChunkWriterOptions, type WrittenSegment } from './chunk-writer.ts'
import { type IndexStats, IndexStatsTally } from './index-stats.ts'
import { IndexWriter } from './index-writer.ts'
import { tombstonesFile, writeTombstones } from './tombstones.ts'

/** Prometheus deletes folders of such names when it starts. */
const temporarySuffix = '.tmp-for-creation'
const metaFile = 'meta.json'

/** A chunk to write: times are inclusive, in ms. */
export interface BlockChunk extends EncodedChunk {
  readonly minTime: number
  readonly maxTime: number
  readonly numSamples: number
}

/** What a block holds, for its meta.json. */
export interface BlockContents {
  /** [minTime, maxTime) in ms of all chunks; [0, 0) where there is none. */
  readonly minTime: number
  readonly maxTime: number
  readonly stats: {
    readonly numSamples: number
    readonly numFloatSamples: number
    readonly numHistogramSamples: number
    readonly numSeries: number
    readonly numChunks: number
  }
  readonly indexStats: IndexStats
  /** Paths in the block's folder, ascending; meta.json is not among them. */
  readonly files: readonly { readonly relPath: string; readonly sizeBytes: number }[]
}

export interface BlockWriterOptions {
  /** The block's folder, which must not be there yet; its last part is the block's ULID. */
  readonly folder: string
  /** Every label name and value that a series will have, each once, ascending by bytes. */
  readonly symbols: Iterable<string> | AsyncIterable<string>
  readonly segmentBytes?: number
  /** False: the block need not outlive a power cut, and nothing waits for the disk. */
  readonly durable?: boolean
  /** Reads and writes hold the thread, which does nothing else meanwhile. */
  readonly atOnce?: boolean
  /** Called with each segment that is whole while more follow: its file may be taken away, the block's other files refer to it by number. */
  readonly onSegment?: ChunkWriterOptions['onSegment']
  /** Called with the last segment, which must stay; the index is finished meanwhile. */
  readonly onLastSegment?: ChunkWriterOptions['onSegment']
}

interface BlockFields {
  readonly folder: string
  readonly temporary: string
  readonly index: IndexWriter
  readonly chunks: ChunkWriter
  readonly durable: boolean
  readonly onLastSegment: BlockWriterOptions['onLastSegment']
}

export class BlockWriter {
  readonly #folder: string
  readonly #temporary: string
  readonly #index: IndexWriter
  readonly #chunks: ChunkWriter
  readonly #indexStats = new IndexStatsTally()
  readonly #durable: boolean
  readonly #onLastSegment: BlockWriterOptions['onLastSegment']
  #numSamples = 0
  #numFloatSamples = 0
  #numHistogramSamples = 0
  #numChunks = 0
  #minTime = Number.POSITIVE_INFINITY
  #maxTime = Number.NEGATIVE_INFINITY

  private constructor(fields: BlockFields) {
    this.#folder = fields.folder
    this.#temporary = fields.temporary
    this.#index = fields.index
    this.#chunks = fields.chunks
    this.#durable = fields.durable
    this.#onLastSegment = fields.onLastSegment
  }

  /** Starts a block. Throws `already_exists` where its folder is there; what an earlier attempt left is removed. */
  static async create(options: BlockWriterOptions): Promise<BlockWriter> {
    const { folder, symbols, segmentBytes, onSegment, onLastSegment, durable = true, atOnce } = options
    if (existsSync(folder)) throw new MnemoError('already_exists', `cannot write a block: got ${folder}, want no such`)
    const temporary = `${folder}${temporarySuffix}`
    await rm(temporary, { recursive: true, force: true })
    await makeFolder(temporary)
    try {
      const chunks = await ChunkWriter.create(join(temporary, chunksFolder), {
        ...(segmentBytes !== undefined && { segmentBytes }),
        onSegment,
        durable,
        atOnce,
      })
      const index = await IndexWriter.create(join(temporary, indexFile), symbols, { atOnce })
      return new BlockWriter({ folder, temporary, index, chunks, durable, onLastSegment })
    } catch (error) {
      await rm(temporary, { recursive: true, force: true })
      throw error
    }
  }

  /**
   * Adds a series with its chunks, which are in order of time and do not overlap; label sets ascend.
   * `labelRefs`: the labels' symbols, by their place in the order, for a caller that knows them.
   */
  async addSeries(labels: Labels, chunks: readonly BlockChunk[], labelRefs?: ArrayLike<number>): Promise<void> {
    const refs = await this.#chunks.write(chunks)
    const ref = await this.#index.addSeries(
      labels,
      chunks.map(({ minTime, maxTime }, i) => ({ minTime, maxTime, ref: refs[i]! })),
      labelRefs,
    )
    this.#indexStats.add(ref, refs)
    for (const chunk of chunks) this.#count(chunk)
  }

  /** Where take() goes on. */
  get place(): WritingPlace {
    return { indexOffset: this.#index.position, ...this.#chunks.place }
  }

  /** Adds series that were written for `place`. */
  async take(series: WrittenSeries): Promise<void> {
    if (series.numSeries === 0) return
    await this.#chunks.copy(series.chunks)
    await this.#index.copy(series)
    this.#indexStats.addAll(series)
    this.#numChunks += series.numChunks
    this.#numSamples += series.numSamples
    this.#numFloatSamples += series.numFloatSamples
    this.#numHistogramSamples += series.numHistogramSamples
    this.#minTime = Math.min(this.#minTime, series.minTime)
    this.#maxTime = Math.max(this.#maxTime, series.maxTime)
  }

  #count({ encoding, numSamples, minTime, maxTime }: BlockChunk): void {
    this.#minTime = Math.min(this.#minTime, minTime)
    this.#maxTime = Math.max(this.#maxTime, maxTime)
    this.#numChunks++
    this.#numSamples += numSamples
    if (floatEncodings.has(encoding)) this.#numFloatSamples += numSamples
    if (histogramEncodings.has(encoding)) this.#numHistogramSamples += numSamples
  }

  /**
   * Writes the rest and gives the folder its name; all is on disk when this returns, unless not `durable`. `meta` makes meta.json's text of
   * what the block holds. With `tombstones`, an empty tombstones file is written, as Prometheus has it in its own blocks.
   */
  async finish(
    meta: (contents: BlockContents) => string,
    options?: { readonly tombstones?: boolean },
  ): Promise<BlockContents> {
    try {
      const segments = await this.#chunks.finish()
      const files = segments.map(({ name, sizeBytes }) => ({ relPath: `${chunksFolder}/${name}`, sizeBytes }))
      files.push({ relPath: indexFile, sizeBytes: await this.#finishIndex(segments.at(-1)) })
      if (options?.tombstones === true) {
        const sizeBytes = await writeTombstones(join(this.#temporary, tombstonesFile), new Map())
        files.push({ relPath: tombstonesFile, sizeBytes })
      }
      const contents = this.#contents(files)
      await this.#publish(meta(contents))
      return contents
    } catch (error) {
      await this.abort()
      throw error
    }
  }

  /** Nothing reads a file any more when this returns or throws. */
  async #finishIndex(last: WrittenSegment | undefined): Promise<number> {
    const file = join(this.#temporary, chunksFolder, last?.name ?? '')
    const [taken, finished] = await Promise.allSettled([
      last && this.#onLastSegment?.(file, last),
      this.#index.finish({ durable: this.#durable }),
    ])
    if (taken.status === 'rejected') throw taken.reason
    if (finished.status === 'rejected') throw finished.reason
    return finished.value
  }

  #contents(files: BlockContents['files']): BlockContents {
    const hasChunks = this.#numChunks > 0
    return {
      minTime: hasChunks ? this.#minTime : 0,
      maxTime: hasChunks ? this.#maxTime + 1 : 0,
      stats: {
        numSamples: this.#numSamples,
        numFloatSamples: this.#numFloatSamples,
        numHistogramSamples: this.#numHistogramSamples,
        numSeries: this.#index.seriesCount,
        numChunks: this.#numChunks,
      },
      indexStats: this.#indexStats.stats,
      files,
    }
  }

  async #publish(meta: string): Promise<void> {
    const file = await FileWriter.create(join(this.#temporary, metaFile))
    await file.append(Buffer.from(meta))
    await file.finish({ durable: this.#durable })
    if (this.#durable) {
      await syncFolder(join(this.#temporary, chunksFolder))
      await syncFolder(this.#temporary)
    }
    await rename(this.#temporary, this.#folder)
    if (this.#durable) await syncFolder(dirname(this.#folder))
  }

  /** Gives up: closes what is open and removes the temporary folder. */
  async abort(): Promise<void> {
    await Promise.allSettled([this.#chunks.abort(), this.#index.abort()])
    await rm(this.#temporary, { recursive: true, force: true })
  }
}

const floatEncodings: ReadonlySet<number> = new Set([chunkEncoding.xor, chunkEncoding.xor2])
const histogramEncodings: ReadonlySet<number> = new Set([
  chunkEncoding.histogram,
  chunkEncoding.floatHistogram,
  chunkEncoding.histogramSt,
  chunkEncoding.floatHistogramSt,
])
