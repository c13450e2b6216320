// What is found wrong with a block: nothing in blocks of Prometheus and Thanos, each kind of damage by its line.
import { readdirSync, readFileSync } from 'node:fs'
import { beforeAll, expect, test } from 'vitest'
import type { BlockMeta } from '../../../lib/blocks/meta.ts'
import { parseMeta } from '../../../lib/blocks/meta-parse.ts'
import { bufferRandomAccess } from '../../../lib/bytes/random-access.ts'
import { examineBlock } from '../../../lib/compact/block-health.ts'
import { FilesystemBucket } from '../../../lib/objstore/filesystem.ts'
import { MemoryBucket } from '../../../lib/objstore/memory.ts'
import { IndexReader } from '../../../lib/tsdb/index-reader.ts'
import type { SeriesEntry } from '../../../lib/tsdb/series-entry.ts'
import { goldenPath } from '../../support/golden.ts'
import { putMadeBlock } from '../../support/made-blocks.ts'
import { rawIndex } from '../../support/raw-index.ts'

const signal = new AbortController().signal
const sample = (count: number) => Array.from({ length: count }, (_, i): [number, number] => [1000 * i, i])

test.each(['bucket', 'dedup/one-to-one', 'dedup/bucket'])('nothing in the blocks of %s', async (name) => {
  let examined = 0
  for (const ulid of readdirSync(goldenPath(name))) {
    const file = goldenPath(name, ulid, 'meta.json')
    if (ulid.includes('.') || !readdirSync(goldenPath(name, ulid)).includes('chunks')) continue
    const meta = parseMeta(readFileSync(file), file)
    const health = await examineBlock(new FilesystemBucket(goldenPath(name)), meta, { chunks: true, signal })
    expect(health, ulid).toEqual({ index: [], chunks: [] })
    examined++
  }
  expect(examined).toBeGreaterThan(1)
})

let bucket: MemoryBucket
let meta: BlockMeta
let series: readonly SeriesEntry[]

beforeAll(async () => {
  bucket = new MemoryBucket()
  const made = ['a', 'b', 'c'].map((name) => ({ labels: ['__name__', name, 'job', 'x'], samples: sample(300) }))
  meta = await putMadeBlock(bucket, { minTime: 0, maxTime: 300_000, series: made })
  const reader = await IndexReader.open(
    bufferRandomAccess('index', await bucket.getRange(`${meta.ulid}/index`, 0, 1e6)),
  )
  series = await Array.fromAsync(reader.allSeries())
})

/** What is found where the index has other series than were written, or other bytes. */
async function found(change: {
  series?: readonly SeriesEntry[]
  chunks?: (bytes: Buffer) => Buffer
  meta?: Partial<BlockMeta>
}) {
  const damaged = new MemoryBucket()
  const index = change.series ? rawIndex(change.series) : await bucket.getRange(`${meta.ulid}/index`, 0, 1e6)
  const chunks = Buffer.from(await bucket.getRange(`${meta.ulid}/chunks/000001`, 0, 1e6))
  await damaged.upload(`${meta.ulid}/index`, index)
  await damaged.upload(`${meta.ulid}/chunks/000001`, change.chunks?.(chunks) ?? chunks)
  const files = { ...meta.thanos, files: [], segmentFiles: [] }
  return examineBlock(damaged, { ...meta, thanos: files, ...change.meta }, { chunks: true, signal })
}

test('an index as it is, written by the test’s own writer', async () => {
  expect(await found({ series })).toEqual({ index: [], chunks: [] })
})

test.each<[string, (all: readonly SeriesEntry[]) => readonly SeriesEntry[], RegExp]>([
  ['series out of order', ([a, b, c]) => [a!, c!, b!], /^1 series out of order, the first .*"b".* after .*"c"/],
  [
    'labels out of order',
    ([a, ...rest]) => [{ ...a!, labels: ['job', 'x', '__name__', 'a'] }, ...rest],
    /labels out of order$/,
  ],
  ['no labels', ([a, ...rest]) => [{ ...a!, labels: [] }, ...rest], /^1 series without labels$/],
  ['no chunks', ([a, ...rest]) => [{ ...a!, chunks: [] }, ...rest], /^1 series without chunks$/],
  [
    'a chunk twice',
    ([a, ...rest]) => [{ ...a!, chunks: [a!.chunks[0]!, ...a!.chunks] }, ...rest],
    /^1 chunks of the same time/,
  ],
  [
    'chunks out of order',
    ([a, ...rest]) => [{ ...a!, chunks: a!.chunks.toReversed() }, ...rest],
    /^2 chunks that overlap/,
  ],
  [
    'a reference beyond the segment',
    ([a, ...rest]) => [{ ...a!, chunks: [{ ...a!.chunks[0]!, ref: 2 ** 33 }] }, ...rest],
    /^1 chunk references beyond the end/,
  ],
])('%s', async (_, change, want) => {
  expect((await found({ series: change(series) })).index.some((line) => want.test(line))).toBe(true)
})

test('chunks outside of the block, wholly and partly', async () => {
  const { index } = await found({ meta: { minTime: 0, maxTime: 130_000 } })
  expect(index).toEqual([
    "3 chunks outside of the block's time [0, 130000)",
    "3 chunks partly outside of the block's time [0, 130000)",
  ])
})

test('counts that are not the meta’s', async () => {
  const { index, chunks } = await found({ meta: { stats: { numSamples: 5, numSeries: 2, numChunks: 4 } } })
  expect(index).toEqual(['3 series, where meta.json counts 2', '9 chunks, where meta.json counts 4'])
  expect(chunks).toEqual(['900 samples, where meta.json counts 5'])
})

test('a chunk whose bytes are bad, one whose times are other than the index tells, a segment that is cut', async () => {
  const flipped = await found({ chunks: (bytes) => bytes.fill(0xff, 20, 21) })
  expect(flipped.chunks).toEqual([expect.stringMatching(/^1 chunks cannot be read, the first of .*"a".*checksum/)])
  const [first, ...rest] = series
  const shifted = { ...first!, chunks: first!.chunks.map((chunk) => ({ ...chunk, maxTime: chunk.maxTime + 1 })) }
  expect((await found({ series: [shifted, ...rest] })).chunks[0]).toMatch(/^3 chunks cannot .* want 0 to 119001/)
  const cut = await found({ chunks: (bytes) => bytes.subarray(0, bytes.length - 100) })
  expect(cut.chunks).toEqual([expect.stringMatching(/^2 chunks cannot be read, the first of .*"c"/)])
})

test('an index that cannot be read, or is not there', async () => {
  const damaged = new MemoryBucket()
  await damaged.upload(`${meta.ulid}/chunks/000001`, Buffer.alloc(100))
  const examine = () => examineBlock(damaged, meta, { chunks: true, signal })
  expect((await examine()).index).toEqual([expect.stringContaining('no such object')])
  await damaged.upload(
    `${meta.ulid}/index`,
    Buffer.alloc(meta.thanos.files.find(({ relPath }) => relPath === 'index')!.sizeBytes!),
  )
  expect((await examine()).index).toEqual([expect.stringContaining('got magic 00000000')])
})
