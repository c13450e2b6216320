// Random series through downsampling, raw to 5 minutes to an hour, against the plain model: every aggregate of every window.
import { expect, test } from 'vitest'
import { type Aggregate, aggregates, splitAggregates } from '../../../lib/chunkenc/aggregate.ts'
import { chunkEncoding } from '../../../lib/chunkenc/encoding.ts'
import { SeriesDownsampler } from '../../../lib/compact/downsample-series.ts'
import { createKernels } from '../../../lib/kernels/instance.ts'
import type { BlockChunk } from '../../../lib/tsdb/block-writer.ts'
import { Random, seed } from '../../support/random.ts'
import {
  type ModelChunk,
  type ModelSample,
  modelFromFiveMinutes,
  modelFromRaw,
  type Points,
} from './models/downsample.ts'

const kernels = createKernels()
const columns = kernels.columns()
const downsampler = new SeriesDownsampler(kernels)
const staleBits = 0x7ff0000000000002n
const cases = 500

/** A counter with resets or a gauge, with holes, jitter, stale markers and values that are no plain numbers. */
function wildSamples(random: Random): ModelSample[] {
  const samples: ModelSample[] = []
  const stepMs = random.pick([1000, 15_000, 60_000, 300_000, 700_000])
  const isCounter = random.chance(0.7)
  const odd = random.chance(0.3)
  let time = random.pick([-7_000_000, 0, 1_699_920_000_000]) + random.below(7_200_000)
  let value = random.below(100)
  for (let left = random.below(random.pick([5, 400, 3000])); left >= 0; left--) {
    time += stepMs + random.below(stepMs / 10) + (random.chance(0.01) ? random.below(20_000_000) : 0)
    value = isCounter
      ? random.chance(0.02)
        ? random.below(10)
        : value + random.float() * 10
      : random.float() * 200 - 100
    const strange = random.pick([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, undefined])
    samples.push([time, odd && random.chance(0.1) ? strange : value])
  }
  return samples
}

/** The samples as XOR chunks of random lengths. */
function chunksOf(samples: readonly ModelSample[], random: Random): BlockChunk[] {
  const chunks: BlockChunk[] = []
  for (let from = 0; from < samples.length; ) {
    const part = samples.slice(from, from + 1 + random.below(240))
    columns.clear()
    for (const [time, value] of part)
      if (value === undefined) columns.pushBits(time, staleBits)
      else columns.push(time, value)
    chunks.push({
      minTime: part[0]![0],
      maxTime: part.at(-1)![0],
      numSamples: part.length,
      encoding: chunkEncoding.xor,
      data: kernels.encodeXor(columns, 0, part.length),
    })
    from += part.length
  }
  return chunks
}

function decode(chunk: BlockChunk): ModelChunk {
  expect(chunk.encoding).toBe(chunkEncoding.aggregate)
  const parts = splitAggregates(chunk.data)
  const out = Object.fromEntries(aggregates.map((name) => [name, points(parts, name)])) as unknown as ModelChunk
  const times = out.count.map(([time]) => time)
  expect([chunk.minTime, chunk.maxTime, chunk.numSamples]).toEqual([times[0], times.at(-1), times.length])
  return out
}

function points(parts: ReturnType<typeof splitAggregates>, name: Aggregate): Points {
  columns.clear()
  if (parts[name]) kernels.decodeXor(parts[name].data, columns)
  const values = columns.values()
  return [...columns.times()].map((time, i) => [time, values[i]!])
}

test(`${cases} random series (SEED=${seed})`, () => {
  const random = new Random(seed)
  for (let i = 0; i < cases; i++) {
    const samples = wildSamples(random)
    const fiveMinutes = downsampler.fromRaw(chunksOf(samples, random))
    const want = modelFromRaw(samples)
    expect(fiveMinutes.map(decode), `case ${i} at 5 minutes`).toEqual(want)
    expect(downsampler.fromFiveMinutes(fiveMinutes).map(decode), `case ${i} at an hour`).toEqual(
      modelFromFiveMinutes(want),
    )
  }
})

test('stale markers alone leave nothing', () => {
  const chunks = chunksOf([[1, undefined]], new Random(1))
  expect(downsampler.fromRaw(chunks)).toEqual([])
  expect(downsampler.fromFiveMinutes([])).toEqual([])
})

test('a chunk of an unknown encoding is refused', () => {
  const chunk = { minTime: 1, maxTime: 1, numSamples: 1, encoding: 77, data: new Uint8Array(2) }
  expect(() => downsampler.fromRaw([chunk])).toThrow(expect.objectContaining({ code: 'unsupported' }))
})

test('raw chunks that an old Thanos left between aggregates: empty ones are passed over, others are downsampled', () => {
  const samples = Array.from({ length: 100 }, (_, i): ModelSample => [i * 60_000, i])
  const [raw] = chunksOf(samples.slice(0, 40), new Random(3))
  const rest = downsampler.fromRaw(chunksOf(samples.slice(raw!.numSamples), new Random(4)))
  const empty = { ...raw!, numSamples: 0, data: new Uint8Array(2) }
  const want = downsampler.fromFiveMinutes([...downsampler.fromRaw([raw!]), ...rest])
  expect(downsampler.fromFiveMinutes([raw!, empty, ...rest])).toEqual(want)
})
