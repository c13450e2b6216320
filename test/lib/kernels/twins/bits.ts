// Bits in JavaScript: a reader and a writer of big-endian bit streams in pieces of at most 32 bits, and doubles as bits.
// Owns nothing but positions; what the twins of the XOR kernels are made of.

export class EndOfBits extends Error {}

export class BitReader {
  /** The bytes with 8 zeros behind them. */
  private readonly view: DataView
  private position: number
  private readonly end: number

  constructor(bytes: Uint8Array, byteOffset: number) {
    const padded = new Uint8Array(bytes.length + 8)
    padded.set(bytes)
    this.view = new DataView(padded.buffer)
    this.position = byteOffset * 8
    this.end = bytes.length * 8
  }

  /** The next `width` (0 to 32) bits as an unsigned number. */
  read(width: number): number {
    const at = this.position >>> 3
    const shift = this.position & 7
    this.position += width
    if (this.position > this.end) throw new EndOfBits()
    if (width === 0) return 0
    const bits = (this.view.getUint32(at) << shift) | (this.view.getUint8(at + 4) >>> (8 - shift))
    return bits >>> (32 - width)
  }

  read64(): bigint {
    const high = this.read(32)
    return (BigInt(high) << 32n) | BigInt(this.read(32))
  }

  /** An unsigned varint of at most 64 bits. */
  uvarint(): bigint {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.read(8)
      if (shift === 63n && byte > 1) break
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    throw new RangeError('varint of more than 64 bits')
  }
}

export class BitWriter {
  private bytes = new Uint8Array(64)
  private position = 0

  write(value: number, width: number): void {
    if ((this.position + width) / 8 > this.bytes.length) {
      const larger = new Uint8Array(this.bytes.length * 2)
      larger.set(this.bytes)
      this.bytes = larger
    }
    for (let left = width; left > 0; ) {
      const free = 8 - (this.position & 7)
      const put = Math.min(left, free)
      const part = Math.floor(value / 2 ** (left - put)) % 2 ** put
      this.bytes[this.position >> 3]! |= part << (free - put)
      this.position += put
      left -= put
    }
  }

  write64(value: bigint): void {
    this.write(Number((value >> 32n) & 0xffffffffn), 32)
    this.write(Number(value & 0xffffffffn), 32)
  }

  uvarint(value: bigint): void {
    let rest = value
    for (; rest >= 0x80n; rest >>= 7n) this.write(Number(rest & 0x7fn) | 0x80, 8)
    this.write(Number(rest), 8)
  }

  finish(): Uint8Array {
    return this.bytes.slice(0, Math.ceil(this.position / 8))
  }
}
