// Reads chunks by reference from a block's segments: neighbours are read together.
// Specification: chunk-format.ts.
// Owns the plan of reads, which is a pure function, and the open segments.
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Cursor, corruptError } from '../bytes/cursor.ts'
import { type FileRandomAccess, fileError, fileRandomAccess, type RandomAccess } from '../bytes/random-access.ts'
import { highWord } from '../bytes/varint.ts'
import {
  checkSegmentHeader,
  chunkPosition,
  chunkRecordLength,
  decodeChunkRecord,
  decodeCopyableRecord,
  type EncodedChunk,
  segmentHeaderBytes,
  segmentName,
  segmentPlace,
} from './chunk-format.ts'

/** Chunks nearer than this are read together, the bytes between them for nothing. */
const maxGapBytes = 64 * 1024
/** One read is no larger than this, a single larger chunk aside. */
const maxReadBytes = 4 * 1024 * 1024
/** Read for a chunk whose end is unknown; a longer one costs a second read. */
const lastChunkGuessBytes = 4096

interface ChunkRead {
  readonly segment: number
  /** [start, end) covers the records of `chunks`, but maybe the end of the last one. */
  readonly start: number
  readonly end: number
  /** Positions in the list of references, ascending by offset. */
  readonly chunks: readonly number[]
}

/** Which ranges to read for `refs`, in any order; `segmentBytes` are the segments' sizes. References outside get a read that fails. */
export function planChunkReads(refs: ArrayLike<number>, segmentBytes: readonly number[]): ChunkRead[] {
  const order = isAscending(refs) ? undefined : Array.from(refs, (_, i) => i).sort((a, b) => refs[a]! - refs[b]!)
  const reads: { segment: number; start: number; end: number; chunks: number[] }[] = []
  for (let k = 0; k < refs.length; k++) {
    const i = order === undefined ? k : order[k]!
    const { segment, offset } = chunkPosition(refs[i]!)
    const size = segmentBytes[segment] ?? 0
    const end = Math.max(offset, Math.min(offset + lastChunkGuessBytes, size))
    const open = reads.at(-1)
    if (open?.segment === segment && offset - open.end <= maxGapBytes && end - open.start <= maxReadBytes) {
      open.end = end
      open.chunks.push(i)
    } else {
      reads.push({ segment, start: offset, end, chunks: [i] })
    }
  }
  return reads
}

function isAscending(refs: ArrayLike<number>): boolean {
  for (let i = 1; i < refs.length; i++) if (refs[i]! < refs[i - 1]!) return false
  return true
}

export interface ChunkReaderOptions {
  /** Chunks have their records with them. */
  readonly copyable?: boolean
}

export class ChunkReader {
  readonly #segments: readonly RandomAccess[]
  readonly #sizes: readonly number[]
  readonly #decode: typeof decodeChunkRecord

  /** Reads from segments in order, the first being number 0; their headers have been checked. */
  constructor(segments: readonly RandomAccess[], { copyable = false }: ChunkReaderOptions = {}) {
    this.#segments = segments
    this.#decode = copyable ? decodeCopyableRecord : decodeChunkRecord
    this.#sizes = segments.map(({ sizeBytes }) => sizeBytes)
  }

  /** The same, once it has checked the segments' headers. Throws `corrupt`. */
  static async over(
    segments: readonly RandomAccess[],
    signal?: AbortSignal,
    options: ChunkReaderOptions = {},
  ): Promise<ChunkReader> {
    for (const segment of segments) checkSegmentHeader(await segment.read(0, segmentHeaderBytes, signal), segment.name)
    return new ChunkReader(segments, options)
  }

  /** Bytes of all segments. */
  get sizeBytes(): number {
    return this.#segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  }

  /**
   * The chunks of `refs`, in their order; checksums verified. Chunks read together share memory: one that is kept
   * keeps its neighbours, copy it where that matters.
   */
  async read(refs: ArrayLike<number>, signal?: AbortSignal): Promise<EncodedChunk[]> {
    const out = new Array<EncodedChunk>(refs.length)
    for (const read of planChunkReads(refs, this.#sizes)) {
      const segment = this.#segment(read.segment, read.start)
      const bytes = await segment.read(read.start, read.end - read.start, signal)
      const cursor = new Cursor(bytes, segmentPlace(segment.name, read.start))
      for (const i of read.chunks) {
        cursor.position = (refs[i]! % highWord) - read.start
        out[i] = this.#wholeRecord(segment, cursor)
          ? this.#decode(cursor)
          : await this.#readRecord(segment, cursor, signal)
      }
    }
    return out
  }

  /** Whether the cursor's bytes have all of the record there. */
  #wholeRecord(segment: RandomAccess, cursor: Cursor): boolean {
    const length = chunkRecordLength(cursor)
    if (length <= cursor.remaining) return true
    if (cursor.place.offset + cursor.position + length > segment.sizeBytes)
      cursor.fail(`got a record of ${length} bytes, want it to end in the segment`)
    return false
  }

  /** The record at the cursor, read for itself. */
  async #readRecord(segment: RandomAccess, cursor: Cursor, signal?: AbortSignal): Promise<EncodedChunk> {
    const offset = cursor.place.offset + cursor.position
    const bytes = await segment.read(offset, chunkRecordLength(cursor), signal)
    return this.#decode(new Cursor(bytes, segmentPlace(segment.name, offset)))
  }

  #segment(number: number, offset: number): RandomAccess {
    const segment = this.#segments[number]
    if (segment !== undefined && offset >= segmentHeaderBytes && offset < segment.sizeBytes) return segment
    const file = segment?.name ?? `segment ${segmentName(number)}`
    const want = segment === undefined ? `one of ${this.#segments.length} segments` : `less than ${segment.sizeBytes}`
    throw corruptError(segmentPlace(file, 0), offset, `got a chunk reference to it, want ${want}`)
  }
}

/** The segments of a chunks folder, opened in order; the caller closes them. Throws `corrupt` where one is missing. */
export async function openSegments(folder: string): Promise<FileRandomAccess[]> {
  const names = await listSegments(folder)
  const opened: FileRandomAccess[] = []
  try {
    for (const [i, name] of names.entries()) {
      const file = join(folder, name)
      if (Number(name) !== i + 1) throw corruptError(segmentPlace(file, 0), 0, `got it as segment number ${i + 1}`)
      opened.push(await fileRandomAccess(file))
    }
    return opened
  } catch (error) {
    await Promise.all(opened.map((segment) => segment.close()))
    throw error
  }
}

async function listSegments(folder: string): Promise<string[]> {
  try {
    const names = await readdir(folder)
    return names.filter((name) => /^\d+$/.test(name)).sort((a, b) => Number(a) - Number(b))
  } catch (error) {
    throw fileError(`cannot list ${folder}`, error)
  }
}
