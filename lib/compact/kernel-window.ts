// A source that is read front to back into kernel memory: a part of it is at hand there, the next piece is on its way.
// Memory is the part, which has room for a piece and the rest of the one before, and a piece ahead: pieces go as soon as they are
// copied, for garbage of this size would wait for a collection that comes late. What can be read at once needs no piece.
// Owns all of it until close().
import { setImmediate } from 'node:timers/promises'
import { freeBytes } from '../bytes/free-bytes.ts'
import type { RandomAccess } from '../bytes/random-access.ts'
import type { Kernels } from '../kernels/kernels.ts'
import type { Block } from '../kernels/page-heap.ts'

export interface KernelWindowOptions {
  /** What is read at a time, and as much ahead. */
  readonly pieceBytes: number
  /** So much of what is at hand may be kept when a piece is joined to it whole. */
  readonly restBytes: number
  /** More than this is never at hand. */
  readonly mostBytes: number
}

/** Messages and timers of this thread wait no longer for work that never waits by itself. */
const longestTurnMs = 20
let turnedMs = 0

interface Piece {
  readonly start: number
  readonly bytes: Uint8Array
}

/** Bytes that are not needed yet. An outcome, not a rejection: nobody may be waiting when it fails. */
interface Ahead {
  readonly start: number
  readonly outcome: Promise<{ readonly bytes: Uint8Array } | { readonly error: unknown }>
}

export class KernelWindow {
  readonly #kernels: Kernels
  readonly #source: RandomAccess
  readonly #end: number
  readonly #options: KernelWindowOptions
  #block: Block | undefined
  #start = 0
  #length = 0
  #piece: Piece | undefined
  #ahead: Ahead | undefined

  /** Reads `source` up to `end`. */
  constructor(kernels: Kernels, { source, end }: { source: RandomAccess; end: number }, options: KernelWindowOptions) {
    this.#kernels = kernels
    this.#source = source
    this.#end = end
    this.#options = options
  }

  /** What is at hand: `length` bytes of the source from offset `start` on, at address `ptr`; `isLast`: it ends with them. */
  get atHand(): { readonly ptr: number; readonly start: number; readonly length: number; readonly isLast: boolean } {
    const [start, length] = [this.#start, this.#length]
    return { ptr: this.#block?.ptr ?? 0, start, length, isLast: start + length === this.#end }
  }

  /** Whether so many bytes can be at hand from the offset on, and are not. */
  canMove(offset: number, wanted: number): boolean {
    const isThere = offset >= this.#start && offset + wanted <= this.#start + this.#length
    return !isThere && offset < this.#end && offset + wanted <= this.#end && wanted <= this.#options.mostBytes
  }

  /** Has `wanted` bytes from the offset on at hand, or all that there are, and what follows as far as it is there. */
  async moveTo(offset: number, wanted: number, signal: AbortSignal): Promise<void> {
    this.#keepFrom(offset, wanted)
    const least = Math.min(wanted, this.#end - offset)
    while (this.#length < least) {
      if (this.#readNow()) {
        await letOthersIn()
        continue
      }
      await this.#havePiece(signal)
      this.#fill()
      // Once the memory of the piece is free.
      if (this.#piece === undefined) this.#readOn(signal)
    }
  }

  /** Moves what is at hand from the offset on to the front, of a larger block where that is needed. */
  #keepFrom(offset: number, wanted: number): void {
    const skipped = offset - this.#start
    const kept = skipped >= 0 && skipped < this.#length ? this.#length - skipped : 0
    const old = this.#block
    if (old === undefined || old.bytes < wanted) {
      const larger = this.#kernels.take(Math.max(this.#options.pieceBytes + this.#options.restBytes, wanted))
      if (old) {
        this.#kernels.u8(larger.ptr, kept).set(this.#kernels.u8(old.ptr + skipped, kept))
        this.#kernels.give(old)
      }
      this.#block = larger
    } else if (kept > 0) {
      this.#kernels.u8(old.ptr, this.#length).copyWithin(0, skipped, this.#length)
    }
    this.#start = offset
    this.#length = kept
  }

  /** Fills what room there is; false where it is to be read in pieces. */
  #readNow(): boolean {
    if (this.#piece || this.#ahead || !this.#source.readNow) return false
    const { ptr, bytes: room } = this.#block!
    const at = this.#start + this.#length
    const length = Math.min(room - this.#length, this.#end - at)
    if (!this.#source.readNow(at, this.#kernels.u8(ptr + this.#length, length))) return false
    this.#length += length
    return true
  }

  /** Has the piece that goes on where what is at hand ends. */
  async #havePiece(signal: AbortSignal): Promise<void> {
    const at = this.#start + this.#length
    if (this.#piece && isIn(this.#piece, at)) return
    this.#dropPiece()
    this.#piece = (await this.#takeAhead(at)) ?? { start: at, bytes: await this.#read(at, signal) }
  }

  #readOn(signal: AbortSignal): void {
    const start = this.#start + this.#length
    if (start < this.#end) this.#ahead = { start, outcome: outcomeOf(this.#read(start, signal)) }
  }

  /** What was read ahead, if that is where it goes on. What failed is read again, to be told why. */
  async #takeAhead(at: number): Promise<Piece | undefined> {
    const ahead = this.#ahead
    this.#ahead = undefined
    if (ahead === undefined) return undefined
    const outcome = await ahead.outcome
    if ('error' in outcome) return undefined
    const piece = { start: ahead.start, bytes: outcome.bytes }
    if (isIn(piece, at)) return piece
    freeBytes(piece.bytes)
    return undefined
  }

  #read(at: number, signal: AbortSignal): Promise<Uint8Array> {
    return this.#source.read(at, Math.min(this.#options.pieceBytes, this.#end - at), signal)
  }

  /** Copies as much of the piece as there is room for. */
  #fill(): void {
    const { start, bytes } = this.#piece!
    const { ptr, bytes: room } = this.#block!
    const from = this.#start + this.#length - start
    const part = bytes.subarray(from, from + room - this.#length)
    this.#kernels.u8(ptr + this.#length, part.length).set(part)
    this.#length += part.length
    if (from + part.length === bytes.length) this.#dropPiece()
  }

  #dropPiece(): void {
    if (this.#piece) freeBytes(this.#piece.bytes)
    this.#piece = undefined
  }

  close(): void {
    if (this.#block) this.#kernels.give(this.#block)
    this.#block = undefined
    this.#length = 0
    this.#dropPiece()
    void this.#ahead?.outcome.then((outcome) => 'bytes' in outcome && freeBytes(outcome.bytes))
    this.#ahead = undefined
  }
}

async function letOthersIn(): Promise<void> {
  if (performance.now() - turnedMs < longestTurnMs) return
  await setImmediate()
  turnedMs = performance.now()
}

function isIn({ start, bytes }: Piece, at: number): boolean {
  return at >= start && at < start + bytes.length
}

function outcomeOf(read: Promise<Uint8Array>): Ahead['outcome'] {
  return read.then(
    (bytes) => ({ bytes }),
    (error: unknown) => ({ error }),
  )
}
