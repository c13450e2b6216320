// A StoreApi over local block folders, for tests: small blocks, read whole. It can be slowed and cut off in the middle.
// External labels come from each block's meta.json, as a store gateway's do.
// Owns the open files until close().
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type FileRandomAccess, fileRandomAccess } from '../../lib/bytes/random-access.ts'
import {
  compareLabels,
  compareStrings,
  type Labels,
  labelsOf,
  labelValue,
  overlayLabels,
  withoutLabels,
} from '../../lib/labels/labels.ts'
import type { LabelMatcher } from '../../lib/labels/matcher.ts'
import { compileMatcher } from '../../lib/labels/regex.ts'
import type { AggrChunk, LabelsRequest, SeriesRequest, StoreApi, StoreSeries } from '../../lib/storeapi/types.ts'
import { ChunkReader, openSegments } from '../../lib/tsdb/chunk-reader.ts'
import { IndexReader } from '../../lib/tsdb/index-reader.ts'

export interface BlockStore extends StoreApi {
  readonly stats: { openStreams: number; canceledStreams: number; series: number; requests: SeriesRequest[] }
  /** Wait before each series, ms. */
  delayMs: number
  close(): Promise<void>
}

interface BlockSeries {
  readonly labels: Labels
  readonly chunks: readonly AggrChunk[]
}

export interface BlockStoreOptions {
  readonly componentType?: string
  readonly supportsWithoutReplicaLabels?: boolean
}

/** Opens the blocks at once; what they hold is in memory. */
export async function openBlockStore(folders: readonly string[], options: BlockStoreOptions = {}): Promise<BlockStore> {
  const blocks = await Promise.all(folders.map(openBlock))
  const supportsWithoutReplicaLabels = options.supportsWithoutReplicaLabels ?? true
  const all = blocks.flatMap(({ series }) => series)
  const stats: BlockStore['stats'] = { openStreams: 0, canceledStreams: 0, series: 0, requests: [] }
  const removed = (request: { withoutReplicaLabels?: readonly string[] }) =>
    new Set(supportsWithoutReplicaLabels ? request.withoutReplicaLabels : [])

  const select = (request: LabelsRequest | SeriesRequest): StoreSeries[] => {
    const remove = removed(request)
    return all
      .filter(({ labels }) => matchesAll(labels, request.matchers))
      .map(({ labels, chunks }) => ({
        labels: withoutLabels(labels, remove),
        chunks: chunks.filter((c) => c.minTime <= request.maxTime && c.maxTime >= request.minTime),
      }))
      .filter(({ chunks }) => chunks.length > 0)
      .sort((a, b) => compareLabels(a.labels, b.labels))
  }

  const store: BlockStore = {
    stats,
    delayMs: 0,
    async close() {
      await Promise.all(blocks.flatMap(({ files }) => files.map((file) => file.close())))
    },
    async info() {
      return {
        labelSets: blocks.map(({ external }) => external),
        componentType: options.componentType ?? 'store',
        store: {
          minTime: Math.min(...blocks.map(({ minTime }) => minTime)),
          maxTime: Math.max(...blocks.map(({ maxTime }) => maxTime)),
          supportsSharding: false,
          supportsWithoutReplicaLabels,
          tsdbInfos: [],
        },
      }
    },
    async *series(request, signal) {
      stats.requests.push(request)
      stats.openStreams++
      try {
        for (const series of select(request)) {
          if (store.delayMs > 0) await sleep(store.delayMs, undefined, { signal })
          signal.throwIfAborted()
          stats.series++
          yield { kind: 'series', series: request.skipChunks ? { ...series, chunks: [] } : series }
        }
      } finally {
        stats.openStreams--
        if (signal.aborted) stats.canceledStreams++
      }
    },
    async labelNames(request) {
      return list(select(request).flatMap(({ labels }) => labels.filter((_, i) => i % 2 === 0)))
    },
    async labelValues(label, request) {
      if (removed(request).has(label)) return list([])
      return list(select({ ...request, withoutReplicaLabels: [] }).map(({ labels }) => labelValue(labels, label)))
    },
  }
  return store
}

function list(values: readonly string[]): { values: string[]; warnings: string[] } {
  return { values: [...new Set(values)].filter((value) => value !== '').sort(compareStrings), warnings: [] }
}

function matchesAll(labels: Labels, matchers: readonly LabelMatcher[]): boolean {
  return matchers.every((matcher) => compileMatcher(matcher)(labelValue(labels, matcher.name)))
}

async function openBlock(folder: string) {
  const meta = JSON.parse(await readFile(join(folder, 'meta.json'), 'utf8'))
  const external = labelsOf((meta.thanos?.labels ?? {}) as Record<string, string>)
  const indexFile = await fileRandomAccess(join(folder, 'index'))
  const segments = await openSegments(join(folder, 'chunks'))
  const index = await IndexReader.open(indexFile)
  const chunks = await ChunkReader.over(segments)
  const series: BlockSeries[] = []
  for await (const entry of index.allSeries()) {
    const encoded = await chunks.read(entry.chunks.map(({ ref }) => ref))
    series.push({
      labels: overlayLabels(entry.labels, external),
      chunks: entry.chunks.map(({ minTime, maxTime }, i) => {
        const { encoding, data } = encoded[i]!
        return { minTime, maxTime, raw: { type: encoding - 1, data, hash: 0n } }
      }),
    })
  }
  const files: FileRandomAccess[] = [indexFile, ...segments]
  return { external, series, files, minTime: meta.minTime as number, maxTime: meta.maxTime as number }
}
