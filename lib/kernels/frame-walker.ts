// Finds the series in the frames of a Series stream: a frame is copied into kernel memory and walked there in one call.
// Owns an instance of the kernels and its memory: one a thread is enough, for nothing in it outlives a call of walk().
import { instantiate, type KernelExports } from './module.ts'

const pageBytes = 65_536
/** Behind the compiled module's own page: places, then the frame. */
const placesPtr = pageBytes
const maxPlaces = 4096
const placeBytes = 48
const framePtr = placesPtr + maxPlaces * placeBytes
/** What a kernel may read behind a frame. */
const marginBytes = 64
/** Larger frames (Thanos sends a series whole) are not copied. */
const maxFrameBytes = 4 << 20

/** The series of the last frame; offsets are in the frame. Fields of a place in the order of assembly/wire-read.ts. */
export class FrameWalker {
  readonly #memory: WebAssembly.Memory
  readonly #wasm: KernelExports
  #bytes: Uint8Array
  #words: Uint32Array
  #times: Float64Array

  constructor() {
    this.#memory = new WebAssembly.Memory({ initial: (framePtr + 2 * pageBytes) / pageBytes })
    this.#wasm = instantiate(this.#memory)
    this.#bytes = new Uint8Array(this.#memory.buffer)
    this.#words = new Uint32Array(this.#memory.buffer)
    this.#times = new Float64Array(this.#memory.buffer)
  }

  /** The number of series in the frame; −1 where it is to be read in another way: too large, or not of series alone. */
  walk(frame: Uint8Array): number {
    if (frame.length > maxFrameBytes) return -1
    const missing = framePtr + frame.length + marginBytes - this.#bytes.length
    if (missing > 0) this.#grow(missing)
    this.#bytes.set(frame, framePtr)
    return this.#wasm.walkFrame(framePtr, frame.length, placesPtr, maxPlaces)
  }

  #grow(bytes: number): void {
    this.#memory.grow(Math.ceil(bytes / pageBytes))
    this.#bytes = new Uint8Array(this.#memory.buffer)
    this.#words = new Uint32Array(this.#memory.buffer)
    this.#times = new Float64Array(this.#memory.buffer)
  }

  #word(series: number, field: number): number {
    return this.#words[(placesPtr + series * placeBytes) / 4 + field]!
  }

  /** Where the series' message begins, after its length. */
  start(series: number): number {
    return this.#word(series, 0) - framePtr
  }

  /** Where its labels end and, in a plain series, its chunks begin. */
  chunksStart(series: number): number {
    return this.#word(series, 1) - framePtr
  }

  end(series: number): number {
    return this.#word(series, 2) - framePtr
  }

  /** XOR chunks alone, one after the other in time, their hashes verified; what follows is told of such a series alone. */
  isPlain(series: number): boolean {
    return this.#word(series, 3) === 1
  }

  chunkCount(series: number): number {
    return this.#word(series, 4)
  }

  /** Of all its chunks' data. */
  dataBytes(series: number): number {
    return this.#word(series, 5)
  }

  /** As the chunks' headers tell. */
  samples(series: number): number {
    return this.#word(series, 6)
  }

  /** Of the first chunk; Infinity where there is none. */
  minTime(series: number): number {
    return this.#times[(placesPtr + series * placeBytes) / 8 + 4]!
  }

  /** Of the last chunk; -Infinity where there is none. */
  maxTime(series: number): number {
    return this.#times[(placesPtr + series * placeBytes) / 8 + 5]!
  }
}
