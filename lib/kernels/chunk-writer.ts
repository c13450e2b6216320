// Writes chunks of a segment file as fields of StoreAPI's Series messages: many series in one call, without an object a chunk.
// The bytes of records are copied into kernel memory in few pieces; what is written is copied out as one.
// Owns an instance of the kernels and its memory: one a thread is enough, for nothing in it outlives write().
import { instantiate, type KernelExports } from './module.ts'

const pageBytes = 65_536
const recordBytes = 24
const seriesBytes = 24
/** What a field has besides its record, at most. */
const fieldOverheadBytes = 64
/** What the kernel may read or write behind a record. */
const marginBytes = 64

/** What was written of one series: bytes of what write() returned, from where the last one's end to `end`. */
export interface WrittenChunks {
  readonly end: number
  /** Of the chunks' data. */
  readonly dataBytes: number
  readonly samples: number
  /** False: a chunk is not one of XOR, is corrupt, or the chunks overlap; nothing was written. */
  readonly isPlain: boolean
}

export class ChunkWriter {
  readonly #memory: WebAssembly.Memory
  readonly #wasm: KernelExports
  #bytes: Uint8Array
  #words: Uint32Array
  #doubles: Float64Array
  #recordsPtr = 0
  #seriesPtr = 0
  #piecesPtr = 0
  #outPtr = 0
  #records = 0
  #series = 0

  constructor() {
    this.#memory = new WebAssembly.Memory({ initial: 4 })
    this.#wasm = instantiate(this.#memory)
    this.#bytes = new Uint8Array(this.#memory.buffer)
    this.#words = new Uint32Array(this.#memory.buffer)
    this.#doubles = new Float64Array(this.#memory.buffer)
  }

  /** Makes room for so many chunks in so many series, whose pieces (see addPiece) have so many bytes in all. */
  start(room: { readonly records: number; readonly series: number; readonly pieceBytes: number }): void {
    this.#recordsPtr = pageBytes
    this.#seriesPtr = this.#recordsPtr + room.records * recordBytes
    this.#piecesPtr = this.#seriesPtr + room.series * seriesBytes
    this.#outPtr = this.#piecesPtr + room.pieceBytes + marginBytes
    const end = this.#outPtr + room.pieceBytes + room.records * fieldOverheadBytes + marginBytes
    this.#records = 0
    this.#series = 0
    if (end <= this.#bytes.length) return
    this.#memory.grow(Math.ceil((end - this.#bytes.length) / pageBytes))
    this.#bytes = new Uint8Array(this.#memory.buffer)
    this.#words = new Uint32Array(this.#memory.buffer)
    this.#doubles = new Float64Array(this.#memory.buffer)
  }

  /** Copies bytes in which records stand; returns where, as addRecord wants it. */
  addPiece(bytes: Uint8Array): number {
    const at = this.#piecesPtr
    this.#bytes.set(bytes, at)
    this.#piecesPtr += bytes.length
    return at
  }

  /** The next chunk: its record of so many bytes, or somewhat more, at an address in a piece. */
  addRecord(ptr: number, bytes: number, minTime: number, maxTime: number): void {
    const at = this.#recordsPtr + this.#records++ * recordBytes
    this.#words[at / 4] = ptr
    this.#words[at / 4 + 1] = bytes
    this.#doubles[at / 8 + 1] = minTime
    this.#doubles[at / 8 + 2] = maxTime
  }

  /** The next series has as many of the chunks. */
  addSeries(records: number): void {
    this.#words[(this.#seriesPtr + this.#series++ * seriesBytes) / 4] = records
  }

  /** Writes all chunks; the caller owns the bytes. */
  write(): Uint8Array {
    const length = this.#wasm.writeChunks(this.#seriesPtr, this.#series, this.#recordsPtr, this.#outPtr)
    return this.#bytes.slice(this.#outPtr, this.#outPtr + length)
  }

  /** What became of a series by its number; valid until start(). */
  written(series: number): WrittenChunks {
    const at = (this.#seriesPtr + series * seriesBytes) / 4
    const [dataBytes, samples] = [this.#words[at + 2]!, this.#words[at + 3]!]
    return { end: this.#words[at + 1]!, dataBytes, samples, isPlain: this.#words[at + 4] === 1 }
  }
}
