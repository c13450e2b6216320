// Twin of the XOR2 kernels in plain TypeScript and BigInt: slow, exact, one statement a field.
// Specification: Prometheus tsdb/chunkenc/xor2.go (its page in docs/format is wrong on start timestamps).
import { BitReader, BitWriter, EndOfBits } from './bits.ts'

export interface StartedSample {
  time: bigint
  bits: bigint
  start: bigint
}

const stale = 0x7ff0000000000002n
const int64 = (value: bigint) => BigInt.asIntN(64, value)
const unzigzag = (value: bigint) => (value >> 1n) ^ -(value & 1n)
const zigzag = (value: bigint) => BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))

/** The chunk's samples; undefined where it is corrupt. */
export function decodeXor2Twin(chunk: Uint8Array): StartedSample[] | undefined {
  try {
    return decode(chunk)
  } catch (error) {
    if (error instanceof EndOfBits || error instanceof RangeError) return undefined
    throw error
  }
}

class Value {
  baseline = 0n
  private trailing = 0
  private significant = 64
  private readonly reader: BitReader

  constructor(reader: BitReader) {
    this.reader = reader
  }

  reuse(): bigint {
    this.baseline ^= bigBits(this.reader, this.significant) << BigInt(this.trailing)
    return this.baseline
  }

  fresh(): bigint {
    const leading = this.reader.read(5)
    this.significant = this.reader.read(6) || 64
    this.trailing = 64 - leading - this.significant
    if (this.trailing < 0) throw new RangeError('value wider than 64 bits')
    return this.reuse()
  }

  any(): bigint {
    if (this.reader.read(1) === 0) return this.baseline
    if (this.reader.read(1) === 0) return this.reuse()
    return this.reader.read(1) === 0 ? this.fresh() : stale
  }
}

function decode(chunk: Uint8Array): StartedSample[] {
  const count = new BitReader(chunk, 0).read(16)
  const header = new BitReader(chunk, 2).read(8)
  if (count > 2 + chunk.length * 8) throw new EndOfBits()
  const reader = new BitReader(chunk, 3)
  const value = new Value(reader)
  const samples: StartedSample[] = []
  let delta = 0n
  let start = 0n
  let distance = 0n
  for (let i = 0; i < count; i++) {
    const last = samples.at(-1)?.time ?? 0n
    let time = last
    let bits: bigint
    if (i === 0) {
      time = unzigzag(reader.uvarint())
      bits = reader.read64()
      if (bits !== stale) value.baseline = bits
      if (header >= 0x80) start = int64(time - unzigzag(reader.uvarint()))
    } else if (i === 1) {
      delta = int64(reader.uvarint())
      time = int64(time + delta)
      bits = value.any()
    } else {
      const kind = ones(reader, 5)
      if (kind === 2) delta = int64(delta + signed(reader, 13))
      if (kind === 3) delta = int64(delta + signed(reader, 20))
      if (kind === 4) delta = int64(delta + reader.read64())
      time = int64(time + delta)
      if (kind === 0) bits = value.baseline
      else if (kind === 1) bits = reader.read(1) === 1 ? value.fresh() : value.reuse()
      else bits = kind === 5 ? stale : value.any()
    }
    const changeAt = header & 0x7f
    if (changeAt > 0 && i >= changeAt) {
      const change = varbit(reader)
      distance = i === changeAt ? change : int64(distance + change)
      start = int64(last - distance)
    }
    samples.push({ time, bits, start })
  }
  return samples
}

function ones(reader: BitReader, most: number): number {
  let count = 0
  while (count < most && reader.read(1) === 1) count++
  return count
}

function bigBits(reader: BitReader, width: number): bigint {
  const upper = width > 32 ? reader.read(width - 32) : 0
  return (BigInt(upper) << 32n) | BigInt(reader.read(Math.min(width, 32)))
}

function signed(reader: BitReader, width: number): bigint {
  return BigInt.asIntN(width, BigInt(reader.read(width)))
}

const widths = [0, 3, 6, 9, 12, 18, 25, 56, 64]

function varbit(reader: BitReader): bigint {
  const width = widths[ones(reader, 8)]!
  const bits = width === 0 ? 0n : bigBits(reader, width)
  return width < 64 && bits > 2n ** BigInt(width) / 2n ? bits - 2n ** BigInt(width) : int64(bits)
}

export function encodeXor2Twin(samples: readonly StartedSample[]): Uint8Array {
  const writer = new BitWriter()
  const window = { leading: 255, trailing: 0 }
  let changeAt = 0
  let baseline = 0n
  let delta = 0n
  let distance = 0n
  for (const [i, { time, bits, start }] of samples.entries()) {
    const last = samples[i - 1] ?? { time: 0n, start: 0n }
    const nextDelta = int64(time - last.time)
    const nextDistance = int64(last.time - start)
    if (i === 0) {
      writer.uvarint(zigzag(time))
      writer.write64(bits)
      if (start !== 0n) writer.uvarint(zigzag(int64(time - start)))
    } else {
      if (i === 1) {
        writer.uvarint(BigInt.asUintN(64, nextDelta))
        writeAny(writer, window, bits, baseline)
      } else writeJoint({ writer, window, dod: int64(nextDelta - delta), bits, baseline })
      if (changeAt > 0) writeVarbit(writer, int64(nextDistance - distance))
      else if (start !== last.start || i === 127) {
        changeAt = i
        writeVarbit(writer, nextDistance)
      }
      delta = nextDelta
      distance = nextDistance
    }
    if (bits !== stale) baseline = bits
  }
  const known = samples.length > 0 && samples[0]!.start !== 0n ? 0x80 : 0
  return Uint8Array.of(samples.length >> 8, samples.length & 255, known | changeAt, ...writer.finish())
}

interface Window {
  leading: number
  trailing: number
}

function writeJoint(joint: { writer: BitWriter; window: Window; dod: bigint; bits: bigint; baseline: bigint }): void {
  const { writer, window, dod, bits, baseline } = joint
  if (dod === 0n) {
    if (bits === stale) writer.write(0b11111, 5)
    else if (bits === baseline) writer.write(0, 1)
    else {
      writer.write(0b10, 2)
      writeChange(writer, window, bits ^ baseline, false)
    }
    return
  }
  if (BigInt.asIntN(13, dod) === dod) {
    writer.write(0b110, 3)
    writer.write(Number(BigInt.asUintN(13, dod)), 13)
  } else if (BigInt.asIntN(20, dod) === dod) {
    writer.write(0b1110, 4)
    writer.write(Number(BigInt.asUintN(20, dod)), 20)
  } else {
    writer.write(0b11110, 5)
    writer.write64(BigInt.asUintN(64, dod))
  }
  writeAny(writer, window, bits, baseline)
}

function writeAny(writer: BitWriter, window: Window, bits: bigint, baseline: bigint): void {
  if (bits === stale) writer.write(0b111, 3)
  else if (bits === baseline) writer.write(0, 1)
  else {
    writer.write(1, 1)
    writeChange(writer, window, bits ^ baseline, true)
  }
}

/** A change in the last window (0) or its own (1; 10 where a third bit tells it from stale). */
function writeChange(writer: BitWriter, window: Window, xor: bigint, mayBeStale: boolean): void {
  const leading = Math.min(31, 64 - xor.toString(2).length)
  let trailing = 0
  while (((xor >> BigInt(trailing)) & 1n) === 0n) trailing++
  if (leading >= window.leading && trailing >= window.trailing) writer.write(0, 1)
  else {
    Object.assign(window, { leading, trailing })
    writer.write(mayBeStale ? 0b10 : 1, mayBeStale ? 2 : 1)
    writer.write(leading, 5)
    writer.write((64 - leading - trailing) % 64, 6)
  }
  writeBits(writer, xor >> BigInt(window.trailing), 64 - window.leading - window.trailing)
}

function writeBits(writer: BitWriter, bits: bigint, width: number): void {
  const low = BigInt.asUintN(width, bits)
  if (width > 32) writer.write(Number(low >> 32n), width - 32)
  writer.write(Number(low & 0xffffffffn), Math.min(width, 32))
}

function writeVarbit(writer: BitWriter, value: bigint): void {
  const kind = value === 0n ? 0 : widths.findIndex((width) => width > 0 && fits(value, BigInt(width)))
  // Eight ones need no zero behind them.
  writer.write(kind === 8 ? 0xff : 2 ** (kind + 1) - 2, Math.min(kind + 1, 8))
  if (kind > 0) writeBits(writer, value, widths[kind]!)
}

function fits(value: bigint, width: bigint): boolean {
  return width === 64n || (value > -(2n ** width) / 2n && value <= 2n ** width / 2n)
}
