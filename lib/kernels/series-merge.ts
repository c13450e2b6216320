// The merge of several blocks' series as kernels do it (assembly/series-merge.ts): its struct, and room for what it writes.
// Owns that room until free(); the inputs are the caller's.
import { Fields, layoutOf, type MemoryViews } from './fields.ts'
import type { KernelExports } from './module.ts'
import type { Block, PageHeap } from './page-heap.ts'
import type { KernelSeriesInput, Step } from './series-input.ts'

const mergeLayout = layoutOf({
  inputs: 'u32',
  inputCount: 'u32',
  members: 'u32',
  isVerified: 'u32',
  indexOffset: 'f64',
  chunkRef: 'f64',
  segmentRoom: 'f64',
  entries: 'u32',
  entriesRoom: 'u32',
  chunks: 'u32',
  chunksRoom: 'u32',
  overlap: 'u32',
  memberCount: 'u32',
  input: 'u32',
  entriesLength: 'u32',
  chunksLength: 'u32',
  numSeries: 'u32',
  numChunks: 'u32',
  firstRef: 'u32',
  lastRef: 'u32',
  seriesMaxSize: 'u32',
  chunkMaxSize: 'u32',
  numSamples: 'f64',
  numFloatSamples: 'f64',
  numHistogramSamples: 'f64',
  numRead: 'f64',
  numDropped: 'f64',
  minTime: 'f64',
  maxTime: 'f64',
})

const overlapLayout = layoutOf({
  listed: 'u32',
  made: 'u32',
  listRoom: 'u32',
  cursors: 'u32',
  bytes: 'u32',
  mergedTimes: 'u32',
  mergedValues: 'u32',
  nextTimes: 'u32',
  nextValues: 'u32',
  scratchTimes: 'u32',
  scratchValues: 'u32',
  sampleRoom: 'u32',
  call: 'u32',
  isPenalty: 'u32',
  madeCount: 'u32',
  madeBytes: 'u32',
  dropped: 'f64',
})

/** A chunk and what the decoder turns it into, each with a margin. */
const chunkBytes = 2 * (64 * 1024 + 64)
const callBytes = 32
/** Of the lists of chunks, in bytes. */
const listCellBytes = 32
/** Chunks and samples that there is room for at first, once a series overlaps. */
const firstListRoom = 256
const firstSampleRoom = 4096

/** What is written before it is taken. */
const entriesRoom = 64 * 1024
const chunksRoom = 256 * 1024

/** Where the block that is written stands. */
export interface WritingPlace {
  /** Where the last entry of the index ends. */
  readonly indexOffset: number
  /** Reference of the next chunk. */
  readonly chunkRef: number
  /** What its segment may still take, in bytes. */
  readonly segmentRoom: number
}

export interface SeriesMergeOptions {
  /** Chunks are copied once their checksums have been verified; those that are decoded always are. */
  readonly isVerified: boolean
  /** Of samples that overlap, those of one replica at a time; else each time once. */
  readonly isPenalty: boolean
}

/** Series that were written one behind the other. The bytes are borrowed, until the kernels' memory grows or is written to. */
export interface WrittenSeries {
  /** From where the last entry of the index ended: each with what aligns it. */
  readonly entries: Uint8Array
  /** Records. */
  readonly chunks: Uint8Array
  readonly numSeries: number
  readonly numChunks: number
  readonly numSamples: number
  readonly numFloatSamples: number
  readonly numHistogramSamples: number
  /** Samples of all chunks that were read for them, and of those what stood in several chunks, or was left out by the penalty. */
  readonly numRead: number
  readonly numDropped: number
  /** Both inclusive, in ms. */
  readonly minTime: number
  readonly maxTime: number
  /** Of the first and the last series: what postings hold. */
  readonly firstRef: number
  readonly lastRef: number
  /** As IndexStats has them, of these series by themselves; 0 where they are too few. */
  readonly seriesMaxSize: number
  readonly chunkMaxSize: number
}

export class KernelSeriesMerge {
  readonly #memory: MemoryViews & { u8(ptr: number, length: number): Uint8Array }
  readonly #heap: PageHeap
  readonly #wasm: KernelExports
  readonly #merge: Fields<keyof typeof mergeLayout.fields>
  readonly #overlap: Fields<keyof typeof overlapLayout.fields>
  readonly #lists: Block
  readonly #written: Block
  /** For series that overlap. */
  #room: Block | undefined

  constructor(
    memory: MemoryViews & { u8(ptr: number, length: number): Uint8Array },
    heap: PageHeap,
    wasm: KernelExports,
    { inputs, isVerified, isPenalty }: SeriesMergeOptions & { readonly inputs: readonly KernelSeriesInput[] },
  ) {
    this.#memory = memory
    this.#heap = heap
    this.#wasm = wasm
    const structs = mergeLayout.bytes + overlapLayout.bytes + callBytes
    this.#lists = heap.take(structs + 3 * 4 * inputs.length)
    this.#written = heap.take(entriesRoom + chunksRoom)
    const { ptr } = this.#lists
    const lists = ptr + structs
    memory.words.fill(0, ptr / 4, lists / 4)
    memory.words.set(
      inputs.map((input) => input.ptr),
      lists / 4,
    )
    this.#merge = new Fields(memory, mergeLayout, ptr)
    this.#overlap = new Fields(memory, overlapLayout, ptr + mergeLayout.bytes)
    this.#overlap.set({
      cursors: lists + 2 * 4 * inputs.length,
      call: this.#overlap.ptr + overlapLayout.bytes,
      isPenalty: isPenalty ? 1 : 0,
    })
    this.#merge.set({
      inputs: lists,
      inputCount: inputs.length,
      members: lists + 4 * inputs.length,
      isVerified: isVerified ? 1 : 0,
      entries: this.#written.ptr,
      entriesRoom,
      chunks: this.#written.ptr + entriesRoom,
      chunksRoom,
      overlap: this.#overlap.ptr,
    })
    wasm.beginWriting(ptr)
  }

  /** Copies series as long as that is simple. */
  run(): Step {
    return this.#wasm.mergeSeries(this.#merge.ptr) as Step
  }

  /** Number of the input that the step is about. */
  get input(): number {
    return this.#merge.get('input')
  }

  /** Numbers of the inputs that stand at the smallest series. */
  get members(): number[] {
    const at = this.#merge.get('members') / 4
    return Array.from(this.#memory.words.subarray(at, at + this.#merge.get('memberCount')))
  }

  /** The smallest series has been seen to. */
  leaveMembers(): void {
    this.#wasm.leaveMembers(this.#merge.ptr)
  }

  /** Series that have been written since the last begin(). */
  get numWritten(): number {
    return this.#merge.get('numSeries')
  }

  /** What has been written since then. */
  get written(): WrittenSeries {
    const merge = this.#merge
    return {
      entries: this.#memory.u8(merge.get('entries'), merge.get('entriesLength')),
      chunks: this.#memory.u8(merge.get('chunks'), merge.get('chunksLength')),
      numSeries: merge.get('numSeries'),
      numChunks: merge.get('numChunks'),
      numSamples: merge.get('numSamples'),
      numFloatSamples: merge.get('numFloatSamples'),
      numHistogramSamples: merge.get('numHistogramSamples'),
      numRead: merge.get('numRead'),
      numDropped: merge.get('numDropped'),
      minTime: merge.get('minTime'),
      maxTime: merge.get('maxTime'),
      firstRef: merge.get('firstRef'),
      lastRef: merge.get('lastRef'),
      seriesMaxSize: merge.get('seriesMaxSize'),
      chunkMaxSize: merge.get('chunkMaxSize'),
    }
  }

  /** Goes on at the place, once what was written has been taken. */
  begin(place: WritingPlace): void {
    this.#merge.set(place)
    this.#wasm.beginWriting(this.#merge.ptr)
  }

  /** Makes room for the series whose chunks overlap, and are too many or too large. */
  grow(): void {
    const most = (wanted: number, room: number, first: number) => (wanted > room ? Math.max(2 * wanted, first) : room)
    const listRoom = most(this.#wasm.wantedListed.value >>> 0, this.#overlap.get('listRoom'), firstListRoom)
    const sampleRoom = most(this.#wasm.wantedSamples.value >>> 0, this.#overlap.get('sampleRoom'), firstSampleRoom)
    // The kernels may write behind the last sample.
    const columnBytes = (sampleRoom + 8) * 8
    const larger = this.#heap.take(2 * listRoom * listCellBytes + 6 * columnBytes + chunkBytes)
    if (this.#room) this.#heap.give(this.#room)
    this.#room = larger
    let at = larger.ptr
    const place = (bytes: number) => {
      const start = at
      at += bytes
      return start
    }
    this.#overlap.set({
      listed: place(listRoom * listCellBytes),
      made: place(listRoom * listCellBytes),
      mergedTimes: place(columnBytes),
      mergedValues: place(columnBytes),
      nextTimes: place(columnBytes),
      nextValues: place(columnBytes),
      scratchTimes: place(columnBytes),
      scratchValues: place(columnBytes),
      bytes: place(chunkBytes),
      listRoom,
      sampleRoom,
    })
  }

  free(): void {
    if (this.#room) this.#heap.give(this.#room)
    this.#heap.give(this.#lists)
    this.#heap.give(this.#written)
  }
}
