// Memory that is freed all at once: a position moves up through blocks of the page heap, and back to where it was marked.
import { MnemoError } from '../kit/errors.ts'
import type { Block, PageHeap } from './page-heap.ts'

const leastBlockBytes = 1 << 20
/** A position is block index × 2^32 + offset in the block. */
const indexUnit = 2 ** 32

export class Arena {
  private readonly heap: PageHeap
  private readonly blocks: Block[] = []
  private current: Block
  private offset = 0

  constructor(heap: PageHeap) {
    this.heap = heap
    this.current = heap.take(leastBlockBytes)
    this.blocks.push(this.current)
  }

  /** 16-byte aligned address of `bytes` that hold anything. */
  alloc(bytes: number): number {
    const offset = this.offset
    const next = offset + Math.ceil(bytes / 16) * 16
    if (next <= this.current.bytes) {
      this.offset = next
      return this.current.ptr + offset
    }
    if (!(bytes >= 0)) throw new MnemoError('internal', `cannot allocate kernel memory: got ${bytes} bytes`)
    this.current = this.heap.take(Math.max(leastBlockBytes, bytes))
    this.blocks.push(this.current)
    this.offset = Math.ceil(bytes / 16) * 16
    return this.current.ptr
  }

  mark(): number {
    return (this.blocks.length - 1) * indexUnit + this.offset
  }

  release(mark: number): void {
    const index = Math.floor(mark / indexUnit)
    const block = this.blocks[index]
    if (block === undefined || mark > this.mark())
      throw new MnemoError('internal', `cannot release kernel memory: got mark ${mark}, want at most ${this.mark()}`)
    for (const later of this.blocks.splice(index + 1)) this.heap.give(later)
    this.current = block
    this.offset = mark % indexUnit
  }
}
