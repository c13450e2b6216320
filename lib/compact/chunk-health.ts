// Reads every chunk of a block, to find those that are damaged: checksum, encoding, samples, and the times that the index tells.
// Specification: lib/tsdb/chunk-format.ts; each segment is read by itself, so that one that is missing costs its own chunks alone.
// Owns the readers; no file stays open.
import type { BucketBlock } from '../blocks/bucket-block.ts'
import { ForwardWindow } from '../bytes/forward-window.ts'
import { splitAggregates } from '../chunkenc/aggregate.ts'
import { decodeFloatChunk } from '../chunkenc/decode-floats.ts'
import { decodeHistogramChunk, isHistogramEncoding } from '../chunkenc/decode-histogram.ts'
import { chunkEncoding, sampleCount } from '../chunkenc/encoding.ts'
import { createKernels } from '../kernels/instance.ts'
import { describeError, MnemoError } from '../kit/errors.ts'
import { formatLabels } from '../labels/labels.ts'
import { isOfBlock } from '../tsdb/block-error.ts'
import type { BlockChunk } from '../tsdb/block-writer.ts'
import { chunkPosition, type EncodedChunk, segmentName } from '../tsdb/chunk-format.ts'
import { ChunkReader } from '../tsdb/chunk-reader.ts'
import type { ChunkMeta, SeriesEntry } from '../tsdb/series-entry.ts'

export class ChunkHealth {
  readonly #segments: ReadonlyMap<number, ChunkReader | MnemoError>
  readonly #signal: AbortSignal
  readonly #columns = createKernels().columns()
  #numSamples = 0
  #numDamaged = 0
  #firstDamage = ''

  private constructor(segments: ReadonlyMap<number, ChunkReader | MnemoError>, signal: AbortSignal) {
    this.#segments = segments
    this.#signal = signal
  }

  static async open({ segments }: BucketBlock, signal: AbortSignal): Promise<ChunkHealth> {
    const readers = new Map<number, ChunkReader | MnemoError>()
    for (const segment of segments) {
      const number = Number(segment.name.slice(segment.name.lastIndexOf('/') + 1)) - 1
      try {
        readers.set(number, await ChunkReader.over([new ForwardWindow(segment)], signal))
      } catch (error) {
        readers.set(number, asDamage(error))
      }
    }
    return new ChunkHealth(readers, signal)
  }

  /** The series' chunks that can be read, in order; the others are counted. */
  async read({ labels, chunks }: SeriesEntry): Promise<BlockChunk[]> {
    const whole: BlockChunk[] = []
    for (const meta of chunks) {
      try {
        const chunk = await this.#readOne(meta)
        this.#numSamples += chunk.numSamples
        whole.push(chunk)
      } catch (error) {
        const damage = asDamage(error)
        this.#numDamaged++
        this.#firstDamage ||= `of ${formatLabels(labels)}: ${describeError(damage)}`
      }
    }
    return whole
  }

  async #readOne(meta: ChunkMeta): Promise<BlockChunk> {
    const { segment, offset } = chunkPosition(meta.ref)
    const reader = this.#segments.get(segment)
    if (reader instanceof MnemoError) throw reader
    if (!reader) throw new MnemoError('not_found', `cannot read a chunk: segment ${segmentName(segment)} is missing`)
    const [encoded] = await reader.read([offset], this.#signal)
    const { minTime, maxTime } = meta
    return { minTime, maxTime, ...encoded!, numSamples: this.#countSamples(encoded!, meta) }
  }

  /** Decodes the samples; throws `corrupt` where their times are not those that the index tells. */
  #countSamples(chunk: EncodedChunk, { minTime, maxTime }: ChunkMeta): number {
    const { encoding, data } = chunk
    const count = sampleCount(encoding, data)
    if (encoding === chunkEncoding.aggregate) {
      // Its times are windows: the parts decode, or do not.
      for (const part of Object.values(splitAggregates(data))) this.#timesOf(part)
      return count
    }
    const times = this.#timesOf(chunk)
    const isAscending = times.every((time, i) => i === 0 || time > times[i - 1]!)
    if (!isAscending || times[0] !== minTime || times.at(-1) !== maxTime)
      throw new MnemoError(
        'corrupt',
        `cannot use a chunk: got samples from ${times[0]} to ${times.at(-1)}, want ${minTime} to ${maxTime}, ascending`,
      )
    return count
  }

  #timesOf({ encoding, data }: EncodedChunk): number[] {
    if (isHistogramEncoding(encoding)) return decodeHistogramChunk(encoding, data).map(({ timeMs }) => timeMs)
    this.#columns.clear()
    decodeFloatChunk(encoding, data, this.#columns)
    return Array.from(this.#columns.times())
  }

  /** Of the first chunk that could not be read: where it is, and why. */
  get firstDamage(): string {
    return this.#firstDamage
  }

  /** How many chunks could not be read. */
  get numDamaged(): number {
    return this.#numDamaged
  }

  /** Each a line; `wantSamples` is what the meta counts, where all series have been seen. */
  problems(wantSamples: number | undefined): string[] {
    if (this.#numDamaged > 0) return [`${this.#numDamaged} chunks cannot be read, the first ${this.#firstDamage}`]
    if (wantSamples === undefined || this.#numSamples === wantSamples) return []
    return [`${this.#numSamples} samples, where meta.json counts ${wantSamples}`]
  }
}

/** The error itself where it is about the block's bytes; anything else is thrown. */
function asDamage(error: unknown): MnemoError {
  if (isOfBlock(error)) return error
  throw error
}
