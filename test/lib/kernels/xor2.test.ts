// The XOR2 kernels beside their twin: golden chunks, random series, mutated and cut chunks; start timestamps of every kind.
import { expect, test } from 'vitest'
import { chunkEncoding } from '../../../lib/chunkenc/encoding.ts'
import { createKernels } from '../../../lib/kernels/instance.ts'
import { MnemoError } from '../../../lib/kit/errors.ts'
import { BlockReader } from '../../../lib/tsdb/block-reader.ts'
import { goldenBlocks, readDump } from '../../support/golden.ts'
import { Random, seed } from '../../support/random.ts'
import { decodeXor2Twin, encodeXor2Twin, type StartedSample } from './twins/xor2.ts'

const kernels = createKernels()
const columns = kernels.columns()
const staleBits = 0x7ff0000000000002n

/** A dumped value's bits: Go's 'g' format, NaN with its bits in hex. */
function bitsOfText(text: string): bigint {
  if (text.startsWith('NaN:')) return BigInt(`0x${text.slice(4)}`)
  const value = text.endsWith('Inf') ? (text.startsWith('-') ? -Infinity : Infinity) : Number(text)
  return new BigUint64Array(Float64Array.of(value).buffer)[0]!
}

function decode(chunk: Uint8Array): StartedSample[] {
  columns.clear()
  const count = (chunk[0]! << 8) | chunk[1]!
  const mark = kernels.mark()
  const starts = kernels.alloc(count * 8)
  try {
    kernels.decodeXor2(chunk, columns, starts)
    const bits = columns.valueBits()
    const startTimes = kernels.f64(starts, count)
    return [...columns.times()].map((time, i) => ({
      time: BigInt(time),
      bits: bits[i]!,
      start: BigInt(startTimes[i]!),
    }))
  } finally {
    kernels.release(mark)
  }
}

function encode(samples: readonly StartedSample[]): Uint8Array {
  columns.clear()
  for (const { time, bits } of samples) columns.pushBits(Number(time), bits)
  const mark = kernels.mark()
  const starts = kernels.alloc(samples.length * 8)
  kernels.f64(starts, samples.length).set(samples.map(({ start }) => Number(start)))
  const chunk = kernels.encodeXor2(columns, 0, samples.length, starts)
  kernels.release(mark)
  return chunk
}

const blocks = goldenBlocks().filter(({ name }) => name === 'blocks/floats-xor2' || name === 'blocks/histograms-st')

test.each(blocks)('$name: samples as dumped, chunks re-encoded byte for byte', async (block) => {
  const reader = await BlockReader.open(block.folder)
  let seen = 0
  for (const series of readDump(block)) {
    const metas = series.chunks.filter(({ encoding }) => encoding === chunkEncoding.xor2)
    const chunks = await reader.chunks.read(metas.map(({ ref }) => ref))
    const got = chunks.flatMap(({ data }) => {
      const samples = decode(data)
      expect(decodeXor2Twin(data)).toEqual(samples)
      expect(encode(samples)).toEqual(data)
      expect(encodeXor2Twin(samples)).toEqual(data)
      return samples
    })
    const floats = series.samples.filter(([, value]) => typeof value === 'string')
    expect(got).toEqual(
      floats.map(([time, value, start]) => ({
        time: BigInt(time),
        bits: bitsOfText(value),
        start: BigInt(start ?? 0),
      })),
    )
    seen += metas.length
  }
  await reader.close()
  expect(seen).toBeGreaterThan(3)
})

function wildSeries(random: Random): StartedSample[] {
  const samples: StartedSample[] = []
  let time = BigInt(random.below(2 ** 40)) - 2n ** 38n
  let bits = random.pick([0n, staleBits, 0x4000000000000000n])
  let start = random.chance(0.5) ? 0n : time - BigInt(random.below(1e6))
  const calm = random.chance(0.5)
  const length = random.pick([0, 1, 2, 3, 10, 126, 127, 128, 129, 200])
  for (let i = 0; i < length; i++) {
    samples.push({ time, bits, start })
    time += random.chance(0.6) ? 15_000n : BigInt(random.below(random.pick([3, 4097, 9000, 600_000, 2 ** 40])))
    if (random.chance(0.5)) bits = BigInt(random.below(2 ** 32)) << BigInt(random.below(33))
    if (random.chance(0.1)) bits = staleBits
    if (!calm && random.chance(0.3)) start = time - BigInt(random.below(random.pick([3, 100, 1e5, 1e9, 2 ** 45])))
  }
  return samples
}

test(`random series, byte for byte the twin's (SEED=${seed})`, () => {
  const random = new Random(seed)
  for (let round = 0; round < 400; round++) {
    const samples = wildSeries(random)
    const chunk = encode(samples)
    expect(chunk).toEqual(encodeXor2Twin(samples))
    expect(decode(chunk)).toEqual(samples)
  }
})

/** What the twin says, or `corrupt`; times and start timestamps of more than 53 bits come clamped. */
function expectSame(chunk: Uint8Array): void {
  const want = decodeXor2Twin(chunk)
  let got: StartedSample[] | undefined
  try {
    got = decode(chunk)
  } catch (error) {
    if (!(error instanceof MnemoError) || error.code !== 'corrupt') throw error
  }
  const most = BigInt(Number.MAX_SAFE_INTEGER)
  const clamp = (value: bigint) => (value > most ? most : value < -most ? -most : value)
  const clamped = want?.map(({ time, bits, start }) => ({ time: clamp(time), bits, start: clamp(start) }))
  if (got !== undefined || want !== undefined) expect(got).toEqual(clamped)
}

test(`mutated, cut and random chunks (SEED=${seed})`, () => {
  const random = new Random(seed)
  for (let round = 0; round < 1500; round++) {
    const chunk = random.chance(0.2) ? random.bytes(3 + random.below(100)) : encode(wildSeries(random))
    for (let i = random.below(4); i > 0; i--) chunk[random.below(chunk.length)] = random.below(256)
    if (random.chance(0.5)) chunk[0] = 0
    expectSame(chunk.subarray(0, random.chance(0.5) ? chunk.length : Math.max(2, random.below(chunk.length))))
  }
})
