// Bytes that grow as they are written: big-endian integers, Go's varints, UTF-8 strings.
// Specification: Prometheus tsdb/encoding (Encbuf).
// Owns its memory; bytes() is a view that the next write may outgrow.
import { MnemoError } from '../kit/errors.ts'
import { Crc32cRanges } from './crc32c.ts'
import { highWord, maxVarintBytes, uvarintBytes } from './varint.ts'

const maxInt = 0x7fff_ffff
/** UTF-8 takes at most three bytes for a UTF-16 code unit. */
const maxBytesPerCodeUnit = 3

export class EncodeBuffer {
  #bytes: Buffer
  #checksums: Crc32cRanges
  #length = 0

  constructor(capacityBytes = 256) {
    this.#bytes = Buffer.alloc(Math.max(16, capacityBytes))
    this.#checksums = new Crc32cRanges(this.#bytes)
  }

  get length(): number {
    return this.#length
  }

  /** Forgets what was written and keeps the memory. */
  clear(): void {
    this.#length = 0
  }

  /** What was written, borrowed: valid until the next write. */
  borrowBytes(start = 0): Uint8Array {
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + start, this.#length - start)
  }

  /** What was written, as bytes of its own. */
  copyBytes(): Uint8Array {
    return this.borrowBytes().slice()
  }

  /** Makes room for `count` bytes more and returns where they begin. */
  #grow(count: number): number {
    const at = this.#length
    if (at + count > this.#bytes.length) {
      const bigger = Buffer.alloc(Math.max(at + count, this.#bytes.length * 2))
      bigger.set(this.#bytes.subarray(0, at))
      this.#bytes = bigger
      this.#checksums = new Crc32cRanges(bigger)
    }
    this.#length = at + count
    return at
  }

  u8(value: number): void {
    const at = this.#grow(1)
    this.#bytes[at] = value
  }

  u16(value: number): void {
    const at = this.#grow(2)
    this.#bytes.writeUInt16BE(value, at)
  }

  u32(value: number): void {
    const at = this.#grow(4)
    this.#bytes.writeUInt32BE(value, at)
  }

  /** A non-negative safe integer as eight bytes. */
  u64(value: number): void {
    checkSafe(value, 0)
    const at = this.#grow(8)
    this.#bytes.writeUInt32BE(Math.floor(value / highWord), at)
    this.#bytes.writeUInt32BE(value % highWord, at + 4)
  }

  /** A non-negative safe integer. */
  uvarint(value: number): void {
    checkSafe(value, 0)
    this.#putVarint(value)
  }

  /** A safe integer, zigzag. */
  varint(value: number): void {
    checkSafe(value, -Number.MAX_SAFE_INTEGER)
    // Zigzag doubles the magnitude, which may pass 2^53: the sign bit goes into the first byte by itself.
    const magnitude = value < 0 ? -(value + 1) : value
    const lowest = ((magnitude % 64) << 1) | (value < 0 ? 1 : 0)
    if (magnitude < 64) this.u8(lowest)
    else {
      this.u8(lowest | 0x80)
      this.#putVarint(Math.floor(magnitude / 64))
    }
  }

  #putVarint(value: number): void {
    let at = this.#grow(maxVarintBytes)
    const bytes = this.#bytes
    let rest = value
    for (; rest > maxInt; rest = Math.floor(rest / 0x80)) bytes[at++] = (rest % 0x80) | 0x80
    // Nearly all are small: in integers, without a division.
    let small = rest | 0
    for (; small >= 0x80; small >>= 7) bytes[at++] = (small & 0x7f) | 0x80
    bytes[at++] = small
    this.#length = at
  }

  raw(bytes: Uint8Array): void {
    const at = this.#grow(bytes.length)
    this.#bytes.set(bytes, at)
  }

  /** What another buffer holds. */
  append(other: EncodeBuffer): void {
    const at = this.#grow(other.#length)
    other.#bytes.copy(this.#bytes, at, 0, other.#length)
  }

  /** UTF-8 with its length in bytes as a uvarint in front. */
  uvarintString(text: string): void {
    const room = text.length * maxBytesPerCodeUnit
    const start = this.#length
    // Written behind the widest length that it may need, then moved down where its length is narrower.
    const lengthBytes = uvarintBytes(room)
    this.#grow(lengthBytes + room)
    const written = this.#bytes.write(text, start + lengthBytes, 'utf8')
    this.#length = start
    this.uvarint(written)
    const at = this.#length
    if (at !== start + lengthBytes) {
      this.#bytes.copyWithin(at, start + lengthBytes, start + lengthBytes + written)
    }
    this.#length = at + written
  }

  /** Appends the CRC-32C of the bytes from `start` on. */
  crc32c(start = 0): void {
    this.u32(this.#checksums.of(start, this.#length))
  }
}

function checkSafe(value: number, min: number): void {
  if (Number.isSafeInteger(value) && value >= min) return
  throw new MnemoError('internal', `cannot encode an integer: got ${value}, want ${min} to ${Number.MAX_SAFE_INTEGER}`)
}
