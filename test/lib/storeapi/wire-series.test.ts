// Series read from frames by kernels against the readers in TypeScript, bit for bit: random series, other kinds of chunks among
// them, changed and cut frames. What a kernel does not read falls back, so that the two never differ.
import { expect, test } from 'vitest'
import { createKernels } from '../../../lib/kernels/instance.ts'
import { xxhash64 } from '../../../lib/kernels/xxhash.ts'
import { MnemoError } from '../../../lib/kit/errors.ts'
import { joinSeries } from '../../../lib/storeapi/chunk-order.ts'
import { SeriesReader } from '../../../lib/storeapi/dedup.ts'
import { encodeSeries, encodeSeriesBatch, encodeSeriesResponse, SeriesDecoder } from '../../../lib/storeapi/messages.ts'
import type { AggrChunk, StoreSeries } from '../../../lib/storeapi/types.ts'
import { joinWireSeries, splitFields, WireSeries } from '../../../lib/storeapi/wire-series.ts'
import { Random, seed } from '../../support/random.ts'

const kernels = createKernels()
const columns = kernels.columns()
const reader = new SeriesReader(kernels)

/** A chunk that begins at `startMs`; now and then it announces less than it holds. */
function randomChunk(random: Random, startMs: number): AggrChunk {
  columns.clear()
  const count = 1 + random.below(random.chance(0.1) ? 300 : 20)
  for (let i = 0; i < count; i++) columns.push(startMs + i * 1000 + random.below(3), random.below(100) / 7)
  const times = columns.times()
  const maxTime = times[times.length - 1]! - (random.chance(0.05) ? 1500 : 0)
  const data = kernels.encodeXor(columns, 0, columns.length)
  return { minTime: times[0]!, maxTime, raw: { type: 0, data, hash: random.chance(0.2) ? 0n : xxhash64(data) } }
}

function randomSeries(random: Random): StoreSeries {
  const chunks: AggrChunk[] = []
  let startMs = random.below(1_000_000) - 500_000
  for (let left = random.below(8); left > 0; left--) {
    const chunk = randomChunk(random, startMs)
    const { raw } = chunk
    const kind = random.below(30)
    if (kind === 0) chunks.push({ ...chunk, raw: { ...raw!, type: 1 + random.below(5) } })
    else if (kind === 1) chunks.push({ minTime: chunk.minTime, maxTime: chunk.maxTime, counter: raw! })
    else chunks.push(chunk)
    startMs = chunk.maxTime + random.below(5000) - (random.chance(0.05) ? 3000 : 0)
  }
  return { labels: ['a', random.pick(['x', 'ü', '']) + random.below(9)], chunks }
}

/** The series of a frame by the readers in TypeScript; undefined where they refuse it. */
function plainly(frame: Buffer): StoreSeries[] | undefined {
  // A field that the walk does not know makes it leave the frame alone.
  const read = outcome(() => new SeriesDecoder().decode(Buffer.concat([Buffer.of(0x78, 1), frame])))
  return read?.flatMap((response) => (response.kind === 'series' ? [response.series] : []))
}

function outcome<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    if (error instanceof MnemoError) return undefined
    throw error
  }
}

function samplesOf(series: StoreSeries, range: { minTime: number; maxTime: number }) {
  columns.clear()
  if (!(series instanceof WireSeries && series.decode(range, columns)))
    reader.read(series.chunks, range, 'chain', { columns, histograms: [] })
  return { times: columns.times().slice(), bits: columns.valueBits().slice() }
}

/** Both ways to read the frame give the same series with the same samples, or both refuse. */
function expectSame(random: Random, frame: Buffer): void {
  const want = plainly(frame)
  const got = outcome(() => new SeriesDecoder().decode(frame))
  if (want === undefined || got === undefined) {
    expect(got).toEqual(want)
    return
  }
  const series = got.flatMap((response) => (response.kind === 'series' ? [response.series] : []))
  expect(series.map(({ labels, chunks }) => ({ labels, chunks }))).toEqual(want)
  const range = { minTime: random.below(20_000) - 10_000, maxTime: random.below(100_000) }
  for (const [i, one] of series.entries()) {
    const plain = outcome(() => samplesOf(want[i]!, range))
    const wire = outcome(() => samplesOf(one, range))
    if (one instanceof WireSeries) expect(wire).toEqual(plain)
  }
}

test(`whole, changed and cut frames (SEED=${seed})`, () => {
  const random = new Random(seed)
  for (let round = 0; round < 400; round++) {
    const batch = Array.from({ length: random.below(6) }, () => randomSeries(random))
    const frame = encodeSeriesBatch(batch)
    expectSame(random, frame)
    for (const series of batch.slice(0, 1)) expectSame(random, encodeSeriesResponse({ kind: 'series', series }))
    if (frame.length === 0) continue
    expectSame(random, frame.subarray(0, random.below(frame.length)))
    for (let changes = random.below(4); changes >= 0; changes--) frame[random.below(frame.length)] = random.u32()
    expectSame(random, frame)
  }
})

const oneSeries = (chunks: AggrChunk[]): StoreSeries => oneSeriesOf(encodeSeries({ labels: ['a', '1'], chunks }))

const oneSeriesOf = (frame: Buffer): StoreSeries => {
  const [response] = new SeriesDecoder().decode(frame)
  if (response?.kind !== 'series') throw new Error('want a series')
  return response.series
}

test('a hash of any length of bytes is held against them', () => {
  const random = new Random(seed)
  for (let length = 2; length < 150; length++) {
    const data = Uint8Array.from({ length }, () => random.u32())
    const chunk = (hash: bigint): AggrChunk => ({ minTime: 1, maxTime: 2, raw: { type: 0, data, hash } })
    expect(oneSeries([chunk(xxhash64(data))])).toBeInstanceOf(WireSeries)
    expect(oneSeries([chunk(xxhash64(data) ^ 1n)])).not.toBeInstanceOf(WireSeries)
  }
})

test('parts of a series are put in order of time; those that overlap are ordered as objects', () => {
  const random = new Random(seed)
  const [a, b, c] = [0, 100_000, 200_000].map((startMs) => ({
    ...randomChunk(random, startMs),
    maxTime: startMs + 50_000,
  }))
  const joined = joinSeries([oneSeries([b!]), oneSeries([c!]), oneSeries([a!])])
  expect(joined).toBeInstanceOf(WireSeries)
  expect(joined.chunks.map(({ minTime }) => minTime)).toEqual([a!.minTime, b!.minTime, c!.minTime])
  expect(joinWireSeries([oneSeries([a!, b!]), oneSeries([b!, c!])])).toBeUndefined()
  expect(joinSeries([oneSeries([a!, b!]), oneSeries([b!, c!])]).chunks.length).toBe(3)
  const sent = encodeSeriesResponse({ kind: 'series', series: joined })
  const [back] = new SeriesDecoder().decode(sent)
  expect(back?.kind === 'series' && back.series.chunks).toEqual(joined.chunks)
})

test('a large series is cut between chunks, and every part is read', () => {
  const random = new Random(seed)
  const chunks = Array.from({ length: 40 }, (_, i) => ({
    ...randomChunk(random, i * 1_000_000),
    maxTime: i * 1_000_000 + 400_000,
  }))
  const { parts } = joinWireSeries([oneSeries(chunks.slice(0, 15)), oneSeries(chunks.slice(15))])!
  for (const maxBytes of [1, 500, 2000, 1 << 20]) {
    const groups = splitFields(parts, maxBytes)
    const lengths = groups.map((group) => group.reduce((sum, { start, end }) => sum + end - start, 0))
    const back = groups.flatMap((parts) => oneSeriesOf(encodeSeries({ labels: ['a', '1'], parts })).chunks)
    expect(back).toEqual(oneSeries(chunks).chunks)
    expect(groups.length).toBe(maxBytes === 1 ? 40 : groups.length)
    for (const [i, length] of lengths.entries())
      expect(
        length <= maxBytes || oneSeriesOf(encodeSeries({ labels: [], parts: groups[i]! })).chunks.length === 1,
      ).toBe(true)
  }
})
