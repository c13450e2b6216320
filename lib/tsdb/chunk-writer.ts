// Writes chunks into segments 000001, 000002, … of a folder; cuts them where Prometheus would.
// Specification: chunk-format.ts, and Prometheus tsdb/chunks (WriteChunks) for the cuts.
// Owns the open segment: finish() or abort() must be called.
import { join } from 'node:path'
import { EncodeBuffer } from '../bytes/encode-buffer.ts'
import { FileWriter } from '../bytes/file-writer.ts'
import { MnemoError } from '../kit/errors.ts'
import { makeFolder } from '../kit/make-folder.ts'
import {
  chunkRef,
  defaultSegmentBytes,
  type EncodedChunk,
  encodeChunkRecord,
  encodeSegmentHeader,
  maxChunkDataBytes,
  maxChunkLengthBytes,
  recordOf,
  segmentHeaderBytes,
  segmentName,
} from './chunk-format.ts'

/** A segment that was written. */
export interface WrittenSegment {
  readonly name: string
  readonly sizeBytes: number
}

export interface ChunkWriterOptions {
  readonly segmentBytes?: number
  /** False: what is written need not outlive a power cut. */
  readonly durable?: boolean
  /** Writes hold the thread. */
  readonly atOnce?: boolean | undefined
  /** Called with each segment that is whole while more follow, and awaited: its file may be taken away. The last one is never among them. */
  readonly onSegment?: ((file: string, segment: WrittenSegment) => Promise<void>) | undefined
}

export class ChunkWriter {
  readonly #folder: string
  readonly #segmentBytes: number
  readonly #options: ChunkWriterOptions
  readonly #written: WrittenSegment[] = []
  readonly #out = new EncodeBuffer(4096)
  #segment: FileWriter | undefined

  private constructor(folder: string, options: ChunkWriterOptions) {
    this.#folder = folder
    this.#segmentBytes = options.segmentBytes ?? defaultSegmentBytes
    this.#options = options
  }

  /** Creates the folder. The first segment is created with the first chunk. */
  static async create(folder: string, options: ChunkWriterOptions = {}): Promise<ChunkWriter> {
    await makeFolder(folder)
    return new ChunkWriter(folder, options)
  }

  /** Appends a series' chunks; returns their references. */
  async write(chunks: readonly EncodedChunk[]): Promise<number[]> {
    const refs: number[] = []
    // Prometheus decides on the largest size that a record may have, from where the segment stands before the series.
    let used = this.#segment?.position ?? segmentHeaderBytes
    for (const chunk of chunks) {
      const bytes = maxChunkLengthBytes + 1 + chunk.data.length + 4
      const isEmpty = used <= segmentHeaderBytes
      if (this.#segment === undefined || (!isEmpty && used + bytes > this.#segmentBytes)) {
        used = segmentHeaderBytes
        this.#segment = await this.#cut()
      }
      used += bytes
      refs.push(chunkRef({ segment: this.#written.length, offset: this.#segment.position }))
      const record = this.#recordOf(chunk)
      if (record.length <= this.#segment.room) this.#segment.appendNow(record)
      else await this.#segment.append(record)
    }
    return refs
  }

  /** Where the next chunk goes, and how many bytes its segment may still take: none where it is not open yet. */
  get place(): { readonly chunkRef: number; readonly segmentRoom: number } {
    const segment = this.#segment
    if (segment === undefined) return { chunkRef: 0, segmentRoom: 0 }
    const { position: offset } = segment
    return { chunkRef: chunkRef({ segment: this.#written.length, offset }), segmentRoom: this.#segmentBytes - offset }
  }

  /** Appends records to the segment at hand, which has room for them. */
  async copy(records: Uint8Array): Promise<void> {
    await this.#segment!.append(records)
  }

  /** A chunk's record, borrowed until the next call. */
  #recordOf(chunk: EncodedChunk): Uint8Array {
    if (chunk.data.length > maxChunkDataBytes) {
      const want = `at most ${maxChunkDataBytes}`
      throw new MnemoError('internal', `cannot write a chunk: got ${chunk.data.length} bytes, want ${want}`)
    }
    const record = recordOf(chunk)
    if (record !== undefined) return record
    this.#out.clear()
    encodeChunkRecord(chunk, this.#out)
    return this.#out.borrowBytes()
  }

  async #cut(): Promise<FileWriter> {
    await this.#finishSegment()
    const whole = this.#written.at(-1)
    if (whole) await this.#options.onSegment?.(join(this.#folder, whole.name), whole)
    const segment = await FileWriter.create(join(this.#folder, segmentName(this.#written.length)), this.#options)
    this.#out.clear()
    encodeSegmentHeader(this.#out)
    await segment.append(this.#out.borrowBytes())
    return segment
  }

  async #finishSegment(): Promise<void> {
    const segment = this.#segment
    if (segment === undefined) return
    this.#segment = undefined
    await segment.finish(this.#options)
    this.#written.push({ name: segmentName(this.#written.length), sizeBytes: segment.position })
  }

  /** All chunks are in files when this returns, and on disk unless not `durable`. */
  async finish(): Promise<readonly WrittenSegment[]> {
    await this.#finishSegment()
    return this.#written
  }

  /** Closes the open segment, which is of no use then. */
  async abort(): Promise<void> {
    const segment = this.#segment
    this.#segment = undefined
    await segment?.abort()
  }
}
