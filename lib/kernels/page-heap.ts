// Blocks of linear memory: powers of two of at least 64 KiB, kept on free lists and split when a smaller one is wanted.
// Owns the growth of the memory, which ends at a cap; the first page belongs to the compiled module's own data.
import { MnemoError } from '../kit/errors.ts'

const pageBytes = 65_536

export interface Block {
  readonly ptr: number
  readonly bytes: number
}

export class PageHeap {
  private readonly memory: WebAssembly.Memory
  private readonly maxBytes: number
  /** Addresses of free blocks by log2 of their size. */
  private readonly free: number[][] = []

  constructor(memory: WebAssembly.Memory, maxBytes: number) {
    this.memory = memory
    this.maxBytes = maxBytes
  }

  /** A block of at least `bytes`; throws `resource_exhausted` over the cap. */
  take(bytes: number): Block {
    const order = Math.max(16, Math.ceil(Math.log2(bytes)))
    let from = order
    while (from < 32 && !this.free[from]?.length) from++
    if (from >= 32) return this.grow(order, bytes)
    const ptr = this.free[from]!.pop()!
    // Each split leaves the upper half behind.
    while (from > order) this.give({ ptr: ptr + 2 ** --from, bytes: 2 ** from })
    return { ptr, bytes: 2 ** order }
  }

  give(block: Block): void {
    const order = Math.log2(block.bytes)
    const list = this.free[order] ?? []
    this.free[order] = list
    list.push(block.ptr)
  }

  private grow(order: number, wanted: number): Block {
    const ptr = this.memory.buffer.byteLength
    const bytes = 2 ** order
    if (!(ptr + bytes <= this.maxBytes))
      throw new MnemoError(
        'resource_exhausted',
        `cannot take ${wanted} bytes of kernel memory: got ${ptr} in use, want at most ${this.maxBytes}`,
      )
    try {
      this.memory.grow(bytes / pageBytes)
    } catch (cause) {
      throw new MnemoError(
        'resource_exhausted',
        `cannot grow kernel memory by ${bytes} bytes: the system refused at ${ptr}`,
        { cause },
      )
    }
    return { ptr, bytes }
  }
}
