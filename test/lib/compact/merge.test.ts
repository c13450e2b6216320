// Blocks that are merged by kernels against the same series added one by one: the same files, byte for byte, and the same counts.
// Subject: mergeBlocks(), where chunks are copied and where they overlap; lib/tsdb/overlap.ts is the twin of what the kernel does there.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import type { BlockMeta } from '../../../lib/blocks/meta.ts'
import { newUlid } from '../../../lib/blocks/ulid.ts'
import { chunkEncoding, sampleCount } from '../../../lib/chunkenc/encoding.ts'
import { openInputBlock } from '../../../lib/compact/input-block.ts'
import { mergeBlocks } from '../../../lib/compact/merge.ts'
import { NumberPages } from '../../../lib/compact/number-pages.ts'
import { createKernels } from '../../../lib/kernels/instance.ts'
import { numbersInPage } from '../../../lib/kernels/series-input.ts'
import { compareLabels, compareStrings, type Labels, labelsKey } from '../../../lib/labels/labels.ts'
import { FilesystemBucket } from '../../../lib/objstore/filesystem.ts'
import { type BlockChunk, type BlockContents, BlockWriter } from '../../../lib/tsdb/block-writer.ts'
import { OverlapMerger } from '../../../lib/tsdb/overlap.ts'
import { metaOf } from '../../support/block-metas.ts'
import { Random, seed } from '../../support/random.ts'

const root = mkdtempSync(path.join(tmpdir(), 'mnemo-merge-'))
afterAll(() => rmSync(root, { recursive: true }))

const random = new Random(seed)
const kernels = createKernels()
const columns = kernels.columns()
const signal = new AbortController().signal
const bucket = new FilesystemBucket(root)
const hourMs = 3_600_000
const encodings = [chunkEncoding.xor, chunkEncoding.histogram, chunkEncoding.xor2, chunkEncoding.floatHistogramSt]

interface Series {
  readonly labels: Labels
  readonly chunks: readonly BlockChunk[]
}

function randomLabels(of: Random): Labels {
  // More labels than kernels have room for at first, now and then.
  const names = of.chance(0.05) ? 100 : 1 + of.below(6)
  const pairs = new Map(Array.from({ length: names }, () => [`n${of.below(200)}`, `value ${of.below(40)} é𝄞`]))
  return [...pairs].sort(([a], [b]) => compareStrings(a, b)).flat()
}

/** In the hour of that number; `count` of them. */
function randomChunks(hour: number, count: number): BlockChunk[] {
  const lengthMs = Math.floor(hourMs / count)
  return Array.from({ length: count }, (_, i) => {
    const encoding = random.pick(encodings)
    const data = random.bytes(2 + random.below(random.chance(0.01) ? 60_000 : random.pick([10, 300])))
    const minTime = hour * hourMs + i * lengthMs + random.below(lengthMs - 1)
    const maxTime = random.chance(0.2) ? minTime : hour * hourMs + (i + 1) * lengthMs - 1
    return { minTime, maxTime, encoding, data, numSamples: sampleCount(encoding, data) }
  })
}

async function write(folder: string, series: readonly Series[], segmentBytes: number): Promise<BlockContents> {
  const symbols = [...new Set(series.flatMap(({ labels }) => labels))].sort(compareStrings)
  const writer = await BlockWriter.create({ folder, symbols, segmentBytes })
  for (const { labels, chunks } of series) if (chunks.length > 0) await writer.addSeries(labels, chunks)
  return writer.finish(() => '{}')
}

async function putBlock(hour: number, series: readonly Series[]): Promise<BlockMeta> {
  const times = { minTime: hour * hourMs, maxTime: (hour + 1) * hourMs }
  const ulid = newUlid(times.minTime)
  const { stats } = await write(path.join(root, ulid), series, 1_000_000)
  return { ...metaOf({ ...times, ulid }), stats }
}

test.each([1, 2, 5])(`%i blocks (SEED=${seed})`, async (blocks) => {
  for (const segmentBytes of [30_000_000, 500_000]) {
    const labels = Array.from({ length: 400 }, () => randomLabels(random))
    const all = [...new Map(labels.map((one) => [labelsKey(one), one])).values()].sort(compareLabels)
    const merged = all.map((one): { labels: Labels; chunks: BlockChunk[] } => ({ labels: one, chunks: [] }))
    const metas: BlockMeta[] = []
    for (let hour = 0; hour < blocks; hour++) {
      const series = merged.flatMap((one) => {
        if (random.chance(0.2)) return []
        // More chunks than there is room for at first, now and then, and more bytes than are copied at a time.
        const chunks = randomChunks(hour, random.chance(0.01) ? 300 + random.below(2000) : 1 + random.below(5))
        one.chunks.push(...chunks)
        return [{ labels: one.labels, chunks }]
      })
      metas.push(await putBlock(hour, series))
    }
    const want = await write(path.join(root, 'want'), merged, segmentBytes)
    const sources = await Promise.all(
      metas.map((meta) => openInputBlock(bucket, meta, signal, { windowBytes: 100_000 })),
    )
    for (const isVerified of [true, false]) {
      const folder = path.join(root, 'got')
      const writing = { segmentBytes }
      const got = await mergeBlocks(sources, {
        folder,
        meta: () => '{}',
        signal,
        overlap: 'one-to-one',
        isVerified,
        writing,
      })
      expect(got).toEqual(want)
      for (const { relPath } of want.files)
        expect(readFileSync(path.join(folder, relPath)).equals(readFileSync(path.join(root, 'want', relPath)))).toBe(
          true,
        )
      rmSync(folder, { recursive: true })
    }
    rmSync(path.join(root, 'want'), { recursive: true })
    for (const source of sources) source.close()
  }
})

/** Chunks of up to 300 samples each between the times, at about a step's distance; now and then of another kind. */
function overlappingChunks([from, to]: readonly [number, number], stepMs: number): BlockChunk[] {
  const chunks: BlockChunk[] = []
  let time = from + random.below(stepMs)
  const isMixed = random.chance(0.05)
  while (time < to) {
    columns.clear()
    const most = 1 + random.below(300)
    for (; columns.length < most && time < to; time += random.chance(0.01) ? 20 * stepMs : stepMs + random.below(3))
      columns.push(time, random.chance(0.5) ? random.float() : random.below(3))
    const [times, count] = [columns.times(), columns.length]
    const kind = isMixed && random.chance(0.2) ? 'xor2' : 'xor'
    const data = kind === 'xor' ? kernels.encodeXor(columns, 0, count) : kernels.encodeXor2(columns, 0, count)
    const span = { minTime: times[0]!, maxTime: times[count - 1]!, numSamples: count }
    chunks.push({ ...span, encoding: chunkEncoding[kind], data: data.slice() })
  }
  return chunks
}

test.each(['one-to-one', 'penalty'] as const)(`blocks that overlap, %s (SEED=${seed})`, async (overlap) => {
  const minTime = 0
  const maxTime = 24 * hourMs
  const labels = Array.from({ length: 120 }, () => randomLabels(random))
  const all = [...new Map(labels.map((one) => [labelsKey(one), one])).values()].sort(compareLabels)
  const blocks: Series[][] = [[], [], []]
  for (const one of all) {
    // As many samples as there is room for at first, and more; a day of a series every second is more than is written at a time.
    const stepMs = random.pick([1000, 15_000, 15_000, 60_000, 600_000])
    let before: BlockChunk[] = []
    for (const block of blocks) {
      if (random.chance(0.1)) continue
      const from = random.below(maxTime / 2)
      const to = from + random.below(stepMs === 1000 ? 8 * hourMs : maxTime - from)
      // What another block has too, now and then, all of it or some.
      const copied = random.chance(0.3) ? before.filter(() => random.chance(0.9)) : []
      const chunks = copied.length > 0 ? copied : overlappingChunks([from, to], stepMs)
      if (chunks.length > 0) block.push({ labels: one, chunks })
      before = chunks
    }
  }
  const metas: BlockMeta[] = []
  for (const series of blocks) {
    const ulid = newUlid(minTime + metas.length)
    const { stats } = await write(path.join(root, ulid), series, 100_000_000)
    metas.push({ ...metaOf({ minTime, maxTime, ulid }), stats })
  }
  const merger = new OverlapMerger(kernels, overlap)
  const merged = all.map((one): Series => {
    const same = blocks.flatMap((series, i) =>
      series
        .filter(({ labels: other }) => compareLabels(one, other) === 0)
        .map(({ chunks }) => ({ chunks, ulid: metas[i]!.ulid })),
    )
    return {
      labels: one,
      chunks: merger.merge(same.flatMap(({ chunks, ulid }) => chunks.map((chunk) => ({ ulid, chunk })))),
    }
  })
  const want = await write(path.join(root, 'want'), merged, 600_000)
  merger.free()
  const sources = await Promise.all(metas.map((meta) => openInputBlock(bucket, meta, signal, { windowBytes: 100_000 })))
  const folder = path.join(root, 'got')
  const got = await mergeBlocks(sources, {
    folder,
    meta: () => '{}',
    signal,
    overlap,
    writing: { segmentBytes: 600_000 },
  })
  expect(got).toEqual(want)
  for (const { relPath } of want.files)
    expect(
      readFileSync(path.join(folder, relPath)).equals(readFileSync(path.join(root, 'want', relPath))),
      relPath,
    ).toBe(true)
  for (const made of ['want', 'got']) rmSync(path.join(root, made), { recursive: true })
  for (const source of sources) source.close()
})

test(`pages of numbers: each that was loaded last is there, as many as there is room for (SEED=${seed})`, () => {
  const kernels = createKernels()
  const count = 70 * numbersInPage + 5
  const numbers = Uint32Array.from({ length: count }, (_, i) => i * 3)
  const pages = new NumberPages(kernels, {
    count,
    borrow: (first, length) => new Uint8Array(numbers.slice(first, first + length).buffer),
  })
  const atHand = (page: number) => new Uint32Array(kernels.memory.buffer, pages.ptr + page * 4, 1)[0]!
  const loaded: number[] = []
  for (let n = 0; n < 300; n++) {
    const page = random.below(71)
    if (atHand(page) !== 0) continue
    pages.load(page)
    loaded.push(page)
    for (const one of loaded.slice(-64)) {
      const length = Math.min(numbersInPage, count - one * numbersInPage)
      const got = new Uint32Array(kernels.memory.buffer, atHand(one), length)
      expect(got).toEqual(numbers.subarray(one * numbersInPage, one * numbersInPage + length))
    }
    for (const one of new Set(loaded.slice(0, -64))) if (!loaded.slice(-64).includes(one)) expect(atHand(one)).toBe(0)
  }
  expect(loaded.length).toBeGreaterThan(70)
  pages.free()
})
