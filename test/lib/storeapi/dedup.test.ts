// Lanes, penalty and chain over columns: tables, a model written as iterators after Thanos's, NaN bits, bad chunks.
import { describe, expect, test } from 'vitest'
import { createKernels } from '../../../lib/kernels/instance.ts'
import type { SampleColumns } from '../../../lib/kernels/kernels.ts'
import { mergeChain, mergePenalty, SeriesReader, splitLanes } from '../../../lib/storeapi/dedup.ts'
import type { AggrChunk } from '../../../lib/storeapi/types.ts'
import { chunk } from '../../support/fake-store.ts'
import { Random } from '../../support/random.ts'

const kernels = createKernels()
const all = { minTime: -1e15, maxTime: 1e15 }

function columnsOf(times: readonly number[], value: (time: number) => number = (time) => time): SampleColumns {
  const columns = kernels.columns()
  for (const time of times) columns.push(time, value(time))
  return columns
}

function xor(times: readonly number[], value = 1): AggrChunk {
  const data = kernels.encodeXor(
    columnsOf(times, () => value),
    0,
    times.length,
  )
  return { minTime: times[0]!, maxTime: times.at(-1)!, raw: { type: 0, data, hash: 0n } }
}

/** `10a 20b`: a time with the side it came from. */
function merged(merge: typeof mergePenalty, a: readonly number[], b: readonly number[]): string {
  const into = kernels.columns()
  merge(
    columnsOf(a, () => 0),
    columnsOf(b, () => 1),
    into,
  )
  const values = into.values()
  return Array.from(into.times(), (time, i) => `${time}${'ab'[values[i]!]}`).join(' ')
}

function every(stepMs: number, fromMs: number, toMs: number): number[] {
  return Array.from({ length: Math.floor((toMs - fromMs) / stepMs) + 1 }, (_, i) => fromMs + i * stepMs)
}

test('lanes: onto the first that ended before', () => {
  const chunks = [chunk(0, 10), chunk(5, 15), chunk(10, 20), chunk(11, 20), chunk(16, 30), chunk(21, 30)]
  expect(splitLanes(chunks).map((lane) => lane.map(({ minTime }) => minTime))).toEqual([[0, 11, 21], [5, 16], [10]])
})

describe('penalty', () => {
  test.each<[string, number[], number[], string]>([
    ['both empty', [], [], ''],
    ['one side alone', [1000, 2000], [], '1000a 2000a'],
    ['the other alone', [], [1000, 2000], '1000b 2000b'],
    ['equal times: the first side', [0, 15_000, 30_000], [0, 15_000, 30_000], '0a 15000a 30000a'],
    ['the second side starts earlier', [5000, 20_000], [1000, 16_000], '1000b 16000b'],
    [
      'a hole in the chosen side is filled once it is wider than the penalty, and the other side is kept then',
      [0, 15_000, 30_000, 90_000, 105_000],
      every(15_000, 5000, 110_000),
      '0a 15000a 30000a 65000b 80000b 95000b 110000b',
    ],
    ['the chosen side ends', [0, 15_000], every(15_000, 1000, 70_000), '0a 15000a 46000b 61000b'],
  ])('%s', (_name, a, b, want) => {
    expect(merged(mergePenalty, a, b)).toBe(want)
  })
})

test('chain: each time once, the first side where both have it', () => {
  expect(merged(mergeChain, [0, 2, 4, 6], [1, 2, 3, 7])).toBe('0a 1b 2a 3b 4a 6a 7b')
  expect(merged(mergeChain, [], [1])).toBe('1b')
})

describe('the model', () => {
  // Thanos's dedupSeriesIterator in its own shape: Next and Seek over two children.
  interface Model {
    next(): boolean
    seek(t: number): boolean
    at(): [number, number]
  }

  class List implements Model {
    readonly samples: [number, number][]
    i = -1
    constructor(samples: [number, number][]) {
      this.samples = samples
    }
    next() {
      this.i++
      return this.i < this.samples.length
    }
    seek(t: number) {
      if (this.i < 0) this.i = 0
      while (this.i < this.samples.length && this.samples[this.i]![0] < t) this.i++
      return this.i < this.samples.length
    }
    at() {
      return this.samples[this.i]!
    }
  }

  class Pair implements Model {
    readonly a: Model
    readonly b: Model
    okA: boolean
    okB: boolean
    lastT = Number.NEGATIVE_INFINITY
    penA = 0
    penB = 0
    useA = true
    constructor(a: Model, b: Model) {
      this.a = a
      this.b = b
      this.okA = a.next()
      this.okB = b.next()
    }
    next() {
      if (this.okA) this.okA = this.a.seek(this.lastT + 1 + this.penA)
      if (this.okB) this.okB = this.b.seek(this.lastT + 1 + this.penB)
      if (!this.okA && !this.okB) return false
      if (!this.okA) return this.use(false, true)
      if (!this.okB) return this.use(true, true)
      return this.use(this.a.at()[0] <= this.b.at()[0], false)
    }
    use(useA: boolean, alone: boolean) {
      this.useA = useA
      const t = (useA ? this.a : this.b).at()[0]
      const penalty = this.lastT === Number.NEGATIVE_INFINITY ? 5000 : 2 * (t - this.lastT)
      if (useA) {
        this.penA = 0
        if (!alone) this.penB = penalty
      } else {
        this.penB = 0
        if (!alone) this.penA = penalty
      }
      this.lastT = t
      return true
    }
    seek(t: number) {
      while (this.lastT < t) if (!this.next()) return false
      return true
    }
    at() {
      return (this.useA ? this.a : this.b).at()
    }
  }

  function randomLane(random: Random, value: number): [number, number][] {
    const samples: [number, number][] = []
    let time = Math.floor(random.float() * 20_000)
    const interval = 1000 + Math.floor(random.float() * 30_000)
    for (let n = Math.floor(random.float() * 60); n > 0; n--) {
      samples.push([time, value])
      const hole = random.float() < 0.1 ? Math.floor(random.float() * 300_000) : 0
      time += interval + Math.floor((random.float() - 0.5) * 200) + hole
    }
    return samples
  }

  test('agrees on random lanes, two to four of them', () => {
    for (let seed = 1; seed <= 400; seed++) {
      const random = new Random(seed)
      const lanes = Array.from({ length: 2 + Math.floor(random.float() * 3) }, (_, i) => randomLane(random, i))
      const model = lanes.slice(1).reduce<Model>((acc, lane) => new Pair(acc, new List(lane)), new List(lanes[0]!))
      const want: [number, number][] = []
      while (model.next()) want.push(model.at())

      let acc = kernels.columns()
      for (const [t, v] of lanes[0]!) acc.push(t, v)
      for (const lane of lanes.slice(1)) {
        const other = kernels.columns()
        for (const [t, v] of lane) other.push(t, v)
        const into = kernels.columns()
        mergePenalty(acc, other, into)
        acc.free()
        other.free()
        acc = into
      }
      const got = Array.from(acc.times(), (t, i) => [t, acc.values()[i]])
      expect(got, `seed ${seed}`).toEqual(want)
      acc.free()
    }
  })
})

describe('reading a series', () => {
  const reader = new SeriesReader(kernels)
  const read = (chunks: AggrChunk[], range = all, how: 'penalty' | 'chain' = 'penalty') => {
    const into = columnsOf([-7])
    reader.read(chunks, range, how, { columns: into, histograms: [] })
    return Array.from(into.times()).slice(1)
  }

  test('one lane: its chunks one behind the other, in the range, behind what the columns hold', () => {
    const chunks = [xor([0, 10, 20]), xor([30, 40, 50]), xor([60, 70])]
    expect(read(chunks)).toEqual([0, 10, 20, 30, 40, 50, 60, 70])
    expect(read(chunks, { minTime: 20, maxTime: 60 })).toEqual([20, 30, 40, 50, 60])
    expect(read(chunks, { minTime: 32, maxTime: 38 })).toEqual([])
    expect(read([])).toEqual([])
  })

  test('a chunk that holds more than it announces adds nothing twice', () => {
    const liar = { ...xor([10, 20, 30, 40]), minTime: 25 }
    expect(read([{ ...xor([0, 10, 20]), maxTime: 20 }, liar])).toEqual([0, 10, 20, 30, 40])
  })

  test('lanes are bounded to the range before they are merged', () => {
    // From 0 on the first lane wins; from 1000 on the second one is the earlier.
    const a = xor(every(15_000, 0, 150_000), 1)
    const b = xor(every(15_000, 3000, 150_000), 2)
    expect(read([a, b])).toEqual(every(15_000, 0, 150_000))
    expect(read([a, b], { minTime: 11_000, maxTime: 60_000 })).toEqual(every(15_000, 15_000, 60_000))
    expect(read([a, b], { minTime: 1000, maxTime: 60_000 })).toEqual([3000, ...every(15_000, 15_000, 60_000)])
  })

  test('three lanes are folded left; chain keeps every time', () => {
    const lanes = [xor([0, 30], 1), xor([1, 31], 2), xor([2, 32], 3)]
    expect(read(lanes, all, 'chain')).toEqual([0, 1, 2, 30, 31, 32])
    expect(read(lanes)).toEqual([0, 30])
  })

  test('NaN bits stay as they are, stale markers among them', () => {
    const stale = 0x7ff0000000000002n
    const odd = 0xfff8000000000123n
    const a = kernels.columns()
    a.pushBits(0, stale)
    a.pushBits(15_000, odd)
    const b = columnsOf(every(15_000, 1000, 60_000))
    const into = kernels.columns()
    mergePenalty(a, b, into)
    expect(Array.from(into.valueBits()).slice(0, 2)).toEqual([stale, odd])
    expect(into.length).toBe(3)
  })

  test('a chunk of a type that no one has given out fails by its number', () => {
    const { raw, ...times } = xor([0, 10])
    expect(() => read([{ ...times, raw: { ...raw!, type: 99 } }])).toThrowError(
      expect.objectContaining({
        code: 'unsupported',
        message: 'cannot decode chunk: got encoding unknown encoding 100, want XOR or XOR2',
      }),
    )
  })

  test('a chunk of type 3 is XOR2', () => {
    const columns = kernels.columns()
    for (const time of [0, 10, 20]) columns.push(time, time)
    const chunk = { minTime: 0, maxTime: 20, raw: { type: 3, data: kernels.encodeXor2(columns, 0, 3), hash: 0n } }
    expect(read([chunk])).toEqual([0, 10, 20])
  })

  test('an aggregate is named too; a damaged chunk is corrupt', () => {
    const { raw, ...times } = xor([0, 10])
    expect(() => read([{ ...times, count: raw! }])).toThrowError(/got encoding aggregate/)
    const cut = { ...raw!, data: raw!.data.subarray(0, 5) }
    expect(() => read([{ ...times, raw: cut }])).toThrowError(expect.objectContaining({ code: 'corrupt' }))
  })
})
