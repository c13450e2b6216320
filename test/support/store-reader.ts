// What a user sees of a bucket: a store gateway's block set over it, its Series answer merged and read as the querier does.
// Samples as lines, and how many there are at all resolutions, so that two moments can be compared.
// Owns the store until close(); what it has synced stays its view until sync().

import { deduplicateFilter, replacedReplicaFilter } from '../../lib/blocks/filters.ts'
import { ignoreDeletionMarkFilter } from '../../lib/blocks/mark-filters.ts'
import { createKernels } from '../../lib/kernels/instance.ts'
import { formatLabels } from '../../lib/labels/labels.ts'
import type { Bucket } from '../../lib/objstore/bucket.ts'
import { SeriesReader } from '../../lib/storeapi/dedup.ts'
import { mergeSeries } from '../../lib/storeapi/merge.ts'
import { type AggrChunk, aggr, type StoreSeries } from '../../lib/storeapi/types.ts'
import { openTestStore, type TestStore } from './test-store.ts'

const kernels = createKernels()
const hourMs = 3_600_000
const range = { minTime: 0, maxTime: Number.MAX_SAFE_INTEGER }
const all = [{ type: '=~', name: '__name__', value: '.+' }] as const

export interface StoreReader {
  /** Sees what the bucket has now; throws where it cannot. */
  sync(): Promise<void>
  /** Raw samples, each once, one line each: labels, time, value. Replicas are deduplicated along `replicaLabels`. */
  samples(replicaLabels?: readonly string[]): Promise<string[]>
  /** How many raw samples stand behind what is served, downsampled where that is to be had; a sample that is served twice counts twice. */
  counted(): Promise<number>
  close(): Promise<void>
}

/** A store within its delay: a block that is marked for deletion is served for `ignoreMarksAfterMs` (1 day unless told). */
export async function openStoreReader(bucket: Bucket, ignoreMarksAfterMs = 24 * hourMs): Promise<StoreReader> {
  const filters = [
    ignoreDeletionMarkFilter(ignoreMarksAfterMs, { bucket }),
    deduplicateFilter(),
    replacedReplicaFilter(),
  ]
  const store = await openTestStore(bucket, { filters })
  return {
    sync: () => store.blocks.sync(new AbortController().signal),
    async samples(replicaLabels = []) {
      const lines: string[] = []
      for await (const series of seriesOf(store, { replicaLabels, maxResolutionWindow: 0 }))
        lines.push(...linesOf(series, replicaLabels.length > 0 ? 'penalty' : 'chain'))
      return lines.sort()
    },
    async counted() {
      let sum = 0
      for await (const { chunks } of seriesOf(store, { replicaLabels: [], maxResolutionWindow: hourMs }))
        for (const chunk of chunks) sum += samplesBehind(chunk)
      return sum
    },
    close: () => store.close(),
  }
}

function seriesOf(
  { api }: TestStore,
  options: { readonly replicaLabels: readonly string[]; readonly maxResolutionWindow: number },
): AsyncGenerator<StoreSeries> {
  const { maxResolutionWindow, replicaLabels } = options
  const request = {
    ...range,
    matchers: all,
    aggregates: maxResolutionWindow > 0 ? [aggr.count] : [aggr.raw],
    maxResolutionWindow,
    withoutReplicaLabels: replicaLabels,
    partialResponseDisabled: true,
  }
  return mergeSeries([{ store: 'test', open: (signal) => api.series(request, signal) }], {
    partialResponse: false,
    responseTimeoutMs: 0,
    onWarning: (warning) => {
      throw new Error(warning)
    },
    signal: new AbortController().signal,
  })
}

function linesOf({ labels, chunks }: StoreSeries, dedup: 'penalty' | 'chain'): string[] {
  const reader = new SeriesReader(kernels)
  const columns = kernels.columns()
  try {
    reader.read(chunks, range, dedup, { columns, histograms: [] })
    const values = columns.values()
    const name = formatLabels(labels)
    return Array.from(columns.times(), (time, i) => `${name} ${time} ${values[i]}`)
  } finally {
    columns.free()
    reader.free()
  }
}

/** Of an aggregate chunk the sum of its counts. */
function samplesBehind({ raw, count }: AggrChunk): number {
  const columns = kernels.columns()
  try {
    kernels.decodeXor((raw ?? count)!.data, columns)
    return raw ? columns.length : columns.values().reduce((sum, value) => sum + value, 0)
  } finally {
    columns.free()
  }
}
