// Blocks of one Prometheus that overlap, as out-of-order and backfilled blocks do: every sample is there, once, and no two chunks
// overlap that a querier could take for replicas. Blocks of other replicas are left for the querier to choose from.
// Subject: lib/store/one-origin.ts behind the StoreAPI. Owns the buckets that it makes.
import { expect, test } from 'vitest'
import { decodeFloatChunk } from '../../../lib/chunkenc/decode-floats.ts'
import { createKernels } from '../../../lib/kernels/instance.ts'
import type { Labels } from '../../../lib/labels/labels.ts'
import { MemoryBucket } from '../../../lib/objstore/memory.ts'
import type { AggrChunk, StoreSeries } from '../../../lib/storeapi/types.ts'
import { type MadeSeries, putMadeBlock } from '../../support/made-blocks.ts'
import { Random, seed } from '../../support/random.ts'
import { collectSeries, openTestStore } from '../../support/test-store.ts'

type Samples = MadeSeries['samples']

interface Part {
  readonly samples: Samples
  readonly replica?: string
  /** Of the series itself. */
  readonly shard?: string
}

const endMs = 7_200_000
const kernels = createKernels()

/** What a store over a block for each part answers. */
async function answer(parts: readonly Part[], withoutReplicaLabels: readonly string[] = []): Promise<StoreSeries[]> {
  const bucket = new MemoryBucket()
  for (const { samples, replica = 'a', shard } of parts) {
    const labels: Labels = ['__name__', 'c_total', ...(shard === undefined ? [] : ['shard', shard])]
    const series = [{ labels, samples }]
    await putMadeBlock(bucket, { minTime: 0, maxTime: endMs, series, externalLabels: ['replica', replica] })
  }
  const store = await openTestStore(bucket)
  try {
    const matchers = [{ type: '=', name: '__name__', value: 'c_total' }] as const
    const asked = { minTime: 0, maxTime: endMs, matchers, withoutReplicaLabels }
    const { series, warnings } = await collectSeries(store.api, asked)
    expect(warnings).toEqual([])
    return series
  } finally {
    await store.close()
  }
}

function samplesOf(chunks: readonly AggrChunk[]): [number, number][] {
  return chunks.flatMap(({ raw }) => {
    const columns = kernels.columns()
    decodeFloatChunk(raw!.type + 1, raw!.data, columns)
    const values = [...columns.values()]
    const samples = [...columns.times()].map((time, i): [number, number] => [time, values[i]!])
    columns.free()
    return samples
  })
}

const every = (stepMs: number, from: number, to: number): Samples =>
  Array.from({ length: Math.floor((to - from) / stepMs) }, (_, i) => [from + i * stepMs, from + i] as const)

test('out of order: every fourth sample stands in a second block', async () => {
  const all = every(30_000, 0, endMs)
  const [late, rest] = [all.filter((_, i) => i % 4 === 3), all.filter((_, i) => i % 4 !== 3)]
  const [series] = await answer([{ samples: rest }, { samples: late }])
  expect(samplesOf(series!.chunks)).toEqual(all)
})

test('a gap that was filled later, its edges among the samples around it', async () => {
  const before = every(120_000, 0, 2_400_000)
  const filled = every(120_000, 2_340_000, 4_260_000)
  const after = every(120_000, 4_200_000, endMs)
  const [series] = await answer([{ samples: [...before, ...after] }, { samples: filled }])
  const want = [...before, ...filled, ...after].toSorted(([a], [b]) => a - b)
  expect(samplesOf(series!.chunks)).toEqual(want)
})

test('what does not overlap is not touched', async () => {
  const all = every(15_000, 0, endMs)
  const [apart] = await answer([{ samples: all.slice(0, 240) }, { samples: all.slice(240) }])
  const [whole] = await answer([{ samples: all }])
  expect(apart!.chunks).toEqual(whole!.chunks)
})

test('replicas are left as they are, each merged by itself', async () => {
  const all = every(30_000, 0, endMs)
  const parts = (replica: string) => [
    { replica, samples: all.filter((_, i) => i % 4 === 3) },
    { replica, samples: all.filter((_, i) => i % 4 !== 3) },
  ]
  const [series] = await answer([...parts('a'), ...parts('b')], ['replica'])
  // Of two equal replicas each chunk is answered once.
  expect(samplesOf(series!.chunks)).toEqual(all)
  const [ahead] = await answer([...parts('a'), { replica: 'b', samples: every(30_000, 10_000, endMs) }], ['replica'])
  expect(samplesOf(ahead!.chunks)).toHaveLength(all.length + every(30_000, 10_000, endMs).length)
})

test('series that a removed label of their own tells apart are no one series', async () => {
  const [one, two] = [every(30_000, 0, endMs), every(30_000, 10_000, endMs)]
  const [series] = await answer(
    [
      { samples: one, shard: '1' },
      { samples: two, shard: '2' },
    ],
    ['shard'],
  )
  expect(series!.chunks.map(({ minTime }) => minTime % 30_000 === 0).filter(Boolean)).toHaveLength(2)
  expect(samplesOf(series!.chunks)).toHaveLength(one.length + two.length)
})

test(`random blocks of one origin: the union of their samples, seed ${seed}`, async () => {
  const random = new Random(seed)
  for (let round = 0; round < 20; round++) {
    const all = Array.from({ length: 1 + random.below(500) }, (_, i) => [i * 10_000, random.float()] as const)
    const parts = Array.from({ length: 1 + random.below(4) }, () => all.filter(() => random.chance(0.5)))
    const union = all.filter((sample) => parts.some((part) => part.includes(sample)))
    const [series] = await answer(parts.filter((samples) => samples.length > 0).map((samples) => ({ samples })))
    expect(samplesOf(series?.chunks ?? [])).toEqual(union)
  }
})
