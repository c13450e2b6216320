// A writer of protobuf's wire format for small messages, front to back, in memory that grows.
// Fields with a default value are left out, as proto3 and Go's encoders do. (Series go through back-writer.ts.)
// Owns its memory until finish() hands it over.
import { noBoundMs } from './types.ts'

const words = new Uint32Array(2)
const bigWord = new BigUint64Array(words.buffer)
const littleEndian = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1

/** Bytes of a string in UTF-8. */
export function utf8Bytes(text: string): number {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return Buffer.byteLength(text)
  return text.length
}

export class ProtoWriter {
  #bytes: Buffer
  #at = 0

  constructor(capacityBytes = 256) {
    this.#bytes = Buffer.allocUnsafeSlow(capacityBytes)
  }

  get length(): number {
    return this.#at
  }

  /** What was written; the writer is not used any more. */
  finish(): Buffer {
    return this.#at === this.#bytes.length ? this.#bytes : this.#bytes.subarray(0, this.#at)
  }

  #reserve(count: number): void {
    if (this.#at + count <= this.#bytes.length) return
    const bigger = Buffer.allocUnsafeSlow(Math.max(this.#at + count, this.#bytes.length * 2))
    this.#bytes.copy(bigger, 0, 0, this.#at)
    this.#bytes = bigger
  }

  /** A varint of up to 53 bits. */
  varint(value: number): void {
    this.#reserve(10)
    let rest = value
    while (rest >= 0x80) {
      this.#bytes[this.#at++] = (rest & 0x7f) | 0x80
      rest = rest < 0x80000000 ? rest >>> 7 : Math.floor(rest / 128)
    }
    this.#bytes[this.#at++] = rest
  }

  /** An int64: ±noBoundMs as int64's extremes, exactly. */
  int64(value: number): void {
    if (value >= 0 && value < noBoundMs) this.varint(value)
    else if (value >= noBoundMs) this.uint64(0x7fff_ffff_ffff_ffffn)
    else if (value <= -noBoundMs) this.uint64(0x8000_0000_0000_0000n)
    else this.uint64(BigInt.asUintN(64, BigInt(value)))
  }

  uint64(value: bigint): void {
    bigWord[0] = value
    let low = words[littleEndian ? 0 : 1]!
    let high = words[littleEndian ? 1 : 0]!
    this.#reserve(10)
    while (high !== 0 || low >= 0x80) {
      this.#bytes[this.#at++] = (low & 0x7f) | 0x80
      low = ((low >>> 7) | (high << 25)) >>> 0
      high >>>= 7
    }
    this.#bytes[this.#at++] = low
  }

  /** The bytes of a string whose UTF-8 length is known. */
  utf8(text: string, byteLength: number): void {
    this.#reserve(byteLength)
    const bytes = this.#bytes
    const at = this.#at
    if (byteLength === text.length) for (let i = 0; i < byteLength; i++) bytes[at + i] = text.charCodeAt(i)
    else bytes.write(text, at, 'utf8')
    this.#at = at + byteLength
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length)
    this.#bytes.set(bytes, this.#at)
    this.#at += bytes.length
  }

  // Whole fields; each leaves out its default value.

  intField(field: number, value: number | undefined): void {
    if (!value) return
    this.varint(field * 8)
    this.int64(value)
  }

  boolField(field: number, value: boolean | undefined): void {
    if (value) this.intField(field, 1)
  }

  stringField(field: number, text: string): void {
    if (text !== '') this.stringElement(field, text)
  }

  /** An element of a repeated field: written also where it is empty. */
  stringElement(field: number, text: string): void {
    const length = utf8Bytes(text)
    this.delimited(field, length)
    this.utf8(text, length)
  }

  /** Tag and length of a string, bytes or message field whose content follows. */
  delimited(field: number, length: number): void {
    this.varint(field * 8 + 2)
    this.varint(length)
  }

  /** A small nested message: written apart, then copied in. */
  message(field: number, write: (writer: ProtoWriter) => void): void {
    const nested = new ProtoWriter(128)
    write(nested)
    const bytes = nested.finish()
    this.delimited(field, bytes.length)
    this.raw(bytes)
  }
}
