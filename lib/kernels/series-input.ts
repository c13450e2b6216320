// The series of one block as kernels read them (assembly/series-input.ts): its struct, and room for the series at hand.
// Owns that room until free(); the bytes that are at hand are the caller's.
import { Fields, layoutOf, type MemoryViews } from './fields.ts'
import type { KernelExports } from './module.ts'
import type { Block, PageHeap } from './page-heap.ts'

/** What a kernel stopped at; what each one wants is told in assembly/series-input.ts and assembly/series-merge.ts. */
export const step = {
  done: 0,
  end: 1,
  entries: 2,
  large: 3,
  strange: 4,
  unordered: 5,
  numbers: 6,
  chunks: 7,
  other: 8,
  take: 9,
  samples: 10,
} as const
export type Step = (typeof step)[keyof typeof step]

/** Symbols in a page of numbers. */
export const numbersInPage = 4096

const seriesLayout = layoutOf({
  symbols: 'u32',
  labelRoom: 'u32',
  labelLength: 'u32',
  minTimes: 'u32',
  maxTimes: 'u32',
  chunkRefs: 'u32',
  chunkRoom: 'u32',
  chunkCount: 'u32',
})

const runLayout = layoutOf({
  start: 'u32',
  end: 'u32',
  starts: 'u32',
  dataStarts: 'u32',
  sampleCounts: 'u32',
  numSamples: 'f64',
  numFloatSamples: 'f64',
  numHistogramSamples: 'f64',
})

const inputLayout = layoutOf({
  entry: 'u32',
  entriesEnd: 'u32',
  entryOffset: 'f64',
  isLast: 'u32',
  chunks: 'u32',
  chunksEnd: 'u32',
  chunksRef: 'f64',
  minTime: 'f64',
  maxTime: 'f64',
  symbolCount: 'u32',
  areAscending: 'u32',
  pages: 'u32',
  deleted: 'u32',
  deletedEnd: 'u32',
  lastSymbols: 'u32',
  numbers: 'u32',
  series: 'u32',
  run: 'u32',
  isOther: 'u32',
  state: 'u32',
  hasLast: 'u32',
  lastLength: 'u32',
  translated: 'u32',
  wanted: 'u32',
  ref: 'u32',
})

const countLayout = layoutOf({ numSeries: 'f64', numChunks: 'f64', numSamples: 'f64' })

/** Cells of the arrays that a new input has. */
const firstLabelRoom = 128
const firstChunkRoom = 256
/** Three lists of symbols; three f64 and three u32 a chunk. */
const labelCellBytes = 3 * 4
const chunkCellBytes = 3 * 8 + 3 * 4

/** A block, and what of it holds for all of its series. */
export interface InputOfBlock {
  /** [minTime, maxTime), in ms. */
  readonly minTime: number
  readonly maxTime: number
  readonly symbolCount: number
  /** The symbols' numbers are in the order of their bytes. */
  readonly areAscending: boolean
  /** References of series of which something was deleted, ascending. */
  readonly deleted: Uint32Array
}

/** Where the chunks of a series lie that were found: addresses in kernel memory, one more of `starts` than chunks. */
export interface FoundChunks {
  readonly count: number
  readonly starts: Uint32Array
  readonly dataStarts: Uint32Array
  readonly sampleCounts: Uint32Array
}

export interface SeriesCounts {
  readonly numSeries: number
  readonly numChunks: number
  readonly numSamples: number
}

export class KernelSeriesInput {
  readonly #memory: MemoryViews
  readonly #heap: PageHeap
  readonly #wasm: KernelExports
  readonly #structs: Block
  readonly #input: Fields<keyof typeof inputLayout.fields>
  readonly #series: Fields<keyof typeof seriesLayout.fields>
  readonly #run: Fields<keyof typeof runLayout.fields>
  readonly #count: Fields<keyof typeof countLayout.fields>
  readonly #deleted: Block | undefined
  #room: Block

  constructor(memory: MemoryViews, heap: PageHeap, wasm: KernelExports, block: InputOfBlock) {
    this.#memory = memory
    this.#heap = heap
    this.#wasm = wasm
    const { deleted, areAscending, ...rest } = block
    this.#structs = heap.take(1)
    let ptr = this.#structs.ptr
    const place = <F extends string>(layout: ReturnType<typeof layoutOf<F>>) => {
      const fields = new Fields(memory, layout, ptr)
      ptr += layout.bytes
      return fields
    }
    this.#input = place(inputLayout)
    this.#series = place(seriesLayout)
    this.#run = place(runLayout)
    this.#count = place(countLayout)
    memory.words.fill(0, this.#structs.ptr / 4, ptr / 4)
    this.#room = heap.take(1)
    if (deleted.length > 0) {
      this.#deleted = heap.take(deleted.byteLength)
      memory.words.set(deleted, this.#deleted.ptr / 4)
    }
    const deletedPtr = this.#deleted?.ptr ?? 0
    this.#input.set({
      ...rest,
      areAscending: areAscending ? 1 : 0,
      deleted: deletedPtr,
      deletedEnd: deletedPtr + deleted.byteLength,
      series: this.#series.ptr,
      run: this.#run.ptr,
    })
    this.#place(this.#room, firstLabelRoom, firstChunkRoom)
  }

  /** Address of the struct. */
  get ptr(): number {
    return this.#input.ptr
  }

  /** What the step wants, in its unit. */
  get wanted(): number {
    return this.#input.get('wanted')
  }

  /** Of the series at hand: what postings hold. */
  get ref(): number {
    return this.#input.get('ref')
  }

  /** Offset in the file of the next entry, or of what aligns it. */
  get entryOffset(): number {
    return this.#input.get('entryOffset')
  }

  /** Symbols of the labels at hand, names and values in turn: a view, valid until the next step. */
  get symbols(): Uint32Array {
    const at = this.#series.get('symbols') / 4
    return this.#memory.words.subarray(at, at + this.#series.get('labelLength'))
  }

  /** The same of the merged list. */
  get numbers(): Uint32Array {
    const at = this.#input.get('numbers') / 4
    return this.#memory.words.subarray(at, at + this.#series.get('labelLength'))
  }

  /** Symbols of the series before; undefined at the first one. */
  get lastSymbols(): Uint32Array | undefined {
    if (this.#input.get('hasLast') === 0) return undefined
    const at = this.#input.get('lastSymbols') / 4
    return this.#memory.words.subarray(at, at + this.#input.get('lastLength'))
  }

  get chunkCount(): number {
    return this.#series.get('chunkCount')
  }

  /** Of each chunk of the series at hand: views, valid until the next step. Times in ms, both inclusive. */
  get chunkMetas(): {
    readonly minTimes: Float64Array
    readonly maxTimes: Float64Array
    readonly chunkRefs: Float64Array
  } {
    return {
      minTimes: this.#doubles('minTimes'),
      maxTimes: this.#doubles('maxTimes'),
      chunkRefs: this.#doubles('chunkRefs'),
    }
  }

  #doubles(field: 'minTimes' | 'maxTimes' | 'chunkRefs'): Float64Array {
    const at = this.#series.get(field) / 8
    return this.#memory.doubles.subarray(at, at + this.chunkCount)
  }

  /** What findChunks() has found: views, valid until the next step. */
  get found(): FoundChunks {
    const count = this.chunkCount
    const cells = (field: 'starts' | 'dataStarts' | 'sampleCounts', length: number) => {
      const at = this.#run.get(field) / 4
      return this.#memory.words.subarray(at, at + length)
    }
    return {
      count,
      starts: cells('starts', count + 1),
      dataStarts: cells('dataStarts', count),
      sampleCounts: cells('sampleCounts', count),
    }
  }

  /** Bytes of the section from its next entry on: `length` of them at `ptr`, `isLast` where it ends with them. */
  setEntries({ ptr, length, isLast }: { ptr: number; length: number; isLast: boolean }): void {
    this.#input.set({ entry: ptr, entriesEnd: ptr + length, isLast: isLast ? 1 : 0 })
  }

  /** Where the section begins in its file. */
  setEntryOffset(entryOffset: number): void {
    this.#input.set({ entryOffset })
  }

  /** Bytes of a segment; `ref` is the reference of the first one. */
  setChunks({ ptr, length, ref }: { ptr: number; length: number; ref: number }): void {
    this.#input.set({ chunks: ptr, chunksEnd: ptr + length, chunksRef: ref })
  }

  /** Address of the table of pages: u32 addresses. */
  setPages(pages: number): void {
    this.#input.set({ pages })
  }

  /** The chunks of the series at hand are found by the caller. */
  setOther(): void {
    this.#input.set({ isOther: 1 })
  }

  next(): Step {
    return this.#wasm.nextSeries(this.ptr) as Step
  }

  leave(): void {
    this.#wasm.leaveSeries(this.ptr)
  }

  acceptOrder(): void {
    this.#wasm.acceptOrder(this.ptr)
  }

  findChunks(): Step {
    return this.#wasm.findChunks(this.ptr) as Step
  }

  chunksAreWhole(): boolean {
    return this.#wasm.chunksAreWhole(this.ptr) !== 0
  }

  /** Counts series that are simple, their chunks verified; leaves the others at hand. */
  count(): Step {
    return this.#wasm.countSeries(this.ptr, this.#count.ptr) as Step
  }

  get counted(): SeriesCounts {
    return {
      numSeries: this.#count.get('numSeries'),
      numChunks: this.#count.get('numChunks'),
      numSamples: this.#count.get('numSamples'),
    }
  }

  /** Makes room for what the entry that was too large holds. */
  grow(): void {
    const most = (wanted: number, room: number) => (wanted > room ? wanted * 2 : room)
    const labelRoom = most(this.#wasm.wantedLabels.value >>> 0, this.#series.get('labelRoom'))
    const chunkRoom = most(this.#wasm.wantedChunks.value >>> 0, this.#series.get('chunkRoom'))
    const larger = this.#heap.take(labelRoom * labelCellBytes + (chunkRoom + 1) * chunkCellBytes)
    const last = this.lastSymbols?.slice()
    this.#heap.give(this.#room)
    this.#room = larger
    this.#place(larger, labelRoom, chunkRoom)
    if (last) this.#memory.words.set(last, this.#input.get('lastSymbols') / 4)
  }

  /** Places the arrays in a block; f64 first, which are aligned then. */
  #place({ ptr }: Block, labelRoom: number, chunkRoom: number): void {
    let at = ptr
    const cells = (count: number, size: number) => {
      const start = at
      at += count * size
      return start
    }
    this.#series.set({
      minTimes: cells(chunkRoom, 8),
      maxTimes: cells(chunkRoom, 8),
      chunkRefs: cells(chunkRoom, 8),
      symbols: cells(labelRoom, 4),
      labelRoom,
      chunkRoom,
    })
    this.#input.set({ lastSymbols: cells(labelRoom, 4), numbers: cells(labelRoom, 4) })
    this.#run.set({
      starts: cells(chunkRoom + 1, 4),
      dataStarts: cells(chunkRoom, 4),
      sampleCounts: cells(chunkRoom, 4),
    })
  }

  free(): void {
    for (const block of [this.#structs, this.#room, this.#deleted]) if (block) this.#heap.give(block)
  }
}
