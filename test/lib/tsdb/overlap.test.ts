// Random layouts of chunks that overlap, merged one-to-one and by penalty, against models that fold whole lists of samples.
import { expect, test } from 'vitest'
import { chunkEncoding } from '../../../lib/chunkenc/encoding.ts'
import { createKernels } from '../../../lib/kernels/instance.ts'
import type { BlockChunk } from '../../../lib/tsdb/block-writer.ts'
import { OverlapMerger, type SourcedChunk } from '../../../lib/tsdb/overlap.ts'
import { Random, seed } from '../../support/random.ts'

type Sample = readonly [timeMs: number, bits: bigint]

const kernels = createKernels()
const columns = kernels.columns()
const mergers = { oneToOne: new OverlapMerger(kernels, 'one-to-one'), penalty: new OverlapMerger(kernels, 'penalty') }
const cases = 500

function chunkOf(samples: readonly Sample[]): BlockChunk {
  columns.clear()
  for (const [time, bits] of samples) columns.pushBits(time, bits)
  return {
    minTime: samples[0]![0],
    maxTime: samples.at(-1)![0],
    numSamples: samples.length,
    encoding: chunkEncoding.xor,
    data: kernels.encodeXor(columns, 0, samples.length),
  }
}

function samplesOf(chunks: readonly BlockChunk[]): Sample[] {
  return chunks.flatMap(({ data, minTime, maxTime, numSamples }) => {
    columns.clear()
    kernels.decodeXor(data, columns)
    const bits = columns.valueBits()
    const samples = [...columns.times()].map((time, i): Sample => [time, bits[i]!])
    expect([minTime, maxTime, numSamples]).toEqual([samples[0]![0], samples.at(-1)![0], samples.length])
    return samples
  })
}

/** One to four sources' chunks: replicas that lag, holes, copies of chunks, long chunks over short ones. */
function wildChunks(random: Random): SourcedChunk[] {
  const stepMs = random.pick([1000, 15_000])
  const chunks: SourcedChunk[] = []
  for (let source = 1 + random.below(4); source > 0; source--) {
    let time = random.below(20) * stepMs + random.below(3) * 700
    let samples: Sample[] = []
    const cut = () => {
      if (samples.length > 0) chunks.push({ ulid: `block ${source}`, chunk: chunkOf(samples) })
      samples = []
    }
    for (let left = random.below(200); left > 0; left--) {
      samples.push([time, random.chance(0.05) ? random.u64() : BigInt(random.below(5))])
      if (samples.length === 120 || random.chance(0.05)) cut()
      time += stepMs + (random.chance(0.05) ? random.below(30) * stepMs : 0)
    }
    cut()
  }
  if (random.chance(0.3) && chunks.length > 0) chunks.push({ ...random.pick(chunks), ulid: 'a copy' })
  return chunks
}

/** Folds whole lists, chunk by chunk in order of time; runs that overlap apart from each other. */
function model(
  chunks: readonly SourcedChunk[],
  fold: (a: readonly Sample[], b: readonly Sample[]) => Sample[],
): Sample[] {
  const inOrder = chunks.map(({ chunk }) => chunk).sort((a, b) => a.minTime - b.minTime || a.maxTime - b.maxTime)
  const out: Sample[] = []
  for (let i = 0; i < inOrder.length; ) {
    let run = samplesOf([inOrder[i]!])
    const seen = [inOrder[i]!]
    let end = inOrder[i]!.maxTime
    for (i++; i < inOrder.length && inOrder[i]!.minTime <= end; i++) {
      const next = inOrder[i]!
      end = Math.max(end, next.maxTime)
      const isCopy = seen.some(({ minTime, data }) => minTime === next.minTime && Buffer.compare(data, next.data) === 0)
      if (!isCopy) run = fold(run, samplesOf([next]))
      seen.push(next)
    }
    out.push(...run)
  }
  return out
}

function foldOneToOne(a: readonly Sample[], b: readonly Sample[]): Sample[] {
  const byTime = new Map([...b, ...a])
  return [...byTime].sort(([x], [y]) => x - y)
}

/** What a side has passed over is gone for it. */
function foldPenalty(a: readonly Sample[], b: readonly Sample[]): Sample[] {
  const out: Sample[] = []
  const sides = [
    { left: a, penalty: 0 },
    { left: b, penalty: 0 },
  ]
  for (;;) {
    const last = out.at(-1)?.[0]
    for (const side of sides) side.left = side.left.filter(([time]) => last === undefined || time > last + side.penalty)
    const next = sides.map(({ left }) => left[0])
    const chosen = next[1] === undefined || (next[0] !== undefined && next[0][0] <= next[1][0]) ? 0 : 1
    const sample = next[chosen]
    if (sample === undefined) return out
    if (next[1 - chosen] !== undefined) sides[1 - chosen]!.penalty = last === undefined ? 5000 : 2 * (sample[0] - last)
    sides[chosen]!.penalty = 0
    out.push(sample)
  }
}

test(`${cases} random layouts (SEED=${seed})`, () => {
  const random = new Random(seed)
  for (let i = 0; i < cases; i++) {
    const chunks = wildChunks(random)
    expect(samplesOf(mergers.oneToOne.merge(chunks)), `case ${i}, one-to-one`).toEqual(model(chunks, foldOneToOne))
    expect(samplesOf(mergers.penalty.merge(chunks)), `case ${i}, penalty`).toEqual(model(chunks, foldPenalty))
  }
})

const chunk = (from: number, count: number) =>
  chunkOf(Array.from({ length: count }, (_, i): Sample => [from + i, BigInt(i)]))

test('chunks that stand alone, and copies, keep their bytes', () => {
  const [first, second] = [chunk(0, 10), chunk(10, 130)]
  const merged = mergers.oneToOne.merge([
    { ulid: 'a', chunk: second },
    { ulid: 'b', chunk: first },
    { ulid: 'c', chunk: second },
  ])
  expect(merged).toEqual([first, second])
  expect(merged[1]!.data).toBe(second.data)
})

test('an overlap is cut at 120 samples', () => {
  const merged = mergers.oneToOne.merge([
    { ulid: 'a', chunk: chunk(0, 200) },
    { ulid: 'b', chunk: chunk(100, 200) },
  ])
  expect(merged.map(({ numSamples }) => numSamples)).toEqual([120, 120, 60])
})

test('what cannot be merged names its block', () => {
  const good = { ulid: 'good', chunk: chunk(0, 10) }
  const merge = (bad: BlockChunk) => () => mergers.oneToOne.merge([good, { ulid: 'bad', chunk: bad }])
  const aggregate = { ...chunk(5, 10), encoding: chunkEncoding.aggregate }
  expect(merge(aggregate)).toThrow(expect.objectContaining({ code: 'unsupported', ulid: 'bad' }))
  const cut = { ...chunk(5, 10), data: chunk(5, 10).data.subarray(0, 12) }
  expect(merge(cut)).toThrow(expect.objectContaining({ code: 'corrupt', ulid: 'bad' }))
  const elsewhere = { ...chunk(5, 10), maxTime: 20 }
  expect(merge(elsewhere)).toThrow(expect.objectContaining({ code: 'corrupt', ulid: 'bad' }))
})
