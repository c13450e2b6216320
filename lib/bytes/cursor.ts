// A reader over bytes in memory that never leaves its bounds and says where bytes were bad.
// Integers are big endian; varints are Go's. 64-bit integers come as numbers: unsafe ones are refused, or clamped where asked.
// Owns the position, and the `corrupt` error that names file, offset and section.
import { isUtf8 } from 'node:buffer'
import { MnemoError } from '../kit/errors.ts'
import { Crc32cRanges } from './crc32c.ts'
import { highWord, maxVarintBytes } from './varint.ts'

/** Where bytes come from, for the error's message. */
export interface BytePlace {
  /** Path or object name. */
  readonly file: string
  /** Section of the format: 'symbols', 'postings', … */
  readonly section: string
  /** Offset in the file of the first byte. */
  readonly offset: number
}

/** The error for bytes that are not what their format says. `at` is relative to the place's first byte. */
export function corruptError(place: BytePlace, at: number, got: string, options?: { cause?: unknown }): MnemoError {
  const offset = place.offset + at
  return new MnemoError('corrupt', `cannot read ${place.section} of ${place.file} at offset ${offset}: ${got}`, options)
}

/** A 32-bit number as eight hex digits, for messages. */
export function hex32(value: number): string {
  return value.toString(16).padStart(8, '0')
}

export class Cursor {
  readonly bytes: Uint8Array
  readonly place: BytePlace
  position: number
  readonly end: number
  #text: Buffer | undefined
  #checksums: Crc32cRanges | undefined

  /** Reads `bytes` from `start` to `end`; the place's offset is that of bytes[0]. */
  constructor(bytes: Uint8Array, place: BytePlace, start = 0, end = bytes.length) {
    this.bytes = bytes
    this.place = place
    this.position = start
    this.end = end
  }

  get remaining(): number {
    return this.end - this.position
  }

  /** Throws `corrupt`, naming the current offset. */
  fail(got: string): never {
    throw corruptError(this.place, this.position, got)
  }

  /** Moves over `length` bytes and returns where they begin. */
  skip(length: number): number {
    const start = this.position
    if (!(length >= 0 && length <= this.end - start)) {
      this.fail(`got ${this.end - start} bytes, want ${length} more`)
    }
    this.position = start + length
    return start
  }

  u8(): number {
    return this.bytes[this.skip(1)]!
  }

  u16(): number {
    const at = this.skip(2)
    return (this.bytes[at]! << 8) | this.bytes[at + 1]!
  }

  u32(): number {
    return this.#word(this.skip(4))
  }

  /** A u64 that is a safe integer; `corrupt` where it is not. */
  u64(): number {
    const at = this.skip(8)
    const value = this.#word(at) * highWord + this.#word(at + 4)
    if (value > Number.MAX_SAFE_INTEGER) {
      this.position = at
      this.fail(`got a 64-bit integer of ${value}, want at most ${Number.MAX_SAFE_INTEGER}`)
    }
    return value
  }

  #word(at: number): number {
    const b = this.bytes
    return ((b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!) >>> 0
  }

  /** A uvarint that is a safe integer; `corrupt` where it is not. */
  uvarint(): number {
    const short = this.#shortUvarint()
    return short >= 0 ? short : this.#safe(this.#longUvarint(0, 1))
  }

  /** A uvarint that fits 32 bits: a length, a count, a symbol's number. */
  uvarint32(): number {
    const at = this.position
    const value = this.uvarint()
    if (value < highWord) return value
    this.position = at
    return this.fail(`got an integer of ${value}, want at most 32 bits`)
  }

  /** A zigzag varint that is a safe integer; `corrupt` where it is not. */
  varint(): number {
    return this.#safe(this.varintClamped(), Number.MAX_SAFE_INTEGER - 1)
  }

  /** A zigzag varint; beyond ±Number.MAX_SAFE_INTEGER it is clamped to that (int64's extremes mean "no bound"). */
  varintClamped(): number {
    const short = this.#shortUvarint()
    if (short >= 0) return (short >>> 1) ^ -(short & 1)
    const first = this.bytes[this.skip(1)]!
    // The lowest bit is the sign. Taking it off first leaves a magnitude that is exact up to 2^53.
    const low = (first & 0x7f) >>> 1
    const magnitude = first < 0x80 ? low : this.#longUvarint(low, 64)
    const value = first & 1 ? -magnitude - 1 : magnitude
    return Math.max(-Number.MAX_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, value))
  }

  /** A uvarint that carries an int64 in two's complement, as Go's conversions make them; `corrupt` beyond 53 bits. */
  uvarintSigned(): number {
    const short = this.#shortUvarint()
    if (short >= 0) return short
    const at = this.position
    // Ten bytes hold 28 + 28 + 8 bits; put together from the top, every partial sum is exact where the result is.
    const parts = [0, 0, 0]
    for (let i = 0; i < maxVarintBytes; i++) {
      const byte = this.u8()
      parts[i >> 2]! += (byte & 0x7f) << (7 * (i & 3))
      if (byte < 0x80) {
        const [low = 0, middle = 0, high = 0] = parts
        return this.#safe((high < 0x80 ? high : (high & 0xff) - 0x100) * 2 ** 56 + middle * 2 ** 28 + low)
      }
    }
    this.position = at
    return this.fail(`got a varint longer than ${maxVarintBytes} bytes`)
  }

  /** A uvarint of at most four bytes, as nearly all are: in integers, without a loop. Negative where it is longer or ends near the end: nothing is read then. */
  #shortUvarint(): number {
    const { bytes, position: at } = this
    if (at + 4 > this.end) return -1
    let byte = bytes[at]!
    let value = byte & 0x7f
    if (byte < 0x80) {
      this.position = at + 1
      return value
    }
    byte = bytes[at + 1]!
    value |= (byte & 0x7f) << 7
    if (byte < 0x80) {
      this.position = at + 2
      return value
    }
    byte = bytes[at + 2]!
    value |= (byte & 0x7f) << 14
    if (byte < 0x80) {
      this.position = at + 3
      return value
    }
    byte = bytes[at + 3]!
    if (byte >= 0x80) return -1
    this.position = at + 4
    return value | (byte << 21)
  }

  /** The rest of a varint whose value so far is `value`; its next byte counts `scale`. */
  #longUvarint(value: number, scale: number): number {
    const { bytes, end } = this
    let at = this.position
    let sum = value
    const last = at + maxVarintBytes - (scale === 1 ? 0 : 1)
    for (let unit = scale; at < last; unit *= 128) {
      if (at >= end) this.fail('got the end of the bytes inside a varint')
      const byte = bytes[at++]!
      sum += (byte & 0x7f) * unit
      if (byte < 0x80) {
        this.position = at
        return sum
      }
    }
    return this.fail(`got a varint longer than ${maxVarintBytes} bytes`)
  }

  #safe(value: number, limit = Number.MAX_SAFE_INTEGER): number {
    if (value > limit || value < -limit) this.fail('got a varint beyond 53 bits before this offset')
    return value
  }

  /** Verifies that the next `length` bytes are followed by their CRC-32C. The position stays. */
  checkCrc32c(length: number): void {
    const start = this.skip(length)
    this.#checksums ??= new Crc32cRanges(this.bytes)
    const got = this.#checksums.of(start, this.position)
    const want = this.u32()
    this.position = start
    if (got !== want) this.fail(`got checksum ${hex32(got)}, want ${hex32(want)}`)
  }

  /** The next `length` bytes, borrowed: a view of the cursor's bytes. */
  borrowBytes(length: number): Uint8Array {
    const start = this.skip(length)
    return this.bytes.subarray(start, start + length)
  }

  /** The next `length` bytes as UTF-8; `corrupt` where they are not. */
  string(length: number): string {
    const start = this.skip(length)
    return this.stringAt(start, start + length)
  }

  /** A string with its length as a uvarint in front. */
  uvarintString(): string {
    return this.string(this.uvarint())
  }

  /** The bytes [start, end) as UTF-8, wherever the position is. */
  stringAt(start: number, end: number): string {
    this.#text ??= Buffer.from(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength)
    const text = this.#text.toString('utf8', start, end)
    // Bad bytes are decoded to U+FFFD, silently: a name that changes would be sorted and matched wrongly.
    if (text.includes('\ufffd') && !isUtf8(this.bytes.subarray(start, end))) {
      throw corruptError(this.place, start, 'got bytes that are not UTF-8')
    }
    return text
  }
}
