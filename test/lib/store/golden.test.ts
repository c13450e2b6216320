// What a Thanos store answered over the golden bucket, answered the same: series, order, chunks by time, type, size and hash.
// Cases are the JSON files of test/golden/storeapi and test/golden/store: a new case is a new file.
// Owns nothing but the comparison. The bucket lacks the chunk files of long native histograms: cases ask for the others.
import { readdirSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FilesystemBucket } from '../../../lib/objstore/filesystem.ts'
import { decodeSeriesRequest } from '../../../lib/storeapi/messages.ts'
import type { Chunk, SeriesRequest, StoreSeries } from '../../../lib/storeapi/types.ts'
import { goldenPath } from '../../support/golden.ts'
import { collectSeries, openTestStore, type TestStore } from '../../support/test-store.ts'

interface GoldenChunk {
  readonly bytes: number
  readonly hash: string
  readonly type: number
}

interface GoldenSeries {
  readonly labels: readonly (readonly [string, string])[]
  readonly chunks: readonly ({ minTime: number; maxTime: number } & Record<string, number | GoldenChunk>)[]
}

interface Golden {
  readonly end: string
  readonly frames: readonly (GoldenSeries | { readonly batch: number })[]
  readonly requestBytes: string
}

const cases = ['storeapi', 'store'].flatMap((folder) =>
  readdirSync(goldenPath(folder))
    .filter((name) => name.endsWith('.json'))
    .map((name) => ({
      name: name.slice(0, -5),
      golden: JSON.parse(readFileSync(goldenPath(folder, name), 'utf8')) as Golden,
    })),
)

let store: TestStore
beforeAll(async () => {
  store = await openTestStore(new FilesystemBucket(goldenPath('bucket')))
})
afterAll(() => store.close())

const aggregates = ['raw', 'count', 'sum', 'min', 'max', 'counter'] as const

function inWords({ labels, chunks }: StoreSeries): GoldenSeries {
  const pairs: [string, string][] = []
  for (let i = 0; i < labels.length; i += 2) pairs.push([labels[i]!, labels[i + 1]!])
  return {
    labels: pairs,
    chunks: chunks.map((chunk) => {
      const fields = aggregates.filter((name) => chunk[name]).map((name) => [name, chunkInWords(chunk[name]!)])
      return { minTime: chunk.minTime, maxTime: chunk.maxTime, ...Object.fromEntries(fields) }
    }),
  }
}

function chunkInWords({ data, hash, type }: Chunk): GoldenChunk {
  return { bytes: data.length, hash: String(hash), type }
}

const special = new Set(['histograms', 'downsampled-none-asked', 'bad-regex'])

describe.each(cases.filter(({ name }) => !special.has(name)))('$name', ({ golden }) => {
  test('is answered as Thanos answered it', async () => {
    expect(golden.end).toBe('EOF')
    const request = decodeSeriesRequest(Buffer.from(golden.requestBytes, 'base64'))
    const { series, warnings } = await collectSeries(store.api, request)
    expect(warnings).toEqual([])
    expect(series.map(inWords)).toEqual(golden.frames.filter((frame) => 'labels' in frame))
  })
})

function goldenOf(name: string): { golden: Golden; request: SeriesRequest } {
  const { golden } = cases.find((known) => known.name === name)!
  return { golden, request: decodeSeriesRequest(Buffer.from(golden.requestBytes, 'base64')) }
}

test('native histograms pass through as they are', async () => {
  const { golden, request } = goldenOf('histograms')
  const replica = { type: '=', name: 'replica', value: 'a' } as const
  const { series } = await collectSeries(store.api, { ...request, matchers: [...request.matchers, replica] })
  const frames = golden.frames.filter((frame) => 'labels' in frame)
  expect(series.map(inWords)).toEqual(
    frames.filter(({ labels }) => labels.some(([name, value]) => name === 'replica' && value === 'a')),
  )
  expect(series.length).toBe(1)
})

// Thanos's deduplication drops chunks that carry no data and keeps those of whichever block came first; here all stay.
test('no aggregate asked for: the chunks of downsampled blocks come without data', async () => {
  const { golden, request } = goldenOf('downsampled-none-asked')
  const { series } = await collectSeries(store.api, request)
  const frames = golden.frames.filter((frame) => 'labels' in frame)
  const words = series.map(inWords)
  expect(words.map(({ labels }) => labels)).toEqual(frames.map(({ labels }) => labels))
  for (const [i, { chunks }] of frames.entries()) expect(words[i]!.chunks).toEqual(expect.arrayContaining([...chunks]))
})

test('an invalid regular expression is refused in RE2’s words', async () => {
  const { golden, request } = goldenOf('bad-regex')
  expect(golden.end).toContain('error parsing regexp: missing closing ): `a(`')
  await expect(collectSeries(store.api, request)).rejects.toMatchObject({
    code: 'bad_data',
    message: 'error parsing regexp: missing closing ): `a(`',
  })
})
