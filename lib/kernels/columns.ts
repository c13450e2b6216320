// Sample columns: times and values of one series side by side in kernel memory, one block each.
// Owns the growth of the two columns; kernels read and write them by address.
import { MnemoError } from '../kit/errors.ts'
import type { Kernels, SampleColumns } from './kernels.ts'
import type { Block, PageHeap } from './page-heap.ts'

export type { SampleColumns } from './kernels.ts'

/** Cells of 8 bytes in a block, less the one that kernels may write behind the last sample. */
const capacityOf = (block: Block) => block.bytes / 8 - 1

export class KernelColumns implements SampleColumns {
  readonly kernels: Kernels
  length = 0
  private readonly heap: PageHeap
  private freed = false
  private timesBlock: Block
  private valuesBlock: Block
  private capacity: number

  constructor(kernels: Kernels, heap: PageHeap) {
    this.kernels = kernels
    this.heap = heap
    this.timesBlock = heap.take(1)
    this.valuesBlock = heap.take(1)
    this.capacity = capacityOf(this.valuesBlock)
  }

  get timesPtr(): number {
    return this.timesBlock.ptr
  }

  get valuesPtr(): number {
    return this.valuesBlock.ptr
  }

  reserve(count: number): void {
    const want = this.length + count
    if (want <= this.capacity) return
    // Both blocks first, so that a refusal leaves the columns as they were.
    const timesBlock = this.heap.take((want + 1) * 8)
    const valuesBlock = this.heap.take((want + 1) * 8)
    this.timesBlock = this.move(this.timesBlock, timesBlock)
    this.valuesBlock = this.move(this.valuesBlock, valuesBlock)
    this.capacity = capacityOf(timesBlock)
  }

  private move(from: Block, to: Block): Block {
    this.kernels.u8(to.ptr, this.length * 8).set(this.kernels.u8(from.ptr, this.length * 8))
    this.heap.give(from)
    return to
  }

  clear(): void {
    this.length = 0
  }

  push(timeMs: number, value: number): void {
    this.reserve(1)
    this.kernels.f64(this.timesPtr, this.length + 1)[this.length] = timeMs
    this.kernels.f64(this.valuesPtr, this.length + 1)[this.length] = value
    this.length++
  }

  pushBits(timeMs: number, valueBits: bigint): void {
    this.push(timeMs, 0)
    this.valueBits()[this.length - 1] = valueBits
  }

  times(): Float64Array {
    return this.kernels.f64(this.timesPtr, this.length)
  }

  values(): Float64Array {
    return this.kernels.f64(this.valuesPtr, this.length)
  }

  valueBits(): BigUint64Array {
    return new BigUint64Array(this.kernels.memory.buffer, this.valuesPtr, this.length)
  }

  /** Gives the memory back; the columns must not be used after it. */
  free(): void {
    if (this.freed) throw new MnemoError('internal', 'cannot free sample columns: they are free')
    this.freed = true
    this.heap.give(this.timesBlock)
    this.heap.give(this.valuesBlock)
  }
}
