// A byte that is wrong on its way from the bucket: read once more where it is the index's, and never kept; one that is wrong in
// the bucket is named until the object is put back.
// Subject: lib/store/index-pages.ts and what reads through it, over a bucket whose answers are spoilt. Owns nothing.
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { BlockMeta } from '../../../lib/blocks/meta.ts'
import { bufferRandomAccess } from '../../../lib/bytes/random-access.ts'
import { MemoryBucket } from '../../../lib/objstore/memory.ts'
import type { SeriesRequest } from '../../../lib/storeapi/types.ts'
import { type IndexToc, seriesAlignment } from '../../../lib/tsdb/index-format.ts'
import { IndexReader } from '../../../lib/tsdb/index-reader.ts'
import { putMadeBlock } from '../../support/made-blocks.ts'
import { collectSeries, openTestStore, type TestStore } from '../../support/test-store.ts'

const seriesCount = 2000
/** Selects all series by the list of all series, which is the first. */
const everything: SeriesRequest = { minTime: 0, maxTime: 1000, matchers: [{ type: '!=', name: 'none', value: 'x' }] }
const firstEntry = ({ series }: IndexToc) => Math.ceil(series / seriesAlignment) * seriesAlignment
const firstList = ({ postings }: IndexToc) => Math.ceil(postings / 4) * 4

/** Counts its range reads, and turns one byte of an object's answers over. */
class SpoilingBucket extends MemoryBucket {
  reads = 0
  #spoilt: { readonly name: string; readonly at: number; times: number } | undefined

  spoil(name: string, at: number, times = Number.POSITIVE_INFINITY): void {
    this.#spoilt = { name, at, times }
  }

  heal(): void {
    this.#spoilt = undefined
  }

  override async getRange(name: string, offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    this.reads++
    const bytes = await super.getRange(name, offset, length, signal)
    const spoilt = this.#spoilt
    if (spoilt?.name !== name || spoilt.at < offset || spoilt.at >= offset + bytes.length || spoilt.times === 0)
      return bytes
    spoilt.times--
    bytes[spoilt.at - offset]! ^= 0x55
    return bytes
  }
}

let bucket: SpoilingBucket
let block: BlockMeta
let store: TestStore
let toc: IndexToc

beforeEach(async () => {
  bucket = new SpoilingBucket()
  const series = Array.from({ length: seriesCount }, (_, i) => ({
    labels: ['__name__', 'up', 'instance', String(i).padStart(5, '0')],
    samples: [[i % 1000, i] as const],
  }))
  block = await putMadeBlock(bucket, { minTime: 0, maxTime: 1000, series })
  const index = Buffer.from(await bucket.getRange(`${block.ulid}/index`, 0, 1 << 24))
  toc = (await IndexReader.open(bufferRandomAccess('index', index))).toc
  store = await openTestStore(bucket)
  bucket.reads = 0
})
afterEach(() => store.close())

async function ask() {
  bucket.reads = 0
  const { series, warnings } = await collectSeries(store.api, everything)
  return { warnings, series: series.length, reads: bucket.reads }
}

const whole = { warnings: [], series: seriesCount }

describe.each<[what: string, section: string, offset: (toc: IndexToc) => number]>([
  ['a posting list', 'postings', (toc) => firstList(toc) + 100],
  ['the length of a posting list', 'postings', firstList],
  ['a series entry', 'series', (toc) => firstEntry(toc) + 3],
  ['the length of a series entry', 'series', firstEntry],
])('a wrong byte in %s', (_, section, offset) => {
  let name: string
  let at: number

  beforeEach(() => {
    name = `${block.ulid}/index`
    at = offset(toc)
  })

  test('once: the answer is whole', async () => {
    bucket.spoil(name, at, 1)
    expect(await ask()).toMatchObject(whole)
  })

  test('each time: the block is named, after one more read; the next call finds what is right', async () => {
    const untouched = await openTestStore(bucket)
    const reads = bucket.reads
    await collectSeries(untouched.api, { ...everything, skipChunks: true })
    const indexReads = bucket.reads - reads
    await untouched.close()
    bucket.spoil(name, at)
    const spoilt = await ask()
    expect(spoilt.warnings).toEqual([
      expect.stringContaining(`cannot read block ${block.ulid}: cannot read ${section} of ${name} at offset `),
    ])
    expect(spoilt.reads).toBeLessThanOrEqual(indexReads + 1)
    bucket.heal()
    expect(await ask()).toMatchObject(whole)
  })

  test('in the bucket: named at each call, until the object is put back', async () => {
    const good = await bucket.getRange(name, 0, 1 << 24)
    const bad = good.slice()
    bad[at]! ^= 0x55
    await bucket.upload(name, bad)
    for (let i = 0; i < 2; i++) expect((await ask()).warnings).toHaveLength(1)
    await bucket.upload(name, good)
    expect(await ask()).toMatchObject(whole)
  })
})

test('a wrong byte in a chunk: the block is named, the next call is whole', async () => {
  bucket.spoil(`${block.ulid}/chunks/000001`, 20, 1)
  expect((await ask()).warnings).toEqual([expect.stringContaining('checksum')])
  expect(await ask()).toMatchObject(whole)
})
