// What a Thanos store was asked and answered, read and written again byte for byte.
// Cases are the files of test/golden/storeapi: a new case is a new pair of files.
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { LabelMatcher } from '../../../lib/labels/matcher.ts'
import {
  decodeSeriesRequest,
  encodeSeriesBatch,
  encodeSeriesRequest,
  encodeSeriesResponse,
  SeriesDecoder,
} from '../../../lib/storeapi/messages.ts'
import { type Chunk, noBoundMs, type SeriesRequest, type StoreSeries } from '../../../lib/storeapi/types.ts'

const folder = new URL('../../golden/storeapi/', import.meta.url)

type GoldenChunk = { bytes: number; hash: string; type: number }
type GoldenAggrChunk = { minTime: number; maxTime: number } & Record<string, GoldenChunk | number>
type GoldenFrame = { batch: number } | { labels: [string, string][]; chunks: GoldenAggrChunk[] }

interface Golden {
  readonly request: Record<string, unknown> & { matchers: { type?: number; name: string; value?: string }[] | null }
  readonly requestBytes: string
  readonly frames: GoldenFrame[]
}

const cases = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .map((name) => {
    const golden = JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as Golden
    return { name: name.slice(0, -5), golden, frames: readFrames(name.replace('.json', '.frames')) }
  })

function readFrames(name: string): Buffer[] {
  const bytes = readFileSync(new URL(name, folder))
  const frames: Buffer[] = []
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at)
    frames.push(bytes.subarray(at + 4, at + 4 + length))
    at += 4 + length
  }
  return frames
}

function requestInWords({ request }: Golden): SeriesRequest {
  const types = ['=', '!=', '=~', '!~'] as const
  const matchers = (request.matchers ?? []).map<LabelMatcher>(({ type = 0, name, value = '' }) => ({
    type: types[type]!,
    name,
    value,
  }))
  const bound = (value: unknown) => Math.max(-noBoundMs, Math.min(noBoundMs, Number(value)))
  const shard = request.shard_info as
    | { shard_index?: number; total_shards: number; by?: boolean; labels: string[] }
    | undefined
  const words: Record<string, unknown> = {
    minTime: bound(request.min_time),
    maxTime: bound(request.max_time),
    matchers,
    maxResolutionWindow: request.max_resolution_window,
    aggregates: request.aggregates,
    skipChunks: request.skip_chunks,
    shard: shard && {
      index: shard.shard_index ?? 0,
      total: shard.total_shards,
      by: shard.by ?? false,
      labels: shard.labels,
    },
    withoutReplicaLabels: request.without_replica_labels,
    limit: request.limit,
    responseBatchSize: request.response_batch_size,
  }
  return Object.fromEntries(
    Object.entries(words).filter(([, value]) => value !== undefined),
  ) as unknown as SeriesRequest
}

function inWords({ labels, chunks }: StoreSeries): GoldenFrame {
  const pairs = Array.from({ length: labels.length / 2 }, (_, i): [string, string] => [
    labels[2 * i]!,
    labels[2 * i + 1]!,
  ])
  const words = chunks.map(({ minTime, maxTime, ...aggregates }) => ({
    minTime,
    maxTime,
    ...Object.fromEntries(
      Object.entries(aggregates as Record<string, Chunk>).map(([name, { type, data, hash }]) => [
        name,
        { bytes: data.length, hash: String(hash), type },
      ]),
    ),
  }))
  return { labels: pairs, chunks: words as GoldenAggrChunk[] }
}

describe.each(cases)('$name', ({ golden, frames }) => {
  test('request: bytes to words and back', () => {
    const bytes = Buffer.from(golden.requestBytes, 'base64')
    const request = decodeSeriesRequest(bytes)
    expect(request).toEqual(requestInWords(golden))
    expect(encodeSeriesRequest(request)).toEqual(bytes)
  })

  test('frames: bytes to words and back', () => {
    const decoder = new SeriesDecoder()
    const words: GoldenFrame[] = []
    for (const frame of frames) {
      const series = decoder.decode(frame).map((response) => {
        if (response.kind !== 'series') throw new Error(`got ${response.kind}`)
        return response.series
      })
      const isBatch = frame[0] === 0x22
      if (isBatch) words.push({ batch: series.length })
      words.push(...series.map(inWords))
      const again = isBatch ? encodeSeriesBatch(series) : encodeSeriesResponse({ kind: 'series', series: series[0]! })
      expect(again).toEqual(frame)
    }
    expect(words).toEqual(golden.frames)
  })
})
