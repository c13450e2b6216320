// Writes the bit streams of chunks: fixed widths, Prometheus's varbit integers, XOR-ed floats; the counterpart of bit-reader.ts.
// Specification: Prometheus tsdb/chunkenc/{bstream,varbit,xor}.go.
// Owns the bytes, which grow as needed. Integers are numbers and must be safe.

/** The last value of an XOR-ed column and the window of its last change; no number of leading zeros reaches 255. */
export class XorWindow {
  hi = 0
  lo = 0
  leading = 255
  trailing = 0
}

const words = new DataView(new ArrayBuffer(8))

/** A float64's bits as two words. */
export function wordsOfFloat(value: number): { hi: number; lo: number } {
  words.setFloat64(0, value)
  return { hi: words.getUint32(0), lo: words.getUint32(4) }
}

/** Widths of varbit integers behind prefixes of 1 to 6 ones and a zero; 56 and 64 bits come behind 7 and 8 ones. */
const smallWidths = [3, 6, 9, 12, 18, 25]

export class BitWriter {
  #bytes = new Uint8Array(1024)
  #position = 0

  /** A copy of what was written, zero bits behind it. */
  copyBytes(): Uint8Array {
    return this.#bytes.slice(0, (this.#position + 7) >>> 3)
  }

  /** The low `width` (0 to 32) bits of `value`. */
  bits(value: number, width: number): void {
    if (this.#position + width > this.#bytes.length * 8) {
      const larger = new Uint8Array(this.#bytes.length * 2)
      larger.set(this.#bytes)
      this.#bytes = larger
    }
    for (let left = width; left > 0; ) {
      const free = 8 - (this.#position & 7)
      const put = Math.min(left, free)
      const part = (value >>> (left - put)) & (0xff >>> (8 - put))
      this.#bytes[this.#position >>> 3]! |= part << (free - put)
      this.#position += put
      left -= put
    }
  }

  /** The low `width` (0 to 64) bits of two words. */
  wide(hi: number, lo: number, width: number): void {
    if (width > 32) this.bits(hi, width - 32)
    this.bits(lo, Math.min(width, 32))
  }

  float(value: number): void {
    const { hi, lo } = wordsOfFloat(value)
    this.wide(hi, lo, 64)
  }

  varbitInt(value: number): void {
    if (value === 0) this.bits(0, 1)
    else
      this.#varbit(
        value,
        smallWidths.findIndex((width) => value > -(2 ** (width - 1)) && value <= 2 ** (width - 1)),
      )
  }

  varbitUint(value: number): void {
    if (value === 0) this.bits(0, 1)
    else
      this.#varbit(
        value,
        smallWidths.findIndex((width) => value < 2 ** width),
      )
  }

  /** A safe integer always fits 56 bits. */
  #varbit(value: number, small: number): void {
    const ones = small < 0 ? 7 : small + 1
    this.bits(2 ** (ones + 1) - 2, ones + 1)
    this.wide(Math.floor(value / 2 ** 32), value, small < 0 ? 56 : smallWidths[small]!)
  }

  /** Go's signed varint: zigzag, 7 bits a byte. */
  varint(value: number): void {
    // Of a safe integer the zigzag form has up to 54 bits: one more than a number keeps.
    let rest = BigInt(value)
    rest = rest < 0n ? -2n * rest - 1n : 2n * rest
    for (; rest >= 0x80n; rest >>= 7n) this.bits(Number(rest & 0x7fn) | 0x80, 8)
    this.bits(Number(rest), 8)
  }

  /** The next value of an XOR-ed column, as two words. */
  xor(window: XorWindow, hi: number, lo: number): void {
    const xorHi = window.hi ^ hi
    const xorLo = window.lo ^ lo
    window.hi = hi
    window.lo = lo
    if (xorHi === 0 && xorLo === 0) {
      this.bits(0, 1)
      return
    }
    const leading = xorHi === 0 ? 31 : Math.min(Math.clz32(xorHi), 31)
    const trailing = xorLo === 0 ? 32 + trailingZeros(xorHi) : trailingZeros(xorLo)
    if (leading >= window.leading && trailing >= window.trailing) this.bits(0b10, 2)
    else {
      window.leading = leading
      window.trailing = trailing
      this.bits((0b11 << 11) | (leading << 6) | ((64 - leading - trailing) & 63), 13)
    }
    const shift = window.trailing
    const width = 64 - window.leading - shift
    if (shift >= 32) this.wide(0, xorHi >>> (shift - 32), width)
    else this.wide(xorHi >>> shift, shift === 0 ? xorLo : (xorLo >>> shift) | (xorHi << (32 - shift)), width)
  }
}

function trailingZeros(word: number): number {
  return 31 - Math.clz32(word & -word)
}
