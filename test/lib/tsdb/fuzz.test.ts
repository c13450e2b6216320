// Fuzzing of a block's files: index, chunk segments, chunks of every encoding, tombstones.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { bufferRandomAccess } from '../../../lib/bytes/random-access.ts'
import { splitAggregates } from '../../../lib/chunkenc/aggregate.ts'
import { decodeFloatChunk } from '../../../lib/chunkenc/decode-floats.ts'
import { decodeHistogramChunk, isHistogramEncoding } from '../../../lib/chunkenc/decode-histogram.ts'
import { chunkEncoding, sampleCount } from '../../../lib/chunkenc/encoding.ts'
import { SeriesInput } from '../../../lib/compact/series-input.ts'
import { createKernels } from '../../../lib/kernels/instance.ts'
import type { EncodedChunk } from '../../../lib/tsdb/chunk-format.ts'
import { ChunkReader } from '../../../lib/tsdb/chunk-reader.ts'
import { IndexReader } from '../../../lib/tsdb/index-reader.ts'
import { IndexSalvage } from '../../../lib/tsdb/index-salvage.ts'
import { decodeTombstones, encodeTombstones } from '../../../lib/tsdb/tombstones.ts'
import { metaOf } from '../../support/block-metas.ts'
import { type FuzzInput, fuzz, fuzzTimeoutMs, truncate } from '../../support/fuzz.ts'
import { goldenBlock, goldenPath } from '../../support/golden.ts'
import { indexFrames } from '../../support/index-frames.ts'
import { seed } from '../../support/random.ts'
import { rawIndex } from '../../support/raw-index.ts'

const small = rawIndex(
  ['a', 'b', 'c'].map((name, s) => ({
    labels: ['__name__', name, 'job', 'x', 'ünï', '\u{1f600}'],
    chunks: [0, 1].map((i) => ({ minTime: 1000 * i - 5, maxTime: 1000 * i + 900, ref: 8 + 20 * (2 * s + i) })),
  })),
)
const kernels = createKernels()
const floats = goldenBlock('blocks/floats')
const segment = readFileSync(join(floats.folder, 'chunks', '000001'))

/** All that an index says. */
async function readIndex(bytes: Uint8Array): Promise<void> {
  const reader = await IndexReader.open(bufferRandomAccess('index', bytes))
  for (const symbol of reader.symbols) void symbol
  for await (const series of reader.allSeries()) void series
  for (const ref of await reader.allPostings()) void ref
  for (const name of reader.labelNames())
    for (const value of reader.labelValues(name))
      for (const ref of await reader.postings(name, value)) await reader.series(ref)
}

/** As compaction walks over it, with what the reader above says of each series. */
async function walk(bytes: Uint8Array): Promise<void> {
  const indexBytes = bufferRandomAccess('index', bytes)
  const index = await IndexReader.open(indexBytes)
  const meta = metaOf({ minTime: -1e6, maxTime: 1e6 })
  const signal = new AbortController().signal
  const block = { meta, index, indexBytes, segments: [], windowBytes: 1024, tombstones: new Map(), close: () => {} }
  const input = new SeriesInput(kernels, block, signal)
  try {
    for await (const series of index.allSeries()) {
      await input.next()
      expect(input.series).toEqual(series)
    }
    await input.next()
    expect(input.series).toBeUndefined()
  } finally {
    input.close()
  }
}

async function salvage(bytes: Uint8Array): Promise<void> {
  const index = await IndexSalvage.open(bufferRandomAccess('index', bytes))
  for await (const series of index.series()) void series
}

describe(`SEED=${seed}`, () => {
  test('indices', { timeout: fuzzTimeoutMs }, async () => {
    const inputs: FuzzInput[] = [{ bytes: small, frames: await indexFrames(small) }]
    await fuzz('index', inputs, async (bytes, random) => {
      if (random.chance(0.5)) await readIndex(bytes)
      else if (random.chance(0.6)) await walk(bytes)
      else await salvage(bytes)
    })
  })

  test('an index cut at every byte', async () => {
    await truncate('index', small, readIndex)
  })

  test('chunk segments', { timeout: fuzzTimeoutMs }, async () => {
    const short = segment.subarray(0, 3000)
    const index = await IndexReader.open(bufferRandomAccess('index', readFileSync(join(floats.folder, 'index'))))
    const refs: number[] = []
    for await (const { chunks } of index.allSeries())
      refs.push(...chunks.map(({ ref }) => ref).filter((ref) => ref < 2500))
    await fuzz('segment', [{ bytes: short }], async (bytes, random) => {
      const reader = await ChunkReader.over([bufferRandomAccess('000001', bytes)])
      await reader.read(
        refs.filter(() => random.chance(0.3)).map((ref) => (random.chance(0.1) ? ref + random.below(9) : ref)),
      )
    })
    await truncate('segment', short, async (bytes) => {
      const reader = await ChunkReader.over([bufferRandomAccess('000001', bytes)])
      await reader.read([2999])
    })
  })

  describe('chunks', () => {
    let chunks: EncodedChunk[]

    beforeAll(async () => {
      chunks = await goldenChunks()
    })

    const columns = kernels.columns()

    function decode({ encoding, data }: EncodedChunk): void {
      sampleCount(encoding, data)
      if (encoding === chunkEncoding.aggregate) for (const part of Object.values(splitAggregates(data))) decode(part)
      else if (isHistogramEncoding(encoding)) decodeHistogramChunk(encoding, data)
      else {
        columns.clear()
        decodeFloatChunk(encoding, data, columns)
      }
    }

    test('of every encoding', { timeout: fuzzTimeoutMs }, async () => {
      // The encoding stands before the data, so that it is mutated as well.
      const inputs = chunks.map(({ encoding, data }) => ({ bytes: Uint8Array.from([encoding, ...data]) }))
      await fuzz('chunk', inputs, ([encoding = 0, ...data]) => decode({ encoding, data: Uint8Array.from(data) }))
    })

    test('cut at every byte: never an endless loop, never another kind of error', async () => {
      const byEncoding = Map.groupBy(chunks, ({ encoding }) => encoding)
      for (const [encoding, some] of byEncoding) {
        const { data } = some.toSorted((a, b) => a.data.length - b.data.length)[Math.floor(some.length / 2)]!
        const cut = data.subarray(0, 600)
        // A float chunk ends by the count of its samples, the rest of its last byte is free: the last bytes may be spare.
        await truncate(
          `chunk of encoding ${encoding}`,
          cut.subarray(0, data.length > 600 ? 600 : data.length - 1),
          (bytes) => decode({ encoding, data: bytes }),
        )
      }
    })
  })

  test('tombstones', { timeout: fuzzTimeoutMs }, async () => {
    const file = join(goldenBlock('blocks/tombstones').folder, 'tombstones')
    const made = encodeTombstones(
      new Map([1, 300, 70_000].map((ref) => [ref, [0, 1e12].map((t) => ({ minTime: t - ref, maxTime: t + ref }))])),
    )
    const inputs = [readFileSync(file), made].map((bytes): FuzzInput => ({ bytes, frames: [[5, bytes.length - 4]] }))
    await fuzz('tombstones', inputs, (bytes) => decodeTombstones(bytes, 'tombstones'))
    await truncate('tombstones', made, (bytes) => decodeTombstones(bytes, 'tombstones'))
  })
})

/** Some chunks of each encoding. */
async function goldenChunks(): Promise<EncodedChunk[]> {
  const folders = ['floats', 'floats-xor2', 'histograms', 'histograms-st'].map(
    (name) => goldenBlock(`blocks/${name}`).folder,
  )
  const bucket = goldenPath('bucket', '01M81VCV2QY4VZMAKGC7N7SG0A')
  const chunks: EncodedChunk[] = []
  for (const folder of [...folders, bucket]) {
    const index = await IndexReader.open(bufferRandomAccess('index', readFileSync(join(folder, 'index'))))
    const files = readdirSync(join(folder, 'chunks')).map((name) => readFileSync(join(folder, 'chunks', name)))
    const reader = await ChunkReader.over(files.map((bytes) => bufferRandomAccess('chunks', bytes)))
    for await (const { chunks: metas } of index.allSeries())
      chunks.push(
        ...(await reader.read(metas.slice(0, 2).map(({ ref }) => ref))).filter(({ data }) => data.length < 3000),
      )
  }
  return chunks
}
