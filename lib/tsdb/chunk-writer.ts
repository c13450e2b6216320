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
import type { ChunkRun } from './chunk-run.ts'

/** A segment that was written. */
export interface WrittenSegment {
  readonly name: string
  readonly sizeBytes: number
}

export interface ChunkWriterOptions {
  readonly segmentBytes?: number
  /** False: what is written need not outlive a power cut. */
  readonly durable?: boolean
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
      refs.push(await this.#append(this.#segment, chunk))
    }
    return refs
  }

  /**
   * Appends the runs of a series at once, and puts the references of their chunks into `refs`. False where it must wait, or
   * where a segment may have to be cut among them: nothing has been done then, and write() does it.
   */
  copyNow(runs: readonly ChunkRun[], refs: Float64Array): boolean {
    const segment = this.#segment
    if (segment === undefined) return false
    let [bytes, mostBytes] = [0, 0]
    for (const { byteLength, count } of runs) {
      bytes += byteLength
      mostBytes += byteLength + count * (maxChunkLengthBytes - 1)
    }
    if (bytes > segment.room || segment.position + mostBytes > this.#segmentBytes) return false
    let i = 0
    for (const run of runs) {
      const { starts, count } = run
      const [from, to] = [starts[0]!, starts[count]!]
      const first = chunkRef({ segment: this.#written.length, offset: segment.position })
      for (let k = 0; k < count; k++) refs[i++] = first + starts[k]! - from
      segment.appendNow(run.bytes.subarray(from, to))
    }
    return true
  }

  /** Makes room for the runs in the segment at hand. */
  async makeRoom(runs: readonly ChunkRun[]): Promise<void> {
    await this.#segment?.makeRoom(runs.reduce((sum, { byteLength }) => sum + byteLength, 0))
  }

  async #append(segment: FileWriter, chunk: EncodedChunk): Promise<number> {
    if (chunk.data.length > maxChunkDataBytes) {
      const want = `at most ${maxChunkDataBytes}`
      throw new MnemoError('internal', `cannot write a chunk: got ${chunk.data.length} bytes, want ${want}`)
    }
    const ref = chunkRef({ segment: this.#written.length, offset: segment.position })
    const record = recordOf(chunk)
    if (record !== undefined) {
      await segment.append(record)
      return ref
    }
    this.#out.clear()
    encodeChunkRecord(chunk, this.#out)
    await segment.append(this.#out.borrowBytes())
    return ref
  }

  async #cut(): Promise<FileWriter> {
    await this.#finishSegment()
    const whole = this.#written.at(-1)
    if (whole) await this.#options.onSegment?.(join(this.#folder, whole.name), whole)
    const segment = await FileWriter.create(join(this.#folder, segmentName(this.#written.length)))
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
