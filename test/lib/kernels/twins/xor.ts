// Twin of the XOR kernels in plain TypeScript: as quick as numbers allow, BigInt only where a time needs more than 53 bits.
// Specification: Prometheus tsdb/docs/format/chunks.md, tsdb/chunkenc/xor.go.
import { BitReader, BitWriter, EndOfBits } from './bits.ts'

export interface Samples {
  times: Float64Array
  /** Pairs of u32 of the values' bits, low word first. */
  words: Uint32Array
}

export function samples(length: number): Samples {
  return { times: new Float64Array(length), words: new Uint32Array(length * 2) }
}

export const bitsOf = (of: Samples) => new BigUint64Array(of.words.buffer)

/** A time that moves by deltas: a number while it is safe, then 64 bits that wrap. */
class Clock {
  time: number
  private delta: number
  private wide: { time: bigint; delta: bigint } | undefined

  constructor(time: bigint) {
    this.time = Number(time)
    this.delta = 0
    if (!Number.isSafeInteger(this.time)) this.wide = { time, delta: 0n }
  }

  /** Changes the delta, then moves by it. */
  move(change: number | bigint): void {
    if (this.wide === undefined) {
      const delta = this.delta + Number(change)
      const time = this.time + delta
      if (Number.isSafeInteger(Number(change)) && Number.isSafeInteger(delta) && Number.isSafeInteger(time)) {
        this.delta = delta
        this.time = time
        return
      }
      this.wide = { time: BigInt(this.time), delta: BigInt(this.delta) }
    }
    this.wide.delta = BigInt.asIntN(64, this.wide.delta + BigInt(change))
    this.wide.time = BigInt.asIntN(64, this.wide.time + this.wide.delta)
    this.time = Number(this.wide.time)
  }

  get clamped(): number {
    return Math.max(-Number.MAX_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, this.time))
  }
}

/** The chunk's samples; undefined where it is corrupt. */
export function decodeTwin(chunk: Uint8Array): Samples | undefined {
  try {
    return decode(chunk)
  } catch (error) {
    if (error instanceof EndOfBits || error instanceof RangeError) return undefined
    throw error
  }
}

function decode(chunk: Uint8Array): Samples {
  const count = new BitReader(chunk, 0).read(16)
  // A count that the bytes cannot hold, before anything is allocated for it.
  if (count > 2 + chunk.length * 4) throw new EndOfBits()
  const out = samples(count)
  if (count === 0) return out
  const reader = new BitReader(chunk, 2)
  const zigzag = reader.uvarint()
  const clock = new Clock((zigzag >> 1n) ^ -(zigzag & 1n))
  let high = reader.read(32)
  let low = reader.read(32)
  out.times[0] = clock.clamped
  out.words[0] = low
  out.words[1] = high
  let trailing = 0
  let significant = 64
  for (let i = 1; i < count; i++) {
    clock.move(i === 1 ? BigInt.asIntN(64, reader.uvarint()) : deltaOfDelta(reader))
    if (reader.read(1) === 1) {
      if (reader.read(1) === 1) {
        const leading = reader.read(5)
        significant = reader.read(6) || 64
        trailing = 64 - leading - significant
        if (trailing < 0) throw new RangeError('value wider than 64 bits')
      }
      const upper = significant > 32 ? reader.read(significant - 32) : 0
      const lower = reader.read(Math.min(significant, 32))
      // The bits (upper, lower) moved up by `trailing`.
      if (trailing >= 32) high ^= lower << (trailing - 32)
      else {
        high ^= trailing === 0 ? upper : (upper << trailing) | (lower >>> (32 - trailing))
        low ^= lower << trailing
      }
    }
    out.times[i] = clock.clamped
    out.words[2 * i] = low
    out.words[2 * i + 1] = high
  }
  return out
}

function deltaOfDelta(reader: BitReader): number | bigint {
  if (reader.read(1) === 0) return 0
  for (const width of [14, 17, 20]) {
    if (reader.read(1) === 1) continue
    const bits = reader.read(width)
    return bits > 2 ** (width - 1) ? bits - 2 ** width : bits
  }
  return BigInt.asIntN(64, reader.read64())
}

export function encodeTwin(of: Samples): Uint8Array {
  const count = of.times.length
  const writer = new BitWriter()
  writer.write(count, 16)
  if (count === 0) return writer.finish()
  const bits = bitsOf(of)
  const first = BigInt(of.times[0]!)
  writer.uvarint(BigInt.asUintN(64, (first << 1n) ^ (first >> 63n)))
  writer.write64(bits[0]!)
  let delta = 0
  let leading = 65
  let trailing = 0
  for (let i = 1; i < count; i++) {
    const next = of.times[i]! - of.times[i - 1]!
    if (i === 1) writer.uvarint(BigInt.asUintN(64, BigInt(next)))
    else writeDeltaOfDelta(writer, next - delta)
    delta = next
    const xor = bits[i]! ^ bits[i - 1]!
    if (xor === 0n) {
      writer.write(0, 1)
      continue
    }
    const newLeading = Math.min(31, 64 - xor.toString(2).length)
    const newTrailing = trailingZeros(xor)
    if (newLeading >= leading && newTrailing >= trailing) writer.write(0b10, 2)
    else {
      leading = newLeading
      trailing = newTrailing
      writer.write(0b11, 2)
      writer.write(leading, 5)
      writer.write((64 - leading - trailing) % 64, 6)
    }
    writeSignificant(writer, xor >> BigInt(trailing), 64 - leading - trailing)
  }
  return writer.finish()
}

function trailingZeros(bits: bigint): number {
  let zeros = 0
  for (let rest = bits; (rest & 1n) === 0n; rest >>= 1n) zeros++
  return zeros
}

function writeSignificant(writer: BitWriter, bits: bigint, width: number): void {
  if (width > 32) writer.write(Number(bits >> 32n), width - 32)
  writer.write(Number(bits & 0xffffffffn), Math.min(width, 32))
}

function writeDeltaOfDelta(writer: BitWriter, dod: number): void {
  if (dod === 0) {
    writer.write(0, 1)
    return
  }
  const forms = [
    { width: 14, prefix: 0b10, prefixWidth: 2 },
    { width: 17, prefix: 0b110, prefixWidth: 3 },
    { width: 20, prefix: 0b1110, prefixWidth: 4 },
  ]
  const form = forms.find(({ width }) => dod > -(2 ** (width - 1)) && dod <= 2 ** (width - 1))
  if (form === undefined) {
    writer.write(0b1111, 4)
    writer.write64(BigInt.asUintN(64, BigInt(dod)))
  } else {
    writer.write(form.prefix, form.prefixWidth)
    writer.write((dod + 2 ** form.width) % 2 ** form.width, form.width)
  }
}
