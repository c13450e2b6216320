// Bytes that grow as they are written: big-endian integers, Go's varints, UTF-8 strings.
// Specification: Prometheus tsdb/encoding (Encbuf).
// Owns its memory; bytes() is a view that the next write may outgrow.
import { MnemoError } from '../kit/errors.ts'
import { crc32c } from './crc32c.ts'
import { highWord, maxVarintBytes, uvarintBytes } from './varint.ts'

/** UTF-8 takes at most three bytes for a UTF-16 code unit. */
const maxBytesPerCodeUnit = 3

export class EncodeBuffer {
  #bytes: Buffer
  #length = 0

  constructor(capacityBytes = 256) {
    this.#bytes = Buffer.alloc(Math.max(16, capacityBytes))
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
    this.#putVarint(value & 0x7f, Math.floor(value / 0x80))
  }

  /** A safe integer, zigzag. */
  varint(value: number): void {
    checkSafe(value, -Number.MAX_SAFE_INTEGER)
    // Zigzag doubles the magnitude, which may pass 2^53: the sign bit goes into the first byte by itself.
    const magnitude = value < 0 ? -(value + 1) : value
    this.#putVarint(((magnitude % 64) << 1) | (value < 0 ? 1 : 0), Math.floor(magnitude / 64))
  }

  #putVarint(lowest: number, above: number): void {
    if (above === 0) {
      this.u8(lowest)
      return
    }
    let at = this.#grow(maxVarintBytes)
    const bytes = this.#bytes
    bytes[at++] = lowest | 0x80
    let rest = above
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes[at++] = (rest % 0x80) | 0x80
    bytes[at++] = rest
    this.#length = at
  }

  raw(bytes: Uint8Array): void {
    const at = this.#grow(bytes.length)
    this.#bytes.set(bytes, at)
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
    this.u32(crc32c(this.borrowBytes(start)))
  }
}

function checkSafe(value: number, min: number): void {
  if (Number.isSafeInteger(value) && value >= min) return
  throw new MnemoError('internal', `cannot encode an integer: got ${value}, want ${min} to ${Number.MAX_SAFE_INTEGER}`)
}
