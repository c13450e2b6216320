// A writer of protobuf's wire format from the end to the start, for the messages of a Series stream.
// Lengths stand in front of what they measure: written backwards, no size is computed first and no byte is moved.
// Owns a buffer of the capacity that its maker knows to be enough.
import { utf8Bytes } from './proto-writer.ts'
import { noBoundMs } from './types.ts'

const words = new Uint32Array(2)
const bigWord = new BigUint64Array(words.buffer)
const littleEndian = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1
const low = littleEndian ? 0 : 1
const high = littleEndian ? 1 : 0

const int64Max = 0x7fff_ffff_ffff_ffffn
const int64Min = 0x8000_0000_0000_0000n
/** Four bytes of a varint. */
const fourBytes = 0x1000_0000

export class BackWriter {
  readonly #bytes: Buffer
  /** Where the last byte that was written stands; the buffer's end at first. */
  position: number

  constructor(capacityBytes: number) {
    this.#bytes = Buffer.allocUnsafeSlow(capacityBytes)
    this.position = capacityBytes
  }

  /** What was written; the writer is not used any more. */
  finish(): Buffer {
    return this.#bytes.subarray(this.position)
  }

  /** Tag and length in front of a message whose end was at `end`. */
  head(field: number, end: number): void {
    this.#varint(end - this.position)
    this.#varint(field * 8 + 2)
  }

  stringField(field: number, text: string): void {
    const length = utf8Bytes(text)
    if (length === 0) return
    const bytes = this.#bytes
    const end = this.position
    const at = end - length
    this.position = at
    if (length === text.length) for (let i = 0; i < length; i++) bytes[at + i] = text.charCodeAt(i)
    else bytes.write(text, at, 'utf8')
    this.head(field, end)
  }

  bytesField(field: number, data: Uint8Array): void {
    if (data.length === 0) return
    const end = this.position
    this.position -= data.length
    this.#bytes.set(data, this.position)
    this.head(field, end)
  }

  /** Bytes that are fields already. */
  raw(bytes: Uint8Array): void {
    this.position -= bytes.length
    this.#bytes.set(bytes, this.position)
  }

  /** An int64: ±noBoundMs as int64's extremes, exactly. */
  intField(field: number, value: number): void {
    if (value === 0) return
    if (value < 0) this.#uint64(value <= -noBoundMs ? int64Min : BigInt.asUintN(64, BigInt(value)))
    else if (value >= noBoundMs) this.#uint64(int64Max)
    else this.#varint(value)
    this.#varint(field * 8)
  }

  uint64Field(field: number, value: bigint): void {
    if (value === 0n) return
    this.#uint64(value)
    this.#varint(field * 8)
  }

  /** A varint of up to 53 bits. */
  #varint(value: number): void {
    if (value < 0x80) {
      this.#bytes[--this.position] = value
      return
    }
    if (value < fourBytes) {
      this.#groups(value)
      return
    }
    // The upper groups stand behind the lower ones.
    this.#groups(Math.floor(value / fourBytes))
    const rest = value % fourBytes
    const at = this.position - 4
    const bytes = this.#bytes
    bytes[at] = rest | 0x80
    bytes[at + 1] = (rest >>> 7) | 0x80
    bytes[at + 2] = (rest >>> 14) | 0x80
    bytes[at + 3] = (rest >>> 21) | 0x80
    this.position = at
  }

  /** The groups of a number of fewer than 32 bits, from the highest that is not zero. */
  #groups(value: number): void {
    const count = value === 0 ? 1 : Math.ceil((32 - Math.clz32(value)) / 7)
    let at = this.position
    let more = 0
    for (let shift = (count - 1) * 7; shift >= 0; shift -= 7) {
      this.#bytes[--at] = ((value >>> shift) & 0x7f) | more
      more = 0x80
    }
    this.position = at
  }

  #uint64(value: bigint): void {
    bigWord[0] = value
    let lower = words[low]!
    let upper = words[high]!
    const bits = upper === 0 ? 32 - Math.clz32(lower) : 64 - Math.clz32(upper)
    let at = this.position - Math.max(1, Math.ceil(bits / 7))
    this.position = at
    while (upper !== 0 || lower >= 0x80) {
      this.#bytes[at++] = (lower & 0x7f) | 0x80
      lower = ((lower >>> 7) | (upper << 25)) >>> 0
      upper >>>= 7
    }
    this.#bytes[at] = lower
  }
}
