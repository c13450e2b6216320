// Kernels over one WebAssembly instance: copies chunks in, writes the calls, turns error numbers into typed errors.
// Owns the instance's memory: arena, columns and a staging block for chunks.
import { MnemoError } from '../kit/errors.ts'
import { Arena } from './arena.ts'
import { KernelColumns } from './columns.ts'
import type {
  AccumulateFunction,
  Accumulator,
  AggregateColumns,
  KernelOptions,
  Kernels,
  MergedRuns,
  Row,
  SampleColumns,
  SampleRange,
  Steps,
  WindowFunction,
  WireRange,
} from './kernels.ts'
import { accumulators, instantiate, type KernelExports, windowExports } from './module.ts'
import { type Block, PageHeap } from './page-heap.ts'
import { type InputOfBlock, KernelSeriesInput } from './series-input.ts'
import { KernelSeriesMerge, type SeriesMergeOptions } from './series-merge.ts'

const pageBytes = 65_536
/** One page less than 4 GiB, so that no address behind a block wraps to 0. */
const mostMemoryBytes = 2 ** 32 - pageBytes
/** The sample count of a chunk is a u16; an XOR sample takes at most 145 bits, the first at most 10 + 8 bytes; an XOR2 sample 219. */
const maxSamples = 65_535
const sampleBytes = 19
const xor2SampleBytes = 28
const marginBytes = 64
/** Encoded chunks are handed out in memory of this size. */
const slabBytes = 32 * 1024

/** New kernels with a memory of their own. Throws `config` where the kernels were not built. */
export function createKernels(options: KernelOptions = {}): Kernels {
  return new Instance(Math.min(options.maxMemoryBytes ?? mostMemoryBytes, mostMemoryBytes))
}

class Instance implements Kernels {
  readonly memory: WebAssembly.Memory
  private readonly wasm: KernelExports
  private readonly heap: PageHeap
  private readonly arena: Arena
  /** A WindowCall (assembly/window.ts). */
  private readonly callPtr: number
  private staging: Block
  private slab = new ArrayBuffer(slabBytes)
  private slabUsed = 0
  private bytes: Uint8Array
  private wordsOfMemory: Uint32Array
  private doublesOfMemory: Float64Array

  constructor(maxMemoryBytes: number) {
    this.memory = new WebAssembly.Memory({ initial: 1, maximum: Math.max(1, Math.floor(maxMemoryBytes / pageBytes)) })
    this.wasm = instantiate(this.memory)
    this.heap = new PageHeap(this.memory, maxMemoryBytes)
    this.arena = new Arena(this.heap)
    this.staging = this.heap.take(pageBytes)
    this.callPtr = this.arena.alloc(80)
    this.bytes = new Uint8Array(this.memory.buffer)
    this.wordsOfMemory = new Uint32Array(this.memory.buffer)
    this.doublesOfMemory = new Float64Array(this.memory.buffer)
  }

  get words(): Uint32Array {
    this.views()
    return this.wordsOfMemory
  }

  get doubles(): Float64Array {
    this.views()
    return this.doublesOfMemory
  }

  alloc(bytes: number): number {
    return this.arena.alloc(bytes)
  }

  mark(): number {
    return this.arena.mark()
  }

  release(mark: number): void {
    this.arena.release(mark)
  }

  take(bytes: number): Block {
    return this.heap.take(bytes)
  }

  give(block: Block): void {
    this.heap.give(block)
  }

  seriesInput(block: InputOfBlock): KernelSeriesInput {
    return new KernelSeriesInput(this, this.heap, this.wasm, block)
  }

  seriesMerge(inputs: readonly KernelSeriesInput[], options: SeriesMergeOptions): KernelSeriesMerge {
    return new KernelSeriesMerge(this, this.heap, this.wasm, { inputs, ...options })
  }

  f64(ptr: number, length: number): Float64Array {
    return new Float64Array(this.memory.buffer, ptr, length)
  }

  u8(ptr: number, length: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, ptr, length)
  }

  columns(): KernelColumns {
    return new KernelColumns(this, this.heap)
  }

  row(steps: number): Row {
    const valuesPtr = this.alloc(steps * 8)
    const presentPtr = this.alloc(steps)
    this.u8(presentPtr, steps).fill(0)
    return { valuesPtr, presentPtr }
  }

  recordsAreWhole(records: Uint8Array): boolean {
    this.stageBytes(records)
    return this.wasm.recordsAreWhole(this.staging.ptr, records.length) !== 0
  }

  xxhash64(bytes: Uint8Array): bigint {
    this.stageBytes(bytes)
    return BigInt.asUintN(64, this.wasm.xxhash64(this.staging.ptr, bytes.length))
  }

  private stageBytes(bytes: Uint8Array): void {
    this.stage(bytes.length + marginBytes)
    this.views()
    this.bytes.set(bytes, this.staging.ptr)
  }

  decodeXor(chunk: Uint8Array, into: SampleColumns): void {
    const count = chunk.length < 2 ? 0 : (chunk[0]! << 8) | chunk[1]!
    // From the third on a sample takes at least 2 bits: a count that cannot be true reserves nothing.
    if (chunk.length < 2 || count > 2 + chunk.length * 4)
      throw new MnemoError('corrupt', `cannot decode XOR chunk: got ${chunk.length} bytes, want ${count} samples`)
    const used = this.stageChunk(chunk, count * sampleBytes)
    into.reserve(count)
    const at = into.length * 8
    const { ptr, bytes } = this.staging
    const decoded = this.wasm.decodeXor(ptr, used, ptr + bytes / 2, into.timesPtr + at, into.valuesPtr + at)
    if (decoded < 0) throw this.decodeError('XOR', decoded, { count, length: chunk.length })
    into.length += decoded
  }

  decodeXor2(chunk: Uint8Array, into: SampleColumns, startsPtr = 0): void {
    const count = chunk.length < 3 ? 0 : (chunk[0]! << 8) | chunk[1]!
    // From the third on a sample takes at least a bit.
    if (chunk.length < 3 || count > 2 + chunk.length * 8)
      throw new MnemoError('corrupt', `cannot decode XOR2 chunk: got ${chunk.length} bytes, want ${count} samples`)
    const used = this.stageChunk(chunk, count * xor2SampleBytes)
    into.reserve(count)
    const at = into.length * 8
    const { ptr, bytes } = this.staging
    const columns = [into.timesPtr + at, into.valuesPtr + at, startsPtr] as const
    const decoded = this.wasm.decodeXor2(ptr, used, ptr + bytes / 2, ...columns)
    if (decoded < 0) throw this.decodeError('XOR2', decoded, { count, length: chunk.length })
    into.length += decoded
  }

  decodePlain(fields: Uint8Array, { minTime, maxTime, samples, start }: WireRange, into: SampleColumns): boolean {
    const length = this.stageChunk(fields, fields.length)
    into.reserve(samples)
    const at = into.length * 8
    const last = into.length > start ? into.times()[into.length - 1]! : Number.NEGATIVE_INFINITY
    const { ptr, bytes } = this.staging
    const { timesPtr, valuesPtr } = into
    const words = ptr + bytes / 2
    const decoded = this.wasm.decodePlain(ptr, length, words, timesPtr + at, valuesPtr + at, minTime, maxTime, last)
    if (decoded < 0) return false
    into.length += decoded
    return true
  }

  /** Copies a chunk of at most so many bytes into the first half of the staging block; returns the number of bytes copied. */
  private stageChunk(chunk: Uint8Array, mostBytes: number): number {
    const most = mostBytes + marginBytes
    const used = chunk.length > most ? chunk.subarray(0, most) : chunk
    this.stage(2 * (used.length + marginBytes))
    this.views()
    this.bytes.set(used, this.staging.ptr)
    return used.length
  }

  private decodeError(kind: string, code: number, chunk: { count: number; length: number }): MnemoError {
    const got = code === -1 ? 'the end' : code === -2 ? 'a varint of more than 64 bits' : 'a value wider than 64 bits'
    const where = `in sample ${this.wasm.failedSample.value} of ${chunk.count}, ${chunk.length} bytes`
    return new MnemoError('corrupt', `cannot decode ${kind} chunk: got ${got} ${where}`)
  }

  encodeXor(from: SampleColumns, fromIndex: number, toIndex: number): Uint8Array {
    const { times, values, count } = encodedRange(from, fromIndex, toIndex)
    this.stage(count * sampleBytes + marginBytes)
    return this.staged(this.wasm.encodeXor(times, values, count, this.staging.ptr))
  }

  encodeXor2(from: SampleColumns, fromIndex: number, toIndex: number, startsPtr = 0): Uint8Array {
    const { times, values, count } = encodedRange(from, fromIndex, toIndex)
    this.stage(count * xor2SampleBytes + marginBytes)
    return this.staged(this.wasm.encodeXor2(times, values, startsPtr, count, this.staging.ptr))
  }

  /** A copy of the staging block's first bytes; small ones share memory, since each buffer is costly to make and to collect. */
  private staged(length: number): Uint8Array {
    this.views()
    const { ptr } = this.staging
    if (length > slabBytes / 8) return this.bytes.slice(ptr, ptr + length)
    if (this.slabUsed + length > slabBytes) {
      this.slab = new ArrayBuffer(slabBytes)
      this.slabUsed = 0
    }
    const copy = new Uint8Array(this.slab, this.slabUsed, length)
    copy.set(this.bytes.subarray(ptr, ptr + length))
    this.slabUsed += length
    return copy
  }

  reuseEncoded(): void {
    this.slabUsed = 0
  }

  dropStale(columns: SampleColumns, from: number): void {
    const { length, timesPtr, valuesPtr } = columns
    const after = from > 0 ? columns.times()[from - 1]! : Number.NEGATIVE_INFINITY
    columns.length = from + this.wasm.dropStale(timesPtr + from * 8, valuesPtr + from * 8, length - from, after)
  }

  dropNaN({ columns, from, to }: SampleRange): number {
    return from + this.wasm.dropNaN(columns.timesPtr + from * 8, columns.valuesPtr + from * 8, to - from)
  }

  applyResets(columns: SampleColumns): number {
    columns.length = this.wasm.applyResets(columns.timesPtr, columns.valuesPtr, columns.length)
    return this.wasm.lastRawValue.value
  }

  aggregate({ columns, from, to }: SampleRange, resolutionMs: number, into: AggregateColumns): void {
    const { count, sum, min, max, counter } = into
    const outputs = [count, sum, min, max, counter]
    for (const output of outputs) output.reserve(to - from)
    const mark = this.mark()
    const call = this.alloc(24)
    this.views()
    this.words.set(
      [count.timesPtr + count.length * 8, ...outputs.map((one) => one.valuesPtr + one.length * 8)],
      call / 4,
    )
    const { timesPtr, valuesPtr } = columns
    const resolution = BigInt(resolutionMs)
    const windows = this.wasm.aggregateWindows(timesPtr + from * 8, valuesPtr + from * 8, to - from, resolution, call)
    this.release(mark)
    const times = this.f64(count.timesPtr + count.length * 8, windows)
    for (const output of outputs) {
      if (output !== count) this.f64(output.timesPtr + output.length * 8, windows).set(times)
      output.length += windows
    }
  }

  merge(rule: 'chain' | 'penalty', { merged, next, scratch, settled }: MergedRuns): number {
    scratch.clear()
    scratch.reserve(merged.length - settled + next.length)
    const mark = this.mark()
    const call = this.alloc(32)
    this.views()
    const runs = [merged.timesPtr, merged.valuesPtr, merged.length, next.timesPtr, next.valuesPtr, next.length]
    this.words.set([...runs, scratch.timesPtr, scratch.valuesPtr], call / 4)
    const length = this.wasm[rule === 'chain' ? 'mergeChain' : 'mergePenalty'](call, settled)
    this.release(mark)
    const start = this.wasm.mergeStart.value
    merged.length = start
    merged.reserve(length)
    this.views()
    const copy = (to: number, from: number) => this.bytes.copyWithin(to + start * 8, from, from + length * 8)
    copy(merged.timesPtr, scratch.timesPtr)
    copy(merged.valuesPtr, scratch.valuesPtr)
    merged.length = start + length
    return start
  }

  /** Makes the staging block hold at least `bytes`. */
  private stage(bytes: number): void {
    if (bytes <= this.staging.bytes) return
    const larger = this.heap.take(bytes)
    this.heap.give(this.staging)
    this.staging = larger
  }

  /** Renews the views of the whole memory after it has grown. */
  private views(): void {
    const { buffer } = this.memory
    if (this.bytes.buffer === buffer) return
    this.bytes = new Uint8Array(buffer)
    this.wordsOfMemory = new Uint32Array(buffer)
    this.doublesOfMemory = new Float64Array(buffer)
  }

  window(
    func: WindowFunction,
    columns: SampleColumns,
    steps: Steps,
    rangeMs: number,
    params: readonly number[],
    into: Row,
  ): void {
    const mark = this.mark()
    const scratch = this.alloc(this.wasm.scratchBytes(columns.length, steps.count) >>> 0)
    this.writeCall({ columns, steps, rangeMs, params, into, scratch })
    this.wasm[windowExports[func]](this.callPtr)
    this.release(mark)
  }

  lookback(columns: SampleColumns, steps: Steps, lookbackMs: number, into: Row, timesInto?: Row): void {
    this.writeCall({ columns, steps, rangeMs: lookbackMs, params: [], into, scratch: 0 })
    this.wasm.lookback(this.callPtr, timesInto?.valuesPtr ?? 0)
    if (timesInto !== undefined)
      this.bytes.copyWithin(timesInto.presentPtr, into.presentPtr, into.presentPtr + steps.count)
  }

  /** Fills the WindowCall in the layout of assembly/window.ts. */
  private writeCall(call: {
    columns: SampleColumns
    steps: Steps
    rangeMs: number
    params: readonly number[]
    into: Row
    scratch: number
  }): void {
    this.views()
    const word = this.callPtr / 4
    const double = this.callPtr / 8
    this.words[word] = call.columns.timesPtr
    this.words[word + 1] = call.columns.valuesPtr
    this.words[word + 2] = call.columns.length
    this.words[word + 3] = call.steps.count
    this.doubles[double + 2] = call.steps.startMs
    this.doubles[double + 3] = call.steps.stepMs
    this.doubles[double + 4] = call.rangeMs
    this.doubles[double + 5] = call.params[0] ?? 0
    this.doubles[double + 6] = call.params[1] ?? 0
    this.words[word + 14] = call.scratch
    this.words[word + 15] = call.into.valuesPtr
    this.words[word + 16] = call.into.presentPtr
  }

  accumulator(func: AccumulateFunction, steps: number): Accumulator {
    const { add, finish, rows, initial } = accumulators[func]
    const strideBytes = Math.ceil(steps / 2) * 16
    const state = this.alloc(16 + rows * strideBytes + steps)
    new Uint32Array(this.memory.buffer, state, 3).set([steps, strideBytes, rows])
    this.f64(state + 16, (rows * strideBytes) / 8).fill(initial)
    this.u8(state + 16 + rows * strideBytes, steps).fill(0)
    return {
      add: (row) => this.wasm[add](state, row.valuesPtr, row.presentPtr),
      finish: (into) => this.wasm[finish](state, into.valuesPtr, into.presentPtr),
    }
  }
}

/** Addresses of samples [fromIndex, toIndex), which must be there and fit one chunk. */
function encodedRange(
  from: SampleColumns,
  fromIndex: number,
  toIndex: number,
): { times: number; values: number; count: number } {
  const count = toIndex - fromIndex
  if (!(fromIndex >= 0 && count >= 0 && toIndex <= from.length && count <= maxSamples))
    throw new MnemoError(
      'internal',
      `cannot encode chunk: got samples [${fromIndex}, ${toIndex}) of ${from.length}, want at most ${maxSamples}`,
    )
  return { times: from.timesPtr + fromIndex * 8, values: from.valuesPtr + fromIndex * 8, count }
}
