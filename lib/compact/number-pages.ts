// A block's translation into the merged list's numbers as kernels look it up: pages of it in kernel memory, loaded as they are wanted.
// Owns the pages and their table until free(): at most a mebibyte, and four bytes for each page that there is.
import type { Kernels } from '../kernels/kernels.ts'
import type { Block } from '../kernels/page-heap.ts'
import { numbersInPage } from '../kernels/series-input.ts'
import type { BlockNumbers } from './symbol-merge.ts'

const pageBytes = numbersInPage * 4
const mostPages = 64

export class NumberPages {
  readonly #kernels: Kernels
  readonly #numbers: BlockNumbers
  readonly #table: Block
  readonly #slots: Block
  readonly #slotCount: number
  /** The page that each slot has. */
  readonly #pageOf: number[] = []
  #nextSlot = 0

  constructor(kernels: Kernels, numbers: BlockNumbers) {
    const pages = Math.ceil(numbers.count / numbersInPage)
    this.#kernels = kernels
    this.#numbers = numbers
    this.#slotCount = Math.max(1, Math.min(pages, mostPages))
    this.#table = kernels.take(Math.max(1, pages * 4))
    this.#slots = kernels.take(this.#slotCount * pageBytes)
    kernels.u8(this.#table.ptr, this.#table.bytes).fill(0)
  }

  /** Address of the table. */
  get ptr(): number {
    return this.#table.ptr
  }

  /** Has the page at hand, in place of the one that was loaded first. */
  load(page: number): void {
    const slot = this.#nextSlot
    this.#nextSlot = (slot + 1) % this.#slotCount
    const before = this.#pageOf[slot]
    this.#pageOf[slot] = page
    const ptr = this.#slots.ptr + slot * pageBytes
    const numbers = this.#numbers.borrow(page * numbersInPage, numbersInPage)
    this.#kernels.u8(ptr, numbers.byteLength).set(numbers)
    const table = new Uint32Array(this.#kernels.memory.buffer, this.#table.ptr, this.#table.bytes / 4)
    if (before !== undefined) table[before] = 0
    table[page] = ptr
  }

  free(): void {
    this.#kernels.give(this.#table)
    this.#kernels.give(this.#slots)
  }
}
