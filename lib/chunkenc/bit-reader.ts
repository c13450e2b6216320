// Reads the bit streams of chunks: fixed widths, Prometheus's varbit integers, XOR-ed floats. 64-bit integers are exact.
// Specification: Prometheus tsdb/chunkenc/{bstream,varbit,xor}.go.
// Owns the position and the `corrupt` error; JavaScript has no fast int64, so results come as two words, hi and lo.
import { MnemoError } from '../kit/errors.ts'

/** Bits of a varbit integer behind a prefix of 0 to 8 ones. */
const varbitWidths = [0, 3, 6, 9, 12, 18, 25, 56, 64]

/** A value's XOR window: number of leading and trailing zeros of the last difference. */
export class XorState {
  hi = 0
  lo = 0
  leading = 0
  trailing = 0
}

export class BitReader {
  /** The last 64-bit integer read: upper word as int32, lower as uint32. */
  hi = 0
  lo = 0
  readonly #what: string
  /** The chunk and zeros behind it, so that a word may be loaded anywhere. */
  readonly #bytes: Uint8Array
  readonly #end: number
  #position: number

  /** `what` names the chunk's kind in errors; reading starts at byte `start`. */
  constructor(what: string, chunk: Uint8Array, start: number) {
    this.#what = what
    this.#bytes = new Uint8Array(chunk.length + 8)
    this.#bytes.set(chunk)
    this.#position = start * 8
    this.#end = chunk.length * 8
    if (this.#position > this.#end) this.fail(`got ${chunk.length} bytes, want at least ${start}`)
  }

  get remainingBits(): number {
    return this.#end - this.#position
  }

  fail(got: string): never {
    throw new MnemoError('corrupt', `cannot decode ${this.#what} chunk at bit ${this.#position}: ${got}`)
  }

  /** The next `width` (0 to 25) bits. */
  bits(width: number): number {
    const position = this.#position
    if (position + width > this.#end) this.fail(`got ${this.remainingBits} bits, want ${width}`)
    this.#position = position + width
    return width === 0 ? 0 : (this.#word(position) << (position & 7)) >>> (32 - width)
  }

  #word(position: number): number {
    const bytes = this.#bytes
    const at = position >>> 3
    return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
  }

  /** The next `width` (0 to 64) bits into hi and lo, unsigned. */
  wide(width: number): void {
    if (this.#position + width > this.#end) this.fail(`got ${this.remainingBits} bits, want ${width}`)
    this.hi = width > 32 ? this.#upTo32(width - 32) | 0 : 0
    this.lo = this.#upTo32(Math.min(width, 32))
  }

  #upTo32(width: number): number {
    return width <= 25 ? this.bits(width) : ((this.bits(width - 16) << 16) | this.bits(16)) >>> 0
  }

  /** A signed varbit integer into hi and lo. */
  varbitInt(): void {
    const width = this.#varbitWidth()
    if (width <= 25) {
      const bits = this.bits(width)
      const value = width > 0 && bits > 1 << (width - 1) ? bits - (1 << width) : bits
      this.hi = value >> 31
      this.lo = value >>> 0
      return
    }
    this.wide(width)
    // The upper bound of the range counts as positive: x > 2^55 means x − 2^56.
    if (width === 56 && (this.hi > 0x80_0000 || (this.hi === 0x80_0000 && this.lo > 0))) this.hi -= 0x100_0000
  }

  /** An unsigned varbit integer into hi and lo. */
  varbitUint(): void {
    this.wide(this.#varbitWidth())
  }

  #varbitWidth(): number {
    const position = this.#position
    const ones = Math.clz32(~((this.#word(position) << (position & 7)) & 0xff00_0000))
    this.bits(Math.min(ones + 1, 8))
    return varbitWidths[ones]!
  }

  /** Go's signed varint (zigzag, 7 bits a byte) into hi and lo. */
  varint(): void {
    this.#uvarint()
    const sign = -(this.lo & 1)
    const lo = ((this.lo >>> 1) | (this.hi << 31)) ^ sign
    this.hi = (this.hi >>> 1) ^ sign
    this.lo = lo >>> 0
  }

  #uvarint(): void {
    let lo = 0
    let hi = 0
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.bits(8)
      const bits = byte & 0x7f
      if (shift < 32) lo |= bits << shift
      if (shift === 28) hi |= bits >> 4
      if (shift > 28) hi |= bits << (shift - 32)
      if (byte < 0x80) {
        if (shift === 63 && byte > 1) break
        this.lo = lo >>> 0
        this.hi = hi | 0
        return
      }
    }
    this.fail('got a varint of more than 64 bits')
  }

  /** The next value of an XOR-ed float column into the state. */
  xor(state: XorState): void {
    if (this.bits(1) === 0) return
    if (this.bits(1) === 1) {
      const window = this.bits(11)
      const significant = window & 63 || 64
      state.leading = window >> 6
      state.trailing = 64 - state.leading - significant
      if (state.trailing < 0) this.fail('got a value wider than 64 bits')
    }
    this.wide(64 - state.leading - state.trailing)
    const { trailing } = state
    if (trailing >= 32) state.hi ^= this.lo << (trailing - 32)
    else {
      state.hi ^= trailing === 0 ? this.hi : (this.hi << trailing) | (this.lo >>> (32 - trailing))
      state.lo ^= this.lo << trailing
    }
  }
}

const words = new DataView(new ArrayBuffer(8))

/** The float64 whose bits are the two words. */
export function floatOfWords(hi: number, lo: number): number {
  words.setInt32(0, hi)
  words.setInt32(4, lo)
  return words.getFloat64(0)
}

/** An int64 as the nearest number, ±(2^53 − 1) at most where it is a time. */
export function numberOfWords(hi: number, lo: number): number {
  return hi * 4_294_967_296 + (lo >>> 0)
}
