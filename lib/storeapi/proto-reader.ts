// A reader of protobuf's wire format over one received message: bounds-checked, no copies.
// Specification: https://protobuf.dev/programming-guides/encoding/ (varint, length-delimited, fixed; groups are refused).
// Owns the position; what it returns as bytes are views on the message.
import { isUtf8 } from 'node:buffer'
import { MnemoError } from '../kit/errors.ts'
import { noBoundMs } from './types.ts'

/** Wire types, the low three bits of a tag. */
const varint = 0
const fixed64 = 1
const delimited = 2
const fixed32 = 5

const words = new Uint32Array(2)
const bigWord = new BigUint64Array(words.buffer)
const littleEndian = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1
const low = littleEndian ? 0 : 1
const high = littleEndian ? 1 : 0

export class ProtoReader {
  readonly bytes: Buffer
  /** Name of the message, for errors. */
  readonly what: string
  position = 0
  end: number

  constructor(what: string, bytes: Uint8Array) {
    this.what = what
    this.bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.end = bytes.length
  }

  get more(): boolean {
    return this.position < this.end
  }

  fail(got: string): never {
    throw new MnemoError('corrupt', `cannot decode ${this.what} at offset ${this.position}: ${got}`)
  }

  #byte(): number {
    if (this.position >= this.end) this.fail(`got the end of the message, want more`)
    return this.bytes[this.position++]!
  }

  /** Field number << 3 | wire type. */
  tag(): number {
    const tag = this.uint32()
    if (tag >>> 3 === 0) this.fail(`got field number 0`)
    return tag
  }

  /** The low 32 bits of a varint. */
  uint32(): number {
    const first = this.#byte()
    if (first < 0x80) return first
    let value = first & 0x7f
    for (let shift = 7; shift < 70; shift += 7) {
      const byte = this.#byte()
      if (shift < 32) value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value >>> 0
    }
    return this.fail('got a varint of more than 10 bytes')
  }

  bool(): boolean {
    return this.int64() !== 0
  }

  /** An int64; beyond ±noBoundMs it is clamped to that. */
  int64(): number {
    // Seven bytes are 49 bits; the rest is the signed upper part, 15 bits in three bytes.
    let value = 0
    let unit = 1
    for (let i = 0; i < 7; i++) {
      const byte = this.#byte()
      value += (byte & 0x7f) * unit
      if (byte < 0x80) return value
      unit *= 128
    }
    let upper = 0
    for (let shift = 0; ; shift += 7) {
      if (shift === 21) this.fail('got a varint of more than 10 bytes')
      const byte = this.#byte()
      upper |= (byte & 0x7f) << shift
      if (byte < 0x80) break
    }
    const signed = (upper << 17) >> 17
    const sum = signed * unit + value
    return Math.max(-noBoundMs, Math.min(noBoundMs, sum))
  }

  /** A uint64 in full. */
  uint64(): bigint {
    words[0] = 0
    words[1] = 0
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#byte()
      const bits = byte & 0x7f
      if (shift < 32) words[low]! |= bits << shift
      if (shift > 21) words[high]! |= shift < 32 ? bits >>> (32 - shift) : bits << (shift - 32)
      if (byte < 0x80) return bigWord[0]!
    }
    return this.fail('got a varint of more than 10 bytes')
  }

  /** A double's bits: as a number a NaN might lose them. */
  doubleBits(): bigint {
    return this.bytes.readBigUInt64LE(this.#skip(8))
  }

  /** Reads a length and moves over that many bytes; returns where they begin. */
  delimited(): number {
    return this.#skip(this.uint32())
  }

  #skip(length: number): number {
    const start = this.position
    if (length > this.end - start) this.fail(`got ${this.end - start} bytes, want ${length}`)
    this.position = start + length
    return start
  }

  /** A view on the message. */
  borrowBytes(): Uint8Array {
    const start = this.delimited()
    return new Uint8Array(this.bytes.buffer, this.bytes.byteOffset + start, this.position - start)
  }

  string(): string {
    const start = this.delimited()
    const text = this.bytes.toString('utf8', start, this.position)
    // Bad bytes become U+FFFD silently: two names could fall together.
    if (text.includes('\ufffd') && !isUtf8(this.bytes.subarray(start, this.position)))
      this.fail('got bytes before this offset that are not UTF-8')
    return text
  }

  /** Enters a nested message: `more` is false at its end. Returns what leave() wants. */
  enter(): number {
    const start = this.delimited()
    const outer = this.end
    this.end = this.position
    this.position = start
    return outer
  }

  leave(outer: number): void {
    this.position = this.end
    this.end = outer
  }

  /** Moves over the value of a field that is not known. */
  skip(tag: number): void {
    switch (tag & 7) {
      case varint:
        this.int64()
        return
      case fixed64:
        this.#skip(8)
        return
      case delimited:
        this.delimited()
        return
      case fixed32:
        this.#skip(4)
        return
      default:
        this.fail(`got wire type ${tag & 7} in field ${tag >>> 3}`)
    }
  }

  /** Calls `each` with the tag of every field of the (nested) message that is left; it reads or skips the value. */
  fields(each: (tag: number) => void): void {
    while (this.position < this.end) each(this.tag())
  }

  /** Enters a nested message, calls `each` for its fields, and leaves it. */
  nested(each: (tag: number) => void): void {
    const outer = this.enter()
    this.fields(each)
    this.leave(outer)
  }
}
