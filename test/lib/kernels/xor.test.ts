// The XOR codec against its twin on random series, random bytes and cut or changed chunks: never a trap, never a byte too far.
import { expect, test } from 'vitest'
import { createKernels } from '../../../lib/kernels/instance.ts'
import type { SampleColumns } from '../../../lib/kernels/kernels.ts'
import { Random, seed } from '../../support/random.ts'
import { fill, wildSeries } from './series.ts'
import { bitsOf, decodeTwin, encodeTwin, samples } from './twins/xor.ts'

const kernels = createKernels()
const columns = kernels.columns()

function twinSamples(from: { times: Float64Array; values: Float64Array }) {
  const to = samples(from.times.length)
  to.times.set(from.times)
  bitsOf(to).set(new BigUint64Array(from.values.buffer))
  return to
}

const held = (of: SampleColumns) => ({ times: of.times().slice(), bits: of.valueBits().slice() })

/** Kernel and twin agree: the same samples, or both refuse. */
function expectSame(chunk: Uint8Array): void {
  columns.clear()
  const want = decodeTwin(chunk)
  if (want === undefined) {
    expect(() => kernels.decodeXor(chunk, columns)).toThrow(expect.objectContaining({ code: 'corrupt' }))
    expect(columns.length).toBe(0)
  } else {
    kernels.decodeXor(chunk, columns)
    expect(held(columns)).toEqual({ times: want.times, bits: bitsOf(want) })
  }
}

test(`encodes as the twin does, and decodes to the same bits (SEED=${seed})`, () => {
  const random = new Random(seed)
  const decoded = kernels.columns()
  for (let round = 0; round < 600; round++) {
    const series = wildSeries(random, 250)
    fill(columns, series)
    const chunk = kernels.encodeXor(columns, 0, columns.length)
    expect(chunk).toEqual(encodeTwin(twinSamples(series)))
    decoded.clear()
    kernels.decodeXor(chunk, decoded)
    expect(held(decoded)).toEqual(held(columns))
    expectSame(chunk)
  }
  decoded.free()
})

test('what was encoded stays as it is until its memory is used again', () => {
  const random = new Random(seed)
  const encode = () => {
    fill(columns, wildSeries(random, 20))
    const chunk = kernels.encodeXor(columns, 0, columns.length)
    return { chunk, want: chunk.slice() }
  }
  for (let round = 0; round < 100; round++) {
    const encoded = Array.from({ length: 1 + random.below(300) }, encode)
    for (const { chunk, want } of encoded) expect(chunk).toEqual(want)
    kernels.reuseEncoded()
  }
  const first = encode()
  kernels.reuseEncoded()
  const second = encode()
  expect(second.chunk.buffer).toBe(first.chunk.buffer)
  expect(second.chunk.byteOffset).toBe(0)
})

test(`cut and changed chunks decode as the twin does, or are corrupt for both (SEED=${seed})`, () => {
  const random = new Random(seed)
  for (let round = 0; round < 1500; round++) {
    fill(columns, wildSeries(random, 40))
    const chunk = kernels.encodeXor(columns, 0, columns.length)
    expectSame(chunk.subarray(0, random.below(chunk.length + 1)))
    for (let changes = random.below(4); changes >= 0; changes--) chunk[random.below(chunk.length)] = random.u32()
    expectSame(chunk)
  }
})

test(`random bytes (SEED=${seed})`, () => {
  const random = new Random(seed)
  for (let round = 0; round < 3000; round++) {
    const chunk = random.bytes(random.below(200))
    // Few samples, so that some of it is read to its end.
    if (random.chance(0.7) && chunk.length > 1) chunk.set([0, random.below(10)])
    if (random.chance(0.3)) chunk.fill(random.pick([0, 0xff, 0x80]), 2)
    expectSame(chunk)
  }
})

test('bytes behind the chunk are not read', () => {
  const random = new Random(1)
  for (let round = 0; round < 200; round++) {
    fill(columns, wildSeries(random, 20))
    const chunk = kernels.encodeXor(columns, 0, columns.length)
    const larger = new Uint8Array(chunk.length + 100).fill(0xff)
    larger.set(chunk, 50)
    for (let cut = 0; cut < chunk.length; cut += 3) expectSame(larger.subarray(50, 50 + cut))
  }
})

test('what is decoded is appended', () => {
  columns.clear()
  columns.push(1, 1)
  columns.push(2, 2)
  const chunk = kernels.encodeXor(columns, 0, 2)
  for (let i = 0; i < 10_000; i++) kernels.decodeXor(chunk, columns)
  expect(columns.length).toBe(20_002)
  expect([...columns.times().slice(-3)]).toEqual([2, 1, 2])
})

test('a chunk of 65,535 samples, and none of more', () => {
  const random = new Random(1)
  columns.clear()
  columns.reserve(65_536)
  for (let i = 0; i < 65_536; i++) columns.push(i * random.below(1e9), random.float())
  expect(() => kernels.encodeXor(columns, 0, 65_536)).toThrow(expect.objectContaining({ code: 'internal' }))
  const chunk = kernels.encodeXor(columns, 1, 65_536)
  const want = { times: columns.times().slice(1), bits: columns.valueBits().slice(1) }
  columns.clear()
  kernels.decodeXor(chunk, columns)
  expect(held(columns)).toEqual(want)
})

test('times beyond 53 bits are clamped', () => {
  columns.clear()
  columns.push(-Number.MAX_SAFE_INTEGER, 1)
  columns.push(Number.MAX_SAFE_INTEGER, 2)
  columns.push(Number.MAX_SAFE_INTEGER, 3)
  const chunk = kernels.encodeXor(columns, 0, 3)
  const edge = { times: columns.times().slice(), bits: columns.valueBits().slice() }
  columns.clear()
  kernels.decodeXor(chunk, columns)
  expect(held(columns)).toEqual(edge)
  // The least int64 as a zigzag varint, then the value 0.
  const least = Uint8Array.of(0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, ...new Uint8Array(8))
  expectSame(least)
  expect([...columns.times()]).toEqual([-Number.MAX_SAFE_INTEGER])
})

test('times that are no integers do not trap', () => {
  columns.clear()
  for (const time of [Number.NaN, Infinity, -Infinity, 1e300, 0.5]) columns.push(time, 1)
  expect(kernels.encodeXor(columns, 0, 5).length).toBeGreaterThan(2)
})
